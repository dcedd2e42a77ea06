"""``python -m edgec.tools.bench.quantization``: quantizers side by side on real models.

Each gets the same model and the same samples to calibrate on, and is judged on other samples with
onnxruntime: signal to noise against the float model's output, agreement of the best class, accuracy
where there are labels, bytes, seconds, and latency against the float model in paired calls. With
``--table precisions`` they are not ours and other people's but all that we have.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgec.ir import Array, write_atomically
from edgec.lowering.onnx import OnnxRunner
from edgec.tools.bench.models import machine
from edgec.tools.bench.page import versions
from edgec.tools.bench.quant_cases import Case, cases_in
from edgec.tools.bench.quant_peers import PRECISIONS, QUANTIZERS, Quantizer
from edgec.tools.bench.timing import Timing, paired

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "quantization.md"
BEGIN, END = "<!-- table: made by the command above -->", "<!-- end of table -->"
BEGIN_PRECISIONS = "<!-- precisions: made by the command above -->"
END_PRECISIONS = "<!-- end of precisions -->"
PACKAGES = ("edgec", "onnxruntime", "nncf", "numpy")


TABLES: Mapping[str, tuple[Mapping[str, Quantizer], str, str]] = {
    "quantizers": (QUANTIZERS, BEGIN, END),
    "precisions": (PRECISIONS, BEGIN_PRECISIONS, END_PRECISIONS),
}


@dataclass(frozen=True)
class Row:
    """One quantizer on one model; all numbers None where it failed.

    Attributes:
        sqnr_db: over all outputs of all evaluation samples.
        agreement: share of samples with the float model's best class; None for maps.
        accuracy: against labels.
        size: bytes of the file.
        seconds: to quantize, calibration included.
        cpu_seconds: of all threads meanwhile, which says more where others use the machine too.
        latency: in onnxruntime on one thread, against the float model.
        failure: what a quantizer said that made nothing of use.
    """

    case: str
    quantizer: str
    sqnr_db: float | None = None
    agreement: float | None = None
    accuracy: float | None = None
    size: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    latency: Timing | None = None
    failure: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edgec.tools.bench.quantization")
    default = Path(os.environ.get("EDGEC_MODELS", ROOT.parent / "shared" / "models"))
    parser.add_argument("--models", type=Path, default=default, help="folder of models and data")
    parser.add_argument("--case", action="append", choices=list(cases_in(default)))
    parser.add_argument("--table", default="quantizers", choices=list(TABLES))
    parser.add_argument("--only", action="append", metavar="WORD", help="quantizers with WORD")
    parser.add_argument("--rounds", type=int, default=31, help="of paired calls for latency")
    parser.add_argument("--repeats", type=int, default=1, help="of quantizing; the fastest counts")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument(
        "--update", action="store_true", help="keep what --json holds of what is not measured now"
    )
    chosen = parser.parse_args()
    if not chosen.models.is_dir():
        print(f"no folder {chosen.models}; say --models FOLDER", file=sys.stderr)
        return 2
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    words = chosen.only or [""]
    quantizers, begin, end = TABLES[chosen.table]
    wanted = {n: made for n, made in quantizers.items() if any(word in n for word in words)}
    rows: list[Row] = []
    for name, make in cases_in(chosen.models).items():
        if not chosen.case or name in chosen.case:
            rows += rows_of(make(), wanted, chosen.rounds, chosen.repeats)
    if chosen.update and chosen.json and chosen.json.is_file():
        rows = updated(rows_in(chosen.json), rows, list(quantizers))
    text = tables(rows)
    print(text)
    if chosen.write:
        page = inserted(PAGE.read_text("utf-8"), text, begin, end)
        write_atomically(PAGE, lambda path: _write(path, page))
    if chosen.json:
        numbers = json.dumps([asdict(row) for row in rows], indent=1)
        write_atomically(chosen.json, lambda path: _write(path, numbers))
    return 0


def rows_in(path: Path) -> list[Row]:
    """The rows that an earlier run wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return [
        Row(**{**row, "latency": Timing(**row["latency"]) if row["latency"] else None})
        for row in found
    ]


