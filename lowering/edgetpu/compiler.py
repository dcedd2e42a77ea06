"""Coral's own compiler, where it is installed: what it says of a file, in our words.

It is closed and prints for people, so this reads its text: the summary, the table of operators by
status (option -s), and its errors.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgec.ir import Code, Error, Finding, dtypes
from edgec.lowering.edgetpu.ops import MISSING
from edgec.lowering.edgetpu.partition import Partition
from edgec.lowering.survey import layer_of
from edgec.lowering.tflite.tensors import Operator, Subgraph

PROGRAM = "edgetpu_compiler"
PATIENCE = 240  # seconds; its own timer ends after 180
MAPPED = "Mapped to Edge TPU"
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ROW = re.compile(r"^([A-Z][A-Z0-9_]+|edgetpu-custom-op)\s+(\d+)\s{2,}(\S.*?)\s*$", re.MULTILINE)
_SIZE = re.compile(r"([\d.]+)\s*(B|KiB|MiB|GiB)\b")


@dataclass(frozen=True)
class CompilerLog:
    """What the compiler said of a file.

    Attributes:
        subgraphs: on the Edge TPU; None where it does not say.
        cached, remaining, streamed: bytes of parameters on the chip, room left there, and bytes
            that come from outside at every inference.
        statuses: how many operators of a name have a status.
    """

    subgraphs: int | None
    cached: int
    remaining: int
    streamed: int
    statuses: Mapping[tuple[str, str], int]

    def mapped(self, builtin: str) -> int:
        return self.statuses.get((builtin, MAPPED), 0)


def installed_compiler() -> str | None:
    """The path of ``edgetpu_compiler``, None where it is not on PATH."""
    return shutil.which(PROGRAM)


def compile_file(path: Path, main: Subgraph, compiler: str) -> CompilerLog:
    """Run the compiler on a file that holds ``main``; its output lies beside the file.

    Raises:
        Error: it refuses the file; the finding names the layer that is to blame, where it is known.
    """
    command = [compiler, "-s", "-o", str(path.parent), str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Error(Code.REFUSED, f"{PROGRAM} does not run: {error}") from error
    said = f"{done.stdout}\n{done.stderr}"
    if done.returncode or "Compilation failed" in said or "Internal compiler error" in said:
        raise Error(
            Code.REFUSED, f"{PROGRAM} refuses {path.name}", explained(said, main),
            instead="edgec check -t edgetpu says which layers map and which do not",
        )  # fmt: skip
    log = path.with_name(f"{path.stem}_edgetpu.log")
    return parse_log(said if _ROW.search(said) or not log.exists() else said + log.read_text())


def parse_log(text: str) -> CompilerLog:
    """The compiler's output, or its log file."""
    statuses: Counter[tuple[str, str]] = Counter()
    for name, count, status in _ROW.findall(text):
        statuses[name, status] += int(count)
    subgraphs = re.search(r"Number of Edge TPU subgraphs:\s*(\d+)", text)
    return CompilerLog(
        None if subgraphs is None else int(subgraphs.group(1)),
        _bytes_after(text, "On-chip memory used for caching model parameters:"),
        _bytes_after(text, "On-chip memory remaining for caching model parameters:"),
        _bytes_after(text, "Off-chip memory used for streaming uncached model parameters:"),
        dict(statuses),
    )


def _bytes_after(text: str, label: str) -> int:
    place = text.find(label)
    found = _SIZE.match(text[place + len(label) :].lstrip()) if place >= 0 else None
    return round(float(found.group(1)) * _UNITS[found.group(2)]) if found else 0


