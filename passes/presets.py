"""Precisions: which passes make a float model smaller and faster, with a reason per line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgec.ir import Code, Error, QuantScheme, one_of, schemes_of
from edgec.kernels import Dataset
from edgec.passes.base import Pass, make_pass
from edgec.passes.calibrate import Calibrate
from edgec.passes.pad_channels import PadChannels
from edgec.passes.precision import Bf16, Fp16, WeightsOnly
from edgec.passes.quality import AdaRound, BiasCorrect, Equalize
from edgec.passes.quantize import Quantize

_FUSING = ("fuse", "fuse-activation")


@dataclass(frozen=True)
class Recipe:
    """What the passes of a preset depend on.

    Attributes:
        scheme: name of the target's; empty for presets that take none.
        options: that the user gave in braces behind the preset's name.
        repair_on: data to repair the model on; None where there are none, and for a model that was
            quantized before, whose own integers stay as they are.
    """

    scheme: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    repair_on: Dataset | None = None


@dataclass(frozen=True)
class Preset:
    """A precision, and the passes that bring a model there.

    Attributes:
        name: as written after ``--precision``.
        summary: one line for people.
        passes: what runs between fusion and the rest of a target's pipeline.
        takes_scheme: needs a target that runs on integers.
        takes_data: looks at calibration data, unless the model carries ranges already.
        must_run: looks at data even then.
        options: that it takes, in braces behind its name.
        given: the options that were given.

    Those that take a scheme take ``scheme=NAME`` in braces too: a variant of the target's own.
    """

    name: str
    summary: str
    passes: Callable[[Recipe], list[Pass]]
    takes_scheme: bool = False
    takes_data: bool = False
    must_run: bool = False
    options: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def option_names(self) -> tuple[str, ...]:
        return (*self.options, "scheme") if self.takes_scheme else self.options


def _int8(recipe: Recipe) -> list[Pass]:
    return [
        *_evened(recipe),
        *_calibrated(recipe),
        Quantize(scheme=recipe.scheme),
        *_biases(recipe),
        PadChannels(scheme=recipe.scheme),
    ]


def _int8_fast(recipe: Recipe) -> list[Pass]:
    return [
        # All of the data: 32 of 500 samples cost 2 dB on a small network.
        Calibrate(method="minmax", missing=recipe.repair_on is None),
        Quantize(scheme=recipe.scheme),
        PadChannels(scheme=recipe.scheme),
    ]


def _int8_best(recipe: Recipe) -> list[Pass]:
    # 5 dB more than int8 on EfficientNet-Lite0, for a minute; corrects biases as it goes.
    rounding = [] if recipe.repair_on is None else [AdaRound(samples=64)]
    return [
        *_evened(recipe),
        *_calibrated(recipe),
        Quantize(scheme=recipe.scheme),
        *rounding,
        PadChannels(scheme=recipe.scheme),
    ]


def _int8_mixed(recipe: Recipe) -> list[Pass]:
    options = dict(recipe.options)
    if (drop := options.pop("max_drop", None)) is not None:
        options.setdefault("budget", drop.removesuffix("%") + "%")
    return [
        *_evened(recipe),
        *_calibrated(recipe),
        make_pass("mixed", {"scheme": recipe.scheme, **options}),  # quantizes what pays
        *_biases(recipe),
        PadChannels(scheme=recipe.scheme),
    ]


def _evened(recipe: Recipe) -> list[Pass]:
    """Channels that share a grid reach equally far: 1.4 dB on a text detector, 0.9 on
    EfficientNet-Lite0, for a second."""
    data = recipe.repair_on
    return [] if data is None else [Equalize(samples=_enough(data))]


def _calibrated(recipe: Recipe) -> list[Pass]:
    """The least squared error: 0.3 dB above the plain extremes on EfficientNet-Lite0, at a cost of
    milliseconds per value. Ranges that the model brings count where there are no data."""
    return [Calibrate(method="mse", missing=recipe.repair_on is None)]


def _biases(recipe: Recipe) -> list[Pass]:
    """Rounding shifts the means of layers: 2 to 5 dB on EfficientNet-Lite0, for three seconds."""
    data = recipe.repair_on
    return [] if data is None else [BiasCorrect(samples=_enough(data))]


def _enough(data: Dataset) -> int:
    """Samples that means and extremes of channels are taken over: 16 images of 224×224, and fewer
    larger ones, down to 4, which have as many places."""
    first = next(iter(data), {})
    elements = sum(np.size(array) for array in first.values())
    return max(4, min(16, round(16 * 3 * 224 * 224 / max(elements, 1))))


def _fp16(recipe: Recipe) -> list[Pass]:
    return [Fp16()]


def _bf16(recipe: Recipe) -> list[Pass]:
    return [Bf16()]


def _weights8(recipe: Recipe) -> list[Pass]:
    return [WeightsOnly(bits=8)]


def _weights4(recipe: Recipe) -> list[Pass]:
    return [
        WeightsOnly(bits=4, group=32),  # matmuls and tables, where most weights of large models are
        WeightsOnly(bits=8),  # convolutions, which have no kernels for 4 bits
    ]


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("fp32", "as the model computes", lambda recipe: []),
        Preset("fp16", "float16 where the numbers allow it", _fp16),
        Preset("bf16", "bfloat16", _bf16),
        Preset(
            "int8",
            "8-bit integers; what most want",
            _int8,
            takes_scheme=True,
            takes_data=True,
        ),
        Preset(
            "int8-fast",
            "8-bit integers from the plain extremes, in one run over the data",
            _int8_fast,
            takes_scheme=True,
            takes_data=True,
        ),
        Preset(
            "int8-best",
            "8-bit integers, rounded layer by layer for what they give, within minutes",
            _int8_best,
            takes_scheme=True,
            takes_data=True,
        ),
        Preset(
            "int8-mixed",
            "8-bit integers, with the worst layers in float, within a budget",
            _int8_mixed,
            takes_scheme=True,
            takes_data=True,
            must_run=True,
            options=("max_drop", "budget", "device", "samples"),
        ),
        Preset("w8", "weights of 8 bits, arithmetic in float", _weights8),
        Preset("w4", "weights of 4 bits in groups of 32, arithmetic in float", _weights4),
    )
}


def preset_named(text: str) -> Preset:
    """The preset with that name, and options where it takes some: ``int8-mixed{max_drop=0.5%}``.

    Raises:
        Error: there is no such preset, or it takes no such option.
    """
    name, _, inside = text.strip().removesuffix("}").partition("{")
    found = PRESETS.get(name)
    if found is None:
        raise Error(Code.NO_NAME, f"there is no precision {name!r}", instead=one_of(name, PRESETS))
    given = {
        key.strip(): value.strip()
        for key, _, value in (item.partition("=") for item in inside.split(",") if item.strip())
    }
    unknown = sorted(set(given) - set(found.option_names))
    if unknown:
        raise Error(
            Code.OPTION,
            f"precision {name!r} has no option {unknown[0]!r}",
            instead=one_of(unknown[0], found.option_names),
        )
    return replace(found, given=given)


def with_preset(
    passes: Sequence[Pass],
    preset: Preset,
    scheme: QuantScheme | None,
    target: str,
    repair_on: Dataset | None = None,
) -> list[Pass]:
    """A target's passes with the preset's among them: after fusion, since what is fused computes
    in one go on integers too, and before anything that depends on the target's layout.

    Args:
        target: its name, for the message.
        repair_on: data for the preset's repairs; without any it makes none.

    Raises:
        Error: the preset wants integers, and the target has no scheme.
    """
    if preset.takes_scheme and scheme is None:
        raise Error(
            Code.PRECISION,
            f"target {target!r} has no integer arithmetic, which --precision {preset.name} needs",
            instead="--precision fp32, or a target with int8 (edgec targets)",
        )
    cut = fused(passes)
    options = dict(preset.given)
    name = _variant(options.pop("scheme", scheme.name), scheme) if scheme else ""
    recipe = Recipe(name, options, repair_on)
    return [*passes[:cut], *preset.passes(recipe), *passes[cut:]]


def _variant(name: str, scheme: QuantScheme) -> str:
    """The name of a target's scheme or of a variant of it. Raises Error when it is neither."""
    known = schemes_of(scheme.name)
    if name not in known:
        raise Error(
            Code.OPTION,
            f"there is no quantization scheme {name!r} of target {scheme.name!r}",
            instead=one_of(name, known),
        )
    return name


def fused(passes: Sequence[Pass]) -> int:
    """Number of passes up to the last that fuses; where none does, up to the first layout pass."""
    last = max((i + 1 for i, one in enumerate(passes) if one.name in _FUSING), default=0)
    if last:
        return last
    layouts = (i for i, one in enumerate(passes) if one.name == "layout")
    return next(layouts, len(passes))