def updated(old: Sequence[Row], new: Sequence[Row], quantizers: Sequence[str]) -> list[Row]:
    """Old rows with new ones in their place, in the order of the quantizers."""
    rows = {(row.case, row.quantizer): row for row in (*old, *new)}
    order = [*quantizers, "float"]
    cases = list(dict.fromkeys(row.case for row in (*old, *new)))
    return sorted(rows.values(), key=lambda r: (cases.index(r.case), order.index(r.quantizer)))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def inserted(page: str, text: str, begin: str = BEGIN, end: str = END) -> str:
    """The page with this text between its marks."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{text}\n{end}{after}"


# -- measuring ------------------------------------------------------------------------------------


def rows_of(
    case: Case, quantizers: Mapping[str, Quantizer], rounds: int, repeats: int
) -> list[Row]:
    """Every quantizer on one model."""
    truth = outputs(OnnxRunner(case.model), case)
    with tempfile.TemporaryDirectory() as folder:
        made: dict[str, Path] = {}
        seconds: dict[str, tuple[float, float]] = {}
        failures: dict[str, str] = {}
        for name, quantizer in quantizers.items():
            out = Path(folder) / f"{len(made)}.onnx"
            try:
                took = [_timed(quantizer, case, out) for _ in range(repeats)]
                OnnxRunner(out)
            except Exception as error:  # noqa: BLE001  (a peer may fail in any way; its row says so)
                failures[name] = f"{type(error).__name__}: {error}".splitlines()[0][:80]
                continue
            made[name], seconds[name] = out, min(took)
            print(f"{case.name}: {name}: {seconds[name][0]:.1f} s", file=sys.stderr)
        latencies = _latencies(case, made, rounds)
        rows = []
        for name in quantizers:
            if name in failures:
                rows.append(Row(case.name, name, failure=failures[name]))
                continue
            found = outputs(OnnxRunner(made[name]), case)
            size = made[name].stat().st_size
            rows.append(_row(case, name, found, truth, size, seconds[name], latencies[name]))
        rows.append(
            Row(
                case.name,
                "float",
                accuracy=_accuracy(case, truth),
                size=case.model.stat().st_size,
                latency=latencies["float"],
            )
        )
    return rows


def _timed(quantizer: Quantizer, case: Case, out: Path) -> tuple[float, float]:
    """Seconds by the clock, and of all threads."""
    begin, used = time.perf_counter(), time.process_time()
    quantizer(case.model, case.input, case.calibration, out)
    return time.perf_counter() - begin, time.process_time() - used


def outputs(runner: OnnxRunner, case: Case) -> Array:
    """All outputs of the evaluation samples, joined along the first axis."""
    found = [runner.run({case.input: sample}) for sample in case.evaluation]
    return np.concatenate([next(iter(one.values())) for one in found])


def _row(
    case: Case,
    name: str,
    found: Array,
    truth: Array,
    size: int,
    seconds: tuple[float, float],
    latency: Timing,
) -> Row:
    scores = truth.ndim == 2
    return Row(
        case.name,
        name,
        sqnr_db=sqnr(found, truth),
        agreement=float(np.mean(found.argmax(1) == truth.argmax(1))) if scores else None,
        accuracy=_accuracy(case, found),
        size=size,
        seconds=seconds[0],
        cpu_seconds=seconds[1],
        latency=latency,
    )


def sqnr(found: Array, truth: Array) -> float:
    """Power of the truth over power of the difference, in decibels."""
    exact = truth.astype(np.float64)
    noise = float(np.sum((found - exact) ** 2))
    return 10 * float(np.log10(np.sum(exact**2) / noise)) if noise else float("inf")


def _accuracy(case: Case, found: Array) -> float | None:
    return None if case.labels is None else float(np.mean(found.argmax(1) == case.labels))


def _latencies(case: Case, made: Mapping[str, Path], rounds: int) -> dict[str, Timing]:
    calls = {"float": _call(OnnxRunner(case.model), case)}
    calls |= {name: _call(OnnxRunner(path), case) for name, path in made.items()}
    return paired(calls, "float", rounds=rounds)


def _call(runner: OnnxRunner, case: Case) -> Callable[[], object]:
    feed = {case.input: case.evaluation[0]}
    return lambda: runner.session.run(None, feed)


# -- showing --------------------------------------------------------------------------------------


def tables(rows: Sequence[Row]) -> str:
    """One table per model, and what made them."""
    parts = [f"Machine: {machine()}. Versions: {versions(PACKAGES)}.\n"]
    for case in dict.fromkeys(row.case for row in rows):
        own = [row for row in rows if row.case == case]
        parts.append(f"### {case}\n")
        parts.append(
            "| quantizer | SQNR dB | top-1 as float | accuracy | kB | seconds | CPU s | latency |"
        )
        parts.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        parts += [_line(row) for row in own]
        parts.append("")
    return "\n".join(parts)


def _line(row: Row) -> str:
    if row.failure:
        return f"| {row.quantizer} | {row.failure} | | | | | | |"
    cells = [
        row.quantizer,
        _shown(row.sqnr_db, "{:.2f}"),
        _shown(row.agreement, "{:.1%}"),
        _shown(row.accuracy, "{:.2%}"),
        "" if row.size is None else f"{row.size / 1000:,.0f}",
        _shown(row.seconds, "{:.1f}"),
        _shown(row.cpu_seconds, "{:.1f}"),
        ""
        if row.latency is None
        else f"{row.latency.ratio:.2f} ({row.latency.milliseconds:.1f} ms)",
    ]
    return f"| {' | '.join(cells)} |"


def _shown(number: float | None, form: str) -> str:
    return "" if number is None else form.format(number)


if __name__ == "__main__":
    sys.exit(main())