def differences(log: CompilerLog, main: Subgraph, predicted: Partition) -> list[str]:
    """Where the compiler decided otherwise than predicted, a sentence each."""
    found = []
    if log.subgraphs is not None and log.subgraphs != min(predicted.subgraphs, 1):
        found.append(
            f"{PROGRAM} made {log.subgraphs} subgraphs, predicted {min(predicted.subgraphs, 1)}"
        )
    ours = Counter(main.operators[place].builtin for place in predicted.taken)
    total = Counter(operator.builtin for operator in main.operators)
    for builtin in sorted(total):
        theirs = log.mapped(builtin)
        if theirs == ours[builtin]:
            continue
        others = [
            f"{n} {s!r}" for (b, s), n in log.statuses.items() if b == builtin and s != MAPPED
        ]
        found.append(
            f"{PROGRAM} maps {theirs} of {total[builtin]} {builtin}, predicted {ours[builtin]}"
            + (f" ({', '.join(others)})" if others else "")
        )
    return found


# -- errors ----------------------------------------------------------------------------------------


def explained(said: str, main: Subgraph) -> list[Finding]:
    """The compiler's error in words about the user's own layers."""
    for pattern, explain in _EXPLANATIONS:
        found = re.search(pattern, said)
        if found is not None:
            return explain(found, main.operators)
    lines = [line for line in said.splitlines() if "error" in line.lower() or "failed" in line]
    return [Finding(line.strip()) for line in lines[:3]]


def _too_large(found: re.Match[str], operators: Sequence[Operator]) -> list[Finding]:
    worst = max(operators, key=activation_bytes)
    return [
        Finding(
            f"{found.group(0)!r} mostly means that activations do not fit on the chip: the most, "
            f"{activation_bytes(worst) / 1e6:.1f} MB, are those of this {worst.builtin}",
            _layer(worst),
            "a smaller input, fewer channels there, or let the model end before it",
        )
    ]


def _version(found: re.Match[str], operators: Sequence[Operator]) -> list[Finding]:
    builtin, version = found.group(1), found.group(2)
    return [
        Finding(
            f"version {version} of {builtin} is newer than the compiler",
            _layer(operator),
            MISSING.get(builtin, ("", "an older form of the op"))[1],
        )
        for operator in operators
        if operator.builtin == builtin
    ]


def _floats(found: re.Match[str], operators: Sequence[Operator]) -> list[Finding]:
    return [
        Finding(f"this {operator.builtin} makes floats", _layer(operator),
                "--io-dtype int8, and ops that run on integers")
        for operator in operators
        if operator.results[0].dtype is dtypes.f32
    ]  # fmt: skip


def _dynamic(found: re.Match[str], operators: Sequence[Operator]) -> list[Finding]:
    return [
        Finding(f"the dims of this {operator.builtin} are not known", _layer(operator),
                "pin them: --input-shape NAME:1x…")
        for operator in operators
        if any(tensor.static_dims is None for tensor in operator.results)
    ]  # fmt: skip


def _slow(found: re.Match[str], operators: Sequence[Operator]) -> list[Finding]:
    why = f"it gave up after its own time limit, on {len(operators)} operators"
    return [Finding(why, "", f"run {PROGRAM} -t SECONDS on the file yourself")]


_Explanation = Callable[[re.Match[str], Sequence[Operator]], list[Finding]]
_EXPLANATIONS: Sequence[tuple[str, _Explanation]] = (
    (r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'", _version),
    (r"[Mm]odel not quantized|not quantized", _floats),
    (r"dynamic[- ]sized tensors?|[Dd]ynamic tensors?", _dynamic),
    (r"large activation tensors", _too_large),
    (r"[Tt]imed out|exceeded timeout|killed by timeout", _slow),
    (r"Internal compiler error", _too_large),
)


def activation_bytes(operator: Operator) -> int:
    """Bytes of what an operator reads and makes, its constants apart."""
    total = 0
    for tensor in (*operator.operands, *operator.results):
        if tensor is not None and tensor.array is None and tensor.static_dims is not None:
            elements = 1
            for dim in tensor.static_dims:
                elements *= dim
            total += elements * tensor.dtype.numpy.itemsize
    return total


def _layer(operator: Operator) -> str:
    return layer_of(operator.source, operator.results[0].name)
