"""What a target is: data about a device's format, rules that write it, and its real runtime."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from edgec.ir import (
    Array,
    Code,
    Error,
    Finding,
    Graph,
    Kind,
    LayoutCosts,
    QuantScheme,
    RuleTable,
    one_of,
    register_layout_costs,
)
from edgec.lowering.survey import Survey

Options = Mapping[str, Any]


class Runner(Protocol):
    """An artifact, loaded into its real runtime."""

    @property
    def input_names(self) -> Sequence[str]: ...

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""

    def run_with_taps(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value that the runtime shows, intermediate ones included, by name."""


@runtime_checkable
class Partitioned(Protocol):
    """A runner that can spread a model over several devices."""

    def partition(self) -> Mapping[str, int]:
        """Number of operators by the device that runs them."""


@dataclass(frozen=True)
class Runtime:
    """The package that runs a target's artifacts.

    Attributes:
        module: the Python module to import.
        extra: the extra of edgec that installs it.
    """

    module: str
    extra: str

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None

    @property
    def is_runnable(self) -> bool:
        """True when artifacts run on this machine; some can be built where they do not."""
        return self.is_installed

    def require(self) -> None:
        """Raises Error of kind RUNTIME_MISSING when the module is not installed."""
        if not self.is_installed:
            raise Error(
                Kind.RUNTIME_MISSING,
                f"{self.module} is not installed",
                instead=f"pip install 'edgec[{self.extra}]'",
            )


@dataclass(frozen=True)
class Target:
    """Where a graph can go.

    Attributes:
        name: as written after ``-t``.
        summary: one line for people.
        suffix: of the artifact's file name.
        pipeline: the passes that run when the user names none.
        rules: the table of write rules; its refusals say what cannot go there, and why.
        legalize: rewrites what the format cannot say, in place.
        refused: further reasons why single ops cannot go there (types, attribute limits).
        write: writes the artifact to a path.
        runtime: the package that runs it.
        load: the artifact in its runtime, with so many threads.
        precisions: element types it can be written in.
        scheme: how it runs on integers; None where it does not.
        layouts: what ops cost in each layout, for the layout pass of its pipeline.
        load_with: as ``load``, with options of the runtime.
        runtime_options: the names of these.
        survey: where each op of a legal graph would run and why, for ``edgec check``; None where
            everything runs in one place.
        caveat: what the runtime does otherwise with a quantized graph on this machine's CPU, how it
            was checked then, and what to do; empty where nothing.
    """

    name: str
    summary: str
    suffix: str
    pipeline: str
    rules: RuleTable[Any]
    legalize: Callable[[Graph], None]
    refused: Callable[[Graph], list[Finding]]
    write: Callable[[Graph, Path, Options], None]
    runtime: Runtime
    load: Callable[[Path, int], Runner]
    precisions: tuple[str, ...] = ("fp32",)
    option_names: tuple[str, ...] = field(default=())
    scheme: QuantScheme | None = None
    layouts: LayoutCosts | None = None
    load_with: Callable[[Path, int, Options], Runner] | None = None
    runtime_options: tuple[str, ...] = ()
    survey: Callable[[Graph, Options], Survey] | None = None
    caveat: Callable[[Graph], str] | None = None

    def loaded(self, path: Path, threads: int, options: Options) -> Runner:
        """The artifact in its runtime. Raises Error of kind USAGE where the runtime has no such
        option."""
        unknown = sorted(set(options) - set(self.runtime_options))
        if unknown:
            raise Error(
                Code.OPTION,
                f"{self.runtime.module} has no option {', '.join(unknown)}",
                instead=f"one of {list(self.runtime_options)}"
                if self.runtime_options
                else "it takes none",
            )
        if self.load_with is None:
            return self.load(path, threads)
        return self.load_with(path, threads, options)


TARGETS: dict[str, Target] = {}


def register(target: Target) -> Target:
    """Make a target known by its name."""
    if target.name in TARGETS:
        raise TypeError(f"two targets are named {target.name!r}")
    TARGETS[target.name] = target
    register_layout_costs(target.name, target.layouts or LayoutCosts())
    return target


def target_named(name: str) -> Target:
    """The target with that name. Raises Error of kind USAGE when there is none."""
    found = TARGETS.get(name)
    if found is None:
        raise Error(Code.NO_NAME, f"there is no target {name!r}", instead=one_of(name, TARGETS))
    return found
