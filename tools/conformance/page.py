"""The results as tables, as JSON, and as docs/conformance.md."""

from __future__ import annotations

import importlib.metadata
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgec.tools.conformance.cases import KINDS
from edgec.tools.conformance.judging import DRAWS, WIDER, Wider
from edgec.tools.conformance.results import AS_READ, OPTIMIZED, ORIGINAL, WRITTEN, Result
from edgec.tools.conformance.scope import NARROW, PLAIN

_COUNTS = (AS_READ, OPTIMIZED, "refused", "wrong", ORIGINAL, WRITTEN)
KIND_COLUMNS = ("kind", "cases", *_COUNTS)
OP_COLUMNS = ("operator", "cases", *_COUNTS)
SCOPE_COLUMNS = ("asks for", "cases", *_COUNTS)


def kind_rows(results: Sequence[Result]) -> list[list[str]]:
    """A row per kind of cases, and their sum."""
    rows = [_row(kind, [r for r in results if r.kind == kind]) for kind in KINDS]
    return [*(row for row in rows if row[1] != "0"), _row("all", results)]


def op_rows(results: Sequence[Result]) -> list[list[str]]:
    """A row per operator of the node cases."""
    return _grouped((r.operator, r) for r in results if r.kind == "node")


def _scope_rows(results: Sequence[Result]) -> list[list[str]]:
    return _grouped(((r.scope, r) for r in results if r.kind == "node"), (PLAIN, NARROW))


def _grouped(pairs: Iterable[tuple[str, Result]], first: Sequence[str] = ()) -> list[list[str]]:
    groups: defaultdict[str, list[Result]] = defaultdict(list)
    for name, result in pairs:
        groups[name].append(result)
    rest = sorted(set(groups) - set(first))
    names = [name for name in (*first, *rest) if name in groups]
    return [_row(name, groups[name]) for name in names]


def _row(name: str, results: Sequence[Result]) -> list[str]:
    counts = (
        len(results),
        *(sum(r.passes(column) for r in results) for column in (AS_READ, OPTIMIZED)),
        sum(r.refused for r in results),
        sum(bool(r.failures) for r in results),
        *(sum(r.passes(column) for r in results) for column in (ORIGINAL, WRITTEN)),
    )
    return [name, *map(str, counts)]


def as_json(results: Sequence[Result]) -> Mapping[str, Any]:
    """Versions, counts per kind, and every outcome of every case."""
    return {
        "versions": _versions(),
        "kinds": [dict(zip(KIND_COLUMNS, row, strict=True)) for row in kind_rows(results)],
        "cases": [
            {
                "name": result.name,
                "kind": result.kind,
                "operator": result.operator,
                "asks for": result.scope,
                "outcomes": {
                    column: {"status": outcome.status, "detail": outcome.detail}
                    for column, outcome in result.outcomes.items()
                },
            }
            for result in results
        ],
    }


def _versions() -> Mapping[str, str]:
    packages = ("edgec", "onnx", "onnxruntime", "numpy")
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in packages if name in installed}


def page(results: Sequence[Result]) -> str:
    """docs/conformance.md"""
    versions = ", ".join(f"{name} {version}" for name, version in _versions().items())
    sections = [
        f"# Conformance\n\nMade by `make conformance`, with {versions}.\n\n{_INTRODUCTION}",
        _table(KIND_COLUMNS, kind_rows(results)),
        _LIGHT,
        f"## What node cases ask for\n\n{_SCOPES}",
        _table(SCOPE_COLUMNS, _scope_rows(results)),
        f"## Refused\n\n{_REFUSED}",
        _table(("why", "cases"), _reasons(results)),
        f"## Tolerances\n\n{_TOLERANCES}",
        _table(("cases", "rtol, atol", "why"), _wider()),
        f"## Random numbers\n\n{_RANDOM}",
        "## Node cases by operator\n",
        _table(OP_COLUMNS, op_rows(results)),
    ]
    return "\n".join(sections).rstrip() + "\n"


_INTRODUCTION = f"""\
The `onnx` package ships test cases: a model, inputs, the outputs that it must have, a tolerance.
Columns:

- **{AS_READ}**: the model is read, verified and run on the reference kernels.
- **{OPTIMIZED}**: the same after the default pipeline `O2`.
- **refused**: not read, with the reason in one error. **wrong**: another answer than expected, in
  any column, or a refusal of plain tensors.
- **{ORIGINAL}**: ONNX Runtime itself passes the case, by the same judgement.
- **{WRITTEN}**: of those, the ones that it still passes after we read the model and
  wrote it anew.

Models of operator set 6 and later are read; older ones where none of their operators changed until
then. Where a case feeds axes, sizes or a training flag as inputs, the graph is made for their
values. The first two columns are tests, too (`tests/conformance`), beside ONNX's own `BackendTest`
against `edgec.backend`.
"""

_LIGHT = """\
The nine `light` networks have weights that nodes fill in; eight of them answer the same number for
every class, so they say more about reading and shapes than about arithmetic.
"""

_SCOPES = """\
By what the model says: its element types, and what its values are. ONNX Runtime passes few cases
of narrow types and of bfloat16 because its Python interface takes no such arrays.
"""

_REFUSED = """\
Values are tensors of numbers; what a sequence, an optional value or a text holds is not.
"""

_TOLERANCES = """\
Each case is judged by its own `rtol` and `atol`; element types and shapes must be the same.
Stricter than ONNX's own runner: integers and booleans must be equal. As in that runner, bfloat16
has two units in the last place (rtol 2⁻⁶). Wider, in these cases only:
"""

_RANDOM = f"""\
A published output of Bernoulli or of Dropout in training is one draw. These cases run {DRAWS:,}
times without their seed: every element must be one that the operator can give, and occur as often
as the operator says, within Bernstein's bound (a correct generator fails it once in 10¹²
comparisons). In the expanded cases of Bernoulli that is 1 as often as 1 - x: the function body that
ONNX publishes compares the wrong way round. We run a `Bernoulli` node as the text says, and that
body as it stands.
"""


def _reasons(results: Sequence[Result]) -> list[list[str]]:
    counted = Counter(
        _reason(result.outcomes[AS_READ].detail) for result in results if result.refused
    )
    return [[reason, str(count)] for reason, count in counted.most_common()]


def _reason(detail: str) -> str:
    """The first sentence about what is refused, without the names of the case's own nodes."""
    finding = next((line for line in detail.splitlines() if line.startswith("  node ")), detail)
    text = re.sub(r"^  node '[^']*': [\w.]*(?: \(opset \d+\))?: ", "", finding)
    return re.sub(r"^unsupported: |'[^']*' ", "", text)


def _wider() -> list[list[str]]:
    named: defaultdict[Wider, list[str]] = defaultdict(list)
    for name, wider in WIDER.items():
        named[wider].append(f"`{name}`")
    return [
        [", ".join(names), f"{wider.rtol:.2g}, {wider.atol:.2g}", wider.why]
        for wider, names in named.items()
    ]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
