"""What an op is, and how an op class is declared.

    class Relu(Op, name="relu", traits=(Elementwise, Idempotent)):
        '''y = max(x, 0)'''
        x: Value = operand()

        def infer(self) -> Types:
            return (self.x.type,)

Operands come first and are read by name (an absent optional one is None, a variadic one a tuple);
attributes are keyword-only, immutable, and hold their default when not mentioned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import copysign
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar, dataclass_transform

from edgec.ir.dims import DimExpr
from edgec.ir.dtypes import DType
from edgec.ir.traits import Movement, Trait
from edgec.ir.types import TensorType
from edgec.ir.value import Value

if TYPE_CHECKING:
    from edgec.ir.contents import Contents
    from edgec.ir.graph import Graph
    from edgec.ir.sampling import Sampler

Types: TypeAlias = Sequence[TensorType]
AttributeValue: TypeAlias = (
    bool | int | float | str | DimExpr | DType | tuple["AttributeValue", ...] | None
)
T = TypeVar("T", bound=Trait)


class OpError(ValueError):
    """An op that cannot be: wrong operand types or attributes. The message says what was wanted
    and what was found; whoever catches it adds which op and where it came from."""


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()


@dataclass(frozen=True)
class OperandSpec:
    """How one operand of an op class is declared."""

    name: str
    kind: str  # "one", "optional" or "variadic"


@dataclass(frozen=True)
class AttributeSpec:
    """How one attribute of an op class is declared."""

    name: str
    default: Any
    annotation: str


@dataclass(frozen=True)
class _Declared:
    kind: str
    default: Any = REQUIRED


def operand(*, default: Any = REQUIRED) -> Any:
    """Declare an operand; ``default=None`` makes it optional."""
    return _Declared("one" if default is REQUIRED else "optional", default)


def variadic(*, default: Any = REQUIRED) -> Any:
    """Declare a variable number of operands, after all others.

    Type checkers want ``default=()`` said where they follow an optional operand.
    """
    return _Declared("variadic")


def attr(*, default: Any = REQUIRED, kw_only: bool = True) -> Any:
    """Declare an attribute, required unless it has a default.

    Type checkers want ``kw_only=True`` said where a required one follows an optional operand.
    """
    return _Declared("attribute", default)


@dataclass(frozen=True)
class Work:
    """What executing an op costs: multiply-accumulates, other arithmetic, bytes touched."""

    macs: int = 0
    flops: int = 0
    bytes: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.macs + other.macs, self.flops + other.flops, self.bytes + other.bytes)


_REGISTRY: dict[str, type[Op]] = {}


def op_classes() -> Mapping[str, type[Op]]:
    """Every declared op class by its name, in order of declaration."""
    return _REGISTRY


@dataclass_transform(field_specifiers=(operand, variadic, attr))
class Op:
    """One operation in a graph. Immutable but for its operands, which only the Rewriter changes.

    Attributes:
        results: the values it computes.
        regions: nested graphs (If, Loop, Scan); they may read values of the graphs around them.
        loc: names of the source nodes it came from, oldest first.
        graph: the graph it is linked into, or None.
    """

    __slots__ = ("_attributes", "_next", "_operands", "_prev", "graph", "loc", "regions", "results")

    op_name: ClassVar[str] = ""
    traits: ClassVar[tuple[Trait | type[Trait], ...]] = ()
    operand_specs: ClassVar[tuple[OperandSpec, ...]] = ()
    attribute_specs: ClassVar[Mapping[str, AttributeSpec]] = {}
    variadic_at: ClassVar[int | None] = None
    has_required_attributes: ClassVar[bool] = False

    def __init_subclass__(
        cls, name: str = "", traits: tuple[Trait | type[Trait], ...] = ()
    ) -> None:
        operands: list[OperandSpec] = list(cls.operand_specs)
        attributes: dict[str, AttributeSpec] = dict(cls.attribute_specs)
        for field, declared in list(vars(cls).items()):
            if not isinstance(declared, _Declared):
                continue
            if declared.kind == "attribute":
                annotation = cls.__annotations__[field]
                attributes[field] = AttributeSpec(field, declared.default, annotation)
                setattr(cls, field, _attribute_property(field, declared.default))
            else:
                operands.append(OperandSpec(field, declared.kind))
                setattr(cls, field, _operand_property(len(operands) - 1, declared.kind))
        cls.operand_specs = tuple(operands)
        cls.attribute_specs = attributes
        variadics = [i for i, spec in enumerate(operands) if spec.kind == "variadic"]
        cls.variadic_at = variadics[0] if variadics else None
        cls.has_required_attributes = any(s.default is REQUIRED for s in attributes.values())
        cls.traits = traits
        if not name:
            return  # an abstract family
        if name in _REGISTRY:
            raise TypeError(f"op {name!r} is declared twice")
        cls.op_name = name
        _REGISTRY[name] = cls

    def __init__(
        self,
        *operands: Value | Sequence[Value] | None,
        loc: tuple[str, ...] = (),
        regions: Sequence[Graph] = (),
        types: Types | None = None,
        hints: Sequence[str] = (),
        **fields: Any,
    ) -> None:
        self.graph: Graph | None = None
        self._prev: Op | None = None
        self._next: Op | None = None
        self.loc = loc
        self._operands: list[Value | None] = self._bind_operands(operands, fields)
        self._attributes: dict[str, Any] = self._bind_attributes(fields) if fields else _NONE_SET
        if self.has_required_attributes:
            self._require_all()
        self.regions: tuple[Graph, ...] = tuple(regions)
        for region in self.regions:
            region.parent = self
        found = self.infer() if types is None else types
        self.results: tuple[Value, ...] = tuple(
            [Value(t, producer=self, index=i) for i, t in enumerate(found)]
        )
        for result, hint in zip(self.results, hints, strict=False):
            result.hint = hint

    # -- declaration by subclasses ------------------------------------------------------------

    def infer(self) -> Types:
        """Types of the results from operands and attributes. A dim that cannot be known is ANY.

        Raises:
            OpError: the operands or attributes are not legal.
        """
        raise NotImplementedError(f"{type(self).__name__} declares no infer")

    def check(self) -> None:
        """Further rules that the verifier holds the op to. Raises OpError."""

    def contents(self, index: int) -> Contents | None:
        """The elements of that result as dims, where they follow from shapes (see contents.py)."""
        return None

    def work(self) -> Work:
        """What one execution costs; symbolic dims count as 1. An op that moves elements reads those
        that it writes, however large its operand is."""
        touched = [v.type.nbytes() for v in (*self.present_operands, *self.results)]
        if self.has(Movement):
            touched[0] = min(touched[0], sum(r.type.nbytes() for r in self.results))
        return Work(flops=sum(r.type.elements() for r in self.results), bytes=sum(touched))

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        """Draw one legal op: shapes and attributes at random, defaults and non-defaults."""
        raise NotImplementedError(f"{cls.__name__} declares no samples")

    # -- reading ------------------------------------------------------------------------------

    @property
    def operands(self) -> Sequence[Value | None]:
        """All operand slots in order; an absent optional one is None."""
        return self._operands

    @property
    def present_operands(self) -> Iterator[Value]:
        return (value for value in self._operands if value is not None)

    @property
    def result(self) -> Value:
        """The first result (the only one of most ops)."""
        return self.results[0]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes that differ from their defaults."""
        return self._attributes

    def attribute(self, name: str) -> Any:
        """The value of an attribute, its default when not set."""
        return self._attributes.get(name, self.attribute_specs[name].default)

    def operand_name(self, index: int) -> str:
        """Name of an operand slot; elements of a variadic operand share its name."""
        if self.variadic_at is not None and index >= self.variadic_at:
            return self.operand_specs[self.variadic_at].name
        return self.operand_specs[index].name

    @classmethod
    def has(cls, trait: type[Trait]) -> bool:
        return cls.trait(trait) is not None

    @classmethod
    def trait(cls, trait: type[T]) -> T | type[T] | None:
        """The trait as the class declared it: an instance when it has fields, else the class."""
        for own in cls.traits:
            if own is trait or isinstance(own, trait):
                return own
        return None

    @property
    def next(self) -> Op | None:
        return self._next

    @property
    def prev(self) -> Op | None:
        return self._prev

    def copy(
        self,
        *,
        operands: Sequence[Value | None] | None = None,
        regions: Sequence[Graph] | None = None,
        types: Types | None = None,
        **changes: Any,
    ) -> Op:
        """A new, unlinked op of the same class: every attribute carried but for ``changes``.

        Its results have no names: they may mean something else now. ``Rewriter.replace`` names
        what takes the place of a value.

        Regions may only be reused when this op is about to be replaced by the copy.
        """
        slots = list(self._operands if operands is None else operands)
        for spec_index, spec in enumerate(self.operand_specs):
            if spec.name not in changes:
                continue
            if spec.kind == "variadic":
                slots[spec_index:] = changes.pop(spec.name)
            else:
                slots[spec_index] = changes.pop(spec.name)
        made = type(self).__new__(type(self))
        Op.__init__(
            made,
            *self._group(slots),
            loc=self.loc,
            regions=self.regions if regions is None else regions,
            types=types,
            **{**self._attributes, **changes},
        )
        return made

    def twin(self, operands: Sequence[Value | None], regions: Sequence[Graph], types: Types) -> Op:
        """A new, unlinked op of the same class and attributes. Nothing is checked: it is for
        copying whole graphs."""
        made = type(self).__new__(type(self))
        made.graph = made._prev = made._next = None
        made.loc = self.loc
        made._operands = list(operands)
        made._attributes = self._attributes
        made.regions = tuple(regions)
        for region in made.regions:
            region.parent = made
        made.results = tuple(
            [
                Value(type, producer=made, index=old.index, hint=old.hint)
                for old, type in zip(self.results, types, strict=True)
            ]
        )
        return made

    def __repr__(self) -> str:
        attributes = ", ".join(f"{key}={value}" for key, value in self._attributes.items())
        return f"<{self.op_name} {{{attributes}}} -> {[str(r.type) for r in self.results]}>"

    # -- construction -------------------------------------------------------------------------

    def _group(self, slots: Sequence[Value | None]) -> list[Value | Sequence[Value] | None]:
        if self.variadic_at is None:
            return list(slots)
        rest: Any = tuple(slots[self.variadic_at :])
        return [*slots[: self.variadic_at], rest]

    def _bind_operands(
        self, given: Sequence[Value | Sequence[Value] | None], fields: dict[str, Any]
    ) -> list[Value | None]:
        specs = self.operand_specs
        if len(given) > len(specs):
            raise OpError(f"{self.op_name} takes {len(specs)} operands, found {len(given)}")
        slots: list[Value | None] = []
        for index, spec in enumerate(specs):
            value: Any = given[index] if index < len(given) else fields.pop(spec.name, None)
            if spec.kind == "variadic":
                slots.extend(value or ())
            elif value is None and spec.kind == "one":
                raise OpError(f"{self.op_name} wants operand {spec.name!r}")
            else:
                slots.append(value)
        return slots

    def _bind_attributes(self, fields: dict[str, Any]) -> dict[str, Any]:
        bound: dict[str, Any] = {}
        for name, value in fields.items():
            spec = self.attribute_specs.get(name)
            if spec is None:
                raise OpError(f"{self.op_name} has no attribute or operand {name!r}")
            value = frozen(value)
            _check_attribute(self.op_name, spec, value)
            value = _as_declared(spec.annotation, value)
            if not _is_default(value, spec.default):
                bound[name] = value
        return bound

    def _require_all(self) -> None:
        for name, spec in self.attribute_specs.items():
            if spec.default is REQUIRED and name not in self._attributes:
                raise OpError(f"{self.op_name} wants attribute {name!r}")


