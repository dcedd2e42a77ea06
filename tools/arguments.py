"""Command-line arguments that several commands share, and how their texts are read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgec.ir import Array, Code, Dim, DimError, Error, Graph, parse_dim, print_graph
from edgec.lowering import load_samples, target_named
from edgec.passes import Pass, Settings
from edgec.tools import driver
from edgec.tools.checks import CommandCheck
from edgec.tools.images import CHANNELS, ImageInput, input_beside
from edgec.tools.progress import tracked

STANDARD = "-"


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every command takes. The values stand already where the command has actions of its own,
    which must not undo them."""
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print the result as JSON"
    )
    parser.add_argument(
        "--load-plugin",
        action="append",
        default=argparse.SUPPRESS,
        metavar="FILE.PY",
        help="declare the passes, ops and targets of a file first",
    )


def add_model(parser: argparse.ArgumentParser, name: str = "model") -> None:
    """MODEL and how its input shapes may be pinned."""
    parser.add_argument(name, metavar=name.upper(), help=".onnx or .eir; - for standard input")
    add_input_shape(parser)


def add_input_shape(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input-shape",
        action="append",
        default=[],
        metavar="NAME:DIMS",
        help="pin an input's shape, as in input:1x3x224x224; may be given several times",
    )


def add_watching(parser: argparse.ArgumentParser) -> None:
    """How closely passes are watched."""
    parser.add_argument(
        "--print-after",
        choices=("none", "changed", "all"),
        default="none",
        help="print the graph after passes, to standard error",
    )
    parser.add_argument("--time", action="store_true", help="print what each pass took and did")
    parser.add_argument("--verify-each", action="store_true", help="verify after every pass")
    parser.add_argument(
        "--check-numerics",
        action="store_true",
        help="hold every pass to its promise with the reference kernels",
    )
    parser.add_argument(
        "--rewrite-limit", type=natural, metavar="N", help="stop after N rewrites (to bisect)"
    )
    parser.add_argument(
        "--layout-report",
        action="store_true",
        help="print which transposes the layout pass left, and why",
    )


def add_check(parser: argparse.ArgumentParser) -> None:
    """CMD, and how long it may take."""
    parser.add_argument(
        "--check",
        metavar="CMD",
        help="a shell command that ends with 0 for a good model; {} stands for the model's path",
    )
    parser.add_argument(
        "--timeout", type=float, default=600, metavar="S", help="seconds for one run of CMD"
    )


def check_of(chosen: argparse.Namespace, passes: Sequence[Pass] = ()) -> CommandCheck | None:
    """The check of ``--check``; None when there is no such option. It gets a model of the suffix
    that the user's has, or what ``-t`` makes of it."""
    if not chosen.check:
        return None
    suffix = ".eir" if Path(chosen.model).suffix == ".eir" else ".onnx"
    target = target_named(chosen.target) if chosen.target else None
    return CommandCheck(chosen.check, suffix, target, chosen.timeout, passes)


def add_images(parser: argparse.ArgumentParser) -> None:
    """How pictures become inputs; the TOML file beside the model says the same."""
    group = parser.add_argument_group(
        "pictures as data",
        "An input is (pixel / DIVIDE - MEAN) / STD. The table [input] of a TOML file beside the "
        "model, named like it, may hold the same: size, mean, std, divide, channels, layout, fit.",
    )
    group.add_argument("--image-size", type=_sizes, metavar="HxW", help="default: the model's")
    group.add_argument("--mean", type=_numbers, metavar="M[,M,M]", help="of 0…255, per channel")
    group.add_argument("--std", type=_numbers, metavar="S[,S,S]", help="of 0…255, per channel")
    group.add_argument(
        "--divide", type=float, help="pixels by this first; 255 where mean and std are of 0…1"
    )
    group.add_argument("--channels", choices=sorted(CHANNELS), help="their order (default: rgb)")


def images_of(chosen: argparse.Namespace, model: str) -> ImageInput:
    """How pictures become inputs, from ``add_images``' arguments and the file beside the model."""
    return input_beside(
        None if model == STANDARD else Path(model),
        {
            "size": chosen.image_size,
            "mean": chosen.mean,
            "std": chosen.std,
            "divide": chosen.divide,
            "channels": chosen.channels,
        },
    )


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("x"))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def natural(text: str) -> int:
    """A number of 0 or more, for argparse."""
    found = int(text)
    if found < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return found


def settings_of(chosen: argparse.Namespace, graph: Graph) -> Settings:
    """The settings that ``add_watching``'s arguments amount to."""
    return Settings(
        verify_each=chosen.verify_each,
        check_numerics=chosen.check_numerics,
        print_after=chosen.print_after,
        rewrite_limit=chosen.rewrite_limit,
        save_ir=Path(chosen.save_ir) if getattr(chosen, "save_ir", None) else None,
        repro=Path("repro.eir"),
        progress=tracked,
    )


def load_model(text: str, shapes: Sequence[str] = ()) -> Graph:
    """The model that a command-line argument names."""
    input_shapes = parse_shapes(shapes)
    if text == STANDARD:
        return driver.load(sys.stdin.buffer.read(), input_shapes=input_shapes)
    return driver.load(text, input_shapes=input_shapes)


def save_model(graph: Graph, text: str) -> None:
    """Write a graph where a command-line argument says; - is text on standard output."""
    if text == STANDARD:
        print(print_graph(graph))
    else:
        driver.save(graph, Path(text))


def parse_shapes(texts: Sequence[str]) -> Mapping[str, Sequence[Dim]]:
    """``name:1x3xHxW`` by input name. Raises Error when a text does not read."""
    found: dict[str, Sequence[Dim]] = {}
    for text in texts:
        name, separator, dims = text.rpartition(":")
        if not separator or not name or "," in dims:
            raise Error(Code.INPUTS, f"cannot read the shape {text!r}", instead="name:1x3x224x224")
        try:
            parsed = [parse_dim(dim) for dim in dims.split("x")] if dims else []
        except DimError as error:
            raise Error(Code.INPUTS, f"cannot read the shape {text!r}: {error}") from error
        if any(dim.strip().startswith("-") for dim in dims.split("x")):
            raise Error(Code.INPUTS, f"the shape {text!r} has a negative dimension")
        found[name] = parsed
    return found


def samples_of(chosen: argparse.Namespace, graph: Graph) -> Iterable[Mapping[str, Array]] | None:
    """The sets of inputs of ``--data``, with a progress bar; None when there is no such option."""
    if not chosen.data:
        return None
    samples = list(load_samples(Path(chosen.data), graph))
    return tracked(samples, "verifying", len(samples))
