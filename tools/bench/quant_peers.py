"""Quantizers for ONNX models: ours, and those that it is measured against."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgec.ir import Array
from edgec.tools import driver

Quantizer = Callable[[Path, str, Sequence[Array], Path], None]
"""Quantizes the model at a path, with an input of that name and samples for it, into a file."""


def edgec_quantizer(precision: str) -> Quantizer:
    def run(model: Path, name: str, samples: Sequence[Array], out: Path) -> None:
        data = [{name: sample} for sample in samples]
        driver.compile(driver.load(model), "onnx", out, precision=precision, calibration=data)

    return run


def plain_minmax(model: Path, name: str, samples: Sequence[Array], out: Path) -> None:
    """What no preset may be worse than: extremes, and one scale per tensor."""
    driver.compile(
        driver.load(model),
        "onnx",
        out,
        pipeline="O2,calibrate{method=minmax},quantize{scheme=onnx,weights=per_tensor}",
        calibration=[{name: sample} for sample in samples],
    )


def onnxruntime_quantizer(method: str) -> Quantizer:
    """``quantize_static`` as its documentation recommends: preprocessing, QDQ, u8 activations, s8
    weights per channel."""

    def run(model: Path, name: str, samples: Sequence[Array], out: Path) -> None:
        from onnxruntime import quantization as q

        prepared = out.with_suffix(".prepared.onnx")
        _preprocess(_modern(model, out), prepared)
        q.quantize_static(
            str(prepared),
            str(out),
            _Reader(name, samples),
            quant_format=q.QuantFormat.QDQ,
            per_channel=True,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            calibrate_method=getattr(q.CalibrationMethod, method),
        )

    return run


def nncf_quantizer(**options: Any) -> Quantizer:
    """``nncf.quantize`` with those options over its defaults."""

    def run(model: Path, name: str, samples: Sequence[Array], out: Path) -> None:
        import nncf

        nncf.set_log_level(logging.ERROR)
        dataset = nncf.Dataset(list(samples), lambda sample: {name: sample})
        if options.get("preset") == "mixed":
            options["preset"] = nncf.QuantizationPreset.MIXED
        found = nncf.quantize(
            onnx.load(_modern(model, out)), dataset, subset_size=len(samples), **options
        )
        onnx.save(found, out)

    return run


QUANTIZERS: Mapping[str, Quantizer] = {
    "onnxruntime min-max": onnxruntime_quantizer("MinMax"),
    "onnxruntime entropy": onnxruntime_quantizer("Entropy"),
    "onnxruntime percentile": onnxruntime_quantizer("Percentile"),
    "NNCF": nncf_quantizer(),
    "NNCF, full bias correction": nncf_quantizer(fast_bias_correction=False),
    "NNCF, asymmetric": nncf_quantizer(preset="mixed"),
    "edgec int8": edgec_quantizer("int8"),
    "edgec int8-fast": edgec_quantizer("int8-fast"),
    "edgec int8-best": edgec_quantizer("int8-best"),
}
PRECISIONS: Mapping[str, Quantizer] = {
    "fp16": edgec_quantizer("fp16"),
    "w8": edgec_quantizer("w8"),
    "w4": edgec_quantizer("w4"),
    "plain int8: min-max, per tensor": plain_minmax,
    **{name: edgec_quantizer(name) for name in ("int8-fast", "int8", "int8-best")},
    "int8-mixed{budget=30dB}": edgec_quantizer("int8-mixed{budget=30dB}"),
}


class _Reader:
    """Samples as onnxruntime's calibrators want them."""

    def __init__(self, name: str, samples: Sequence[Array]) -> None:
        self.name = name
        self.samples = samples
        self.rewind()

    def rewind(self) -> None:
        self.left: Iterator[Array] = iter(self.samples)

    def get_next(self) -> dict[str, Array] | None:
        found = next(self.left, None)
        return None if found is None else {self.name: np.ascontiguousarray(found)}

    def set_range(self, start_index: int, end_index: int) -> None:
        self.left = iter(self.samples[start_index:end_index])

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[dict[str, Array]]:
        while (found := self.get_next()) is not None:
            yield found


def _modern(model: Path, out: Path) -> Path:
    """The model in an opset that has quantization per channel; as it is where it has."""
    loaded = onnx.load(model, load_external_data=False)
    version = max(o.version for o in loaded.opset_import if o.domain in ("", "ai.onnx"))
    if version >= 13:
        return model
    from onnx import version_converter

    newer = out.with_suffix(".newer.onnx")
    onnx.save(version_converter.convert_version(onnx.load(model), 17), newer)
    return newer


def _preprocess(model: Path, out: Path) -> None:
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with contextlib.redirect_stdout(io.StringIO()):
        quant_pre_process(str(model), str(out), skip_symbolic_shape=True)
