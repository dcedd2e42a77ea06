"""What a pass is: a frozen dataclass whose fields are its options.

    @dataclass(frozen=True)
    class RemoveDoubleNegation(Pass):
        '''Replace -(-x) by x.'''
        name = "remove-double-negation"
        promise = Exact()

        def run(self, graph: Graph, rw: Rewriter) -> None:
            ...

Declaring the class registers it: it can then be named on the command line, with its fields as
options, ``-p 'fold{max_growth=65536}'``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from edgec.ir import Code, Error, Graph, Rewriter, one_of
from edgec.passes.promise import Exact, Promise


@dataclass(frozen=True)
class Predicate:
    """A property of graphs that a program can check, named for messages."""

    name: str
    holds: Callable[[Graph], bool]

    def __str__(self) -> str:
        return self.name


static_shapes = Predicate(
    "static_shapes",
    lambda graph: all(
        value.type.is_static
        for part in graph.graphs
        for value in (*part.inputs, *(r for op in part.ops for r in op.results))
    ),
)


class Pass:
    """Base of all passes.

    Attributes:
        name: as written on the command line.
        promise: what it keeps of the numbers.
        needs: what must hold before it runs; checked by the manager.
        gives: what holds after it ran; checked by the manager.
        reads_data: it runs the graph over the data of the run, if there are any.
    """

    name: ClassVar[str] = ""
    promise: ClassVar[Promise] = Exact()
    needs: ClassVar[tuple[Predicate, ...]] = ()
    gives: ClassVar[tuple[Predicate, ...]] = ()
    reads_data: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        if not cls.name:
            return  # an abstract base
        if cls.name in _REGISTRY and _REGISTRY[cls.name].__qualname__ != cls.__qualname__:
            raise TypeError(f"two passes are named {cls.name!r}")
        _REGISTRY[cls.name] = cls

    def run(self, graph: Graph, rw: Rewriter) -> None:
        """Rewrite the graph in place through ``rw``."""
        raise NotImplementedError

    @classmethod
    def summary(cls) -> str:
        """First line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @classmethod
    def options(cls) -> Mapping[str, Any]:
        """Option names with their defaults."""
        return {field.name: field.default for field in fields(cls)}  # type: ignore[arg-type]

    def __str__(self) -> str:
        changed = [
            f"{key}={getattr(self, key)}"
            for key, default in self.options().items()
            if getattr(self, key) != default
        ]
        return self.name + ("{" + ",".join(changed) + "}" if changed else "")


_REGISTRY: dict[str, type[Pass]] = {}


def pass_classes() -> Mapping[str, type[Pass]]:
    """Every declared pass class by name."""
    return _REGISTRY


def make_pass(name: str, options: Mapping[str, str]) -> Pass:
    """A pass from its name and the texts of its options.

    Raises:
        Error: there is no such pass or option, or an option's text does not read.
    """
    cls = _REGISTRY.get(name)
    if cls is None:
        raise Error(
            Code.NO_NAME,
            f"there is no pass {name!r}",
            instead=one_of(name, _REGISTRY, "edgec passes lists them all"),
        )
    known = cls.options()
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in known:
            raise Error(
                Code.OPTION,
                f"pass {name!r} has no option {key!r}",
                instead=one_of(key, known),
            )
        values[key] = _read_option(name, key, text, known[key])
    return cls(**values)


def _read_option(name: str, key: str, text: str, default: Any) -> Any:
    """An option's value, of the kind that its default has."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
    except (ValueError, KeyError) as error:
        wanted = type(default).__name__
        raise Error(Code.OPTION, f"{name}{{{key}={text}}} wants a {wanted}") from error
    return text