_NONE_SET: dict[str, Any] = {}


def frozen(value: Any) -> Any:
    """An attribute value in its immutable form: lists become tuples, numpy scalars Python's."""
    if isinstance(value, (list, tuple)):
        return tuple([frozen(item) for item in value])
    if hasattr(value, "item") and hasattr(value, "dtype"):
        return value.item()
    return value


def _as_declared(annotation: str, value: Any) -> Any:
    """Ints given for floats become floats."""
    if annotation.startswith("float") and _is_int(value):
        return float(value)
    if annotation.startswith("Floats") and isinstance(value, tuple):
        return tuple([float(item) for item in value])
    return value


def _is_default(value: Any, default: Any) -> bool:
    if type(value) is not type(default) or value != default:
        return False
    return not isinstance(value, float) or copysign(1.0, value) == copysign(1.0, default)


def _is_dim(value: Any) -> bool:
    return isinstance(value, (int, DimExpr)) and not isinstance(value, bool)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_int(value)


_ATTRIBUTE_CHECKS: dict[str, Any] = {
    "int": _is_int,
    "float": _is_number,
    "bool": lambda v: isinstance(v, bool),
    "str": lambda v: isinstance(v, str),
    "DType": lambda v: isinstance(v, DType),
    "Ints": lambda v: isinstance(v, tuple) and all(map(_is_int, v)),
    "Pads": lambda v: isinstance(v, tuple) and all(map(_is_int, v)),
    "Floats": lambda v: isinstance(v, tuple) and all(map(_is_number, v)),
    "Strs": lambda v: isinstance(v, tuple) and all(isinstance(i, str) for i in v),
    "Dims": lambda v: isinstance(v, tuple) and all(map(_is_dim, v)),
    "None": lambda v: v is None,
}

Ints: TypeAlias = tuple[int, ...]
Floats: TypeAlias = tuple[float, ...]
Strs: TypeAlias = tuple[str, ...]
Dims: TypeAlias = tuple["int | DimExpr", ...]


def _check_attribute(op_name: str, spec: AttributeSpec, value: Any) -> None:
    kinds = spec.annotation.split(" | ")
    if not any(_ATTRIBUTE_CHECKS[kind](value) for kind in kinds):
        raise OpError(
            f"{op_name} wants attribute {spec.name!r} as {spec.annotation}, found {value!r}"
        )


def _operand_property(index: int, kind: str) -> property:
    if kind == "variadic":
        return property(lambda self: tuple(self._operands[index:]))
    return property(lambda self: self._operands[index])


def _attribute_property(name: str, default: Any) -> property:
    return property(lambda self: self._attributes.get(name, default))
