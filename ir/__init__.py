"""The intermediate representation: types, values, ops, graphs, and the one way to change them."""

from edgec.ir import dtypes
from edgec.ir.builder import Builder
from edgec.ir.canonical import canonical_hash
from edgec.ir.cloning import clone_op
from edgec.ir.codes import Code, Kind
from edgec.ir.collector import collector_paused
from edgec.ir.contents import Contents, as_contents, contents, known_ints
from edgec.ir.device import DeviceProfile, device_named, register_device_source
from edgec.ir.diagnostics import Error, Finding, counted, one_of
from edgec.ir.dims import (
    ANY,
    Dim,
    DimError,
    DimExpr,
    broadcast_dim,
    could_equal,
    dim_max,
    dim_min,
    evaluate,
    parse_dim,
    solve,
    substitute,
    symbol,
    symbols,
)
from edgec.ir.dtypes import DType
from edgec.ir.graph import Graph, Return
from edgec.ir.layout_costs import LayoutCosts, layout_costs_of, register_layout_costs
from edgec.ir.op import (
    Dims,
    Floats,
    Ints,
    Op,
    OpError,
    Strs,
    Types,
    Work,
    attr,
    op_classes,
    operand,
    variadic,
)
from edgec.ir.parser import parse_graph
from edgec.ir.printer import print_graph, print_op
from edgec.ir.quant_scheme import (
    Grid,
    QuantScheme,
    Role,
    RoleRule,
    register_scheme,
    scheme_named,
    schemes_of,
)
from edgec.ir.rewriter import IllegalRewrite, Listener, Rewriter
from edgec.ir.sampling import Sampler, sample_graph
from edgec.ir.storage import load_text, save_text, write_atomically, write_together
from edgec.ir.table import Refusal, RuleTable
from edgec.ir.traits import (
    Commutative,
    Effect,
    Elementwise,
    Idempotent,
    LayoutSensitive,
    Linear,
    Monotone,
    Movement,
    Terminator,
    Trait,
)
from edgec.ir.types import Quant, TensorType
from edgec.ir.value import Constant, Range, Use, Value
from edgec.ir.verify import verify
from edgec.ir.weight import Array, Weight, pieces

__all__ = [
    "ANY",
    "Array",
    "Builder",
    "Code",
    "Commutative",
    "Constant",
    "Contents",
    "DType",
    "DeviceProfile",
    "Dim",
    "DimError",
    "DimExpr",
    "Dims",
    "Effect",
    "Elementwise",
    "Error",
    "Finding",
    "Floats",
    "Graph",
    "Grid",
    "Idempotent",
    "IllegalRewrite",
    "Ints",
    "Kind",
    "LayoutCosts",
    "LayoutSensitive",
    "Linear",
    "Listener",
    "Monotone",
    "Movement",
    "Op",
    "OpError",
    "Quant",
    "QuantScheme",
    "Range",
    "Refusal",
    "Return",
    "Rewriter",
    "Role",
    "RoleRule",
    "RuleTable",
    "Sampler",
    "Strs",
    "TensorType",
    "Terminator",
    "Trait",
    "Types",
    "Use",
    "Value",
    "Weight",
    "Work",
    "as_contents",
    "attr",
    "broadcast_dim",
    "canonical_hash",
    "clone_op",
    "collector_paused",
    "contents",
    "could_equal",
    "counted",
    "device_named",
    "dim_max",
    "dim_min",
    "dtypes",
    "evaluate",
    "known_ints",
    "layout_costs_of",
    "load_text",
    "one_of",
    "op_classes",
    "operand",
    "parse_dim",
    "parse_graph",
    "pieces",
    "print_graph",
    "print_op",
    "register_device_source",
    "register_layout_costs",
    "register_scheme",
    "sample_graph",
    "save_text",
    "scheme_named",
    "schemes_of",
    "solve",
    "substitute",
    "symbol",
    "symbols",
    "variadic",
    "verify",
    "write_atomically",
    "write_together",
]
