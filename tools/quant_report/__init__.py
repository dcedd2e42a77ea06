"""Reports on a quantized model: which layer costs what, and what to do about the worst."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgec.ir import Code, Error, Graph, Kind, write_atomically
from edgec.kernels import Dataset, random_dataset
from edgec.passes import Integerize, Lossy, Pass, PassContext, PassReport, Progress
from edgec.tools.quant_report.advice import Advice, advice_on
from edgec.tools.quant_report.measure import Measured, measure
from edgec.tools.quant_report.page import page_of
from edgec.tools.quant_report.tally import Figures

__all__ = ["COLUMNS", "Before", "QuantReport", "report_on"]

COLUMNS = (
    "layer", "op", "alone dB", "blame", "so far dB", "clipped", "saturated", "dead", "scale",
    "bits", "MMAC",
)  # fmt: skip


@dataclass(frozen=True)
class QuantReport:
    """What quantization did to a model.

    Attributes:
        model: its name.
        calibration: what its ranges were chosen from.
        measured: layer by layer.
        advice: on the worst layers.
        floats: layers that stayed float, with the reason.
    """

    model: str
    calibration: str
    measured: Measured
    advice: Sequence[Advice]
    floats: Mapping[str, str]

    def rows(self) -> list[tuple[str, ...]]:
        """One row of texts per layer, the most to blame first; in the order of COLUMNS."""
        return [_row(one) for one in self.measured.layers]

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "calibration": self.calibration,
            "samples": self.measured.samples,
            "outputs_sqnr_db": {n: _finite(db) for n, db in self.measured.outputs.items()},
            "layers": [_layer_json(one) for one in self.measured.layers],
            "advice": [vars(one) for one in self.advice],
            "float_layers": dict(self.floats),
        }

    def write(self, path: Path) -> None:
        """Write it as .json, or as a page that needs nothing else, .html.

        Raises:
            Error: the suffix is another.
        """
        if path.suffix == ".json":
            text = json.dumps(self.as_json(), indent=1)
        elif path.suffix in (".html", ".htm"):
            text = page_of(self.model, self.calibration, self.measured, self.advice, self.floats)
        else:
            raise Error(Code.SUFFIX, f"a report is .json or .html, found {path.name!r}")
        write_atomically(path, lambda out: _write(out, text))


def report_on(
    reference: Graph,
    quantized: Graph,
    data: Dataset,
    progress: Progress,
    floats: Mapping[str, str],
) -> QuantReport:
    """Measure every layer (see ``measure``) and say what to do about the worst.

    Args:
        floats: layers that stayed float, with the reason.
    """
    measured = measure(reference, quantized, data, progress)
    calibration = quantized.metadata.get("calibration", "ranges or grids that the model brought")
    return QuantReport(quantized.name, calibration, measured, advice_on(measured), floats)


class Before:
    """Watches passes for the quantized graph as the last of them that gives up precision left it,
    before anything that depends on a target's layout, and for the float model that it came from.
    """

    def __init__(self, passes: Sequence[Pass]) -> None:
        lossy = [
            one
            for one in passes
            if isinstance(one.promise, Lossy) and not isinstance(one, Integerize)
        ]
        self._last = lossy[-1] if lossy else None
        self._quantized: Graph | None = None
        self._reference: Graph | None = None

    def __call__(self, one: Pass, graph: Graph, context: PassContext) -> None:
        if one is self._last:
            self._quantized, self._reference = graph.clone(), context.reference

    def report(
        self, reports: Sequence[PassReport], data: Dataset | None, progress: Progress
    ) -> QuantReport:
        """What was found, on random inputs where there are no data.

        Raises:
            Error: no pass made integers of floats.
        """
        if self._quantized is None or self._reference is None:
            raise Error(
                Kind.USAGE,
                "a report is about quantization, and nothing was quantized",
                instead="--precision int8",
            )
        data = data or random_dataset(self._reference, 1)
        return report_on(self._reference, self._quantized, data, progress, _floats(reports))


def _floats(reports: Sequence[PassReport]) -> dict[str, str]:
    """Layers that ``quantize`` left float, with its reasons; as many as it gave examples of."""
    return {
        one.statistics.examples[rule, reason]: reason
        for one in reports
        for rule, reason in one.statistics.near_misses
        if rule == "quantize"
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _row(one: Figures) -> tuple[str, ...]:
    layer = one.layer
    return (
        layer.name,
        layer.op_name,
        f"{one.alone_db:.1f}",
        f"{one.blame:.1%}",
        "" if one.so_far_db is None else f"{one.so_far_db:.1f}",
        f"{one.clipped:.2%}",
        f"{one.saturated:.2%}",
        f"{layer.dead} of {layer.channels}" if layer.dead else "",
        f"{layer.grid.scale:.3g}" if layer.grid else "float",
        _bits(one),
        f"{layer.macs / 1e6:.1f}" if layer.macs else "",
    )


def _bits(one: Figures) -> str:
    """Of the weights, and of the result."""
    result = str(one.layer.grid.bits) if one.layer.grid else "32"
    return f"{one.layer.weight_bits}/{result}" if one.layer.weight_bits else result


def _layer_json(one: Figures) -> dict[str, Any]:
    layer, grid = one.layer, one.layer.grid
    return {
        "layer": layer.name,
        "value": layer.value,
        "op": layer.op_name,
        "alone_sqnr_db": _finite(one.alone_db),
        "blame": one.blame,
        "so_far_sqnr_db": None if one.so_far_db is None else _finite(one.so_far_db),
        "clipped": one.clipped,
        "saturated": one.saturated,
        "dead_channels": layer.dead,
        "channels": layer.channels,
        "channel_spread": one.spread,
        "scale": grid.scale if grid else None,
        "zero_point": grid.zero_point if grid else None,
        "bits": grid.bits if grid else None,
        "weight_bits": layer.weight_bits or None,
        "macs": layer.macs,
        "low": _finite(one.low),
        "high": _finite(one.high),
        "histogram": list(one.histogram),
    }


def _finite(number: float) -> float | None:
    """JSON knows no infinity."""
    return number if math.isfinite(number) else None
