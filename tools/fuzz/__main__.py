"""Random graphs and damaged files, open-ended: ``python -m edgec.tools.fuzz --help``."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgec.tools.fuzz.files import FileCampaign, models_folder
from edgec.tools.fuzz.graphs import Campaign


def main() -> int:
    """Run the campaigns that the command line asks for; 1 when one found something."""
    chosen = _parser().parse_args()
    seed = chosen.seed if chosen.seed is not None else int(time.time())
    print(f"seed {seed}")
    return _files(chosen, seed) if chosen.files else _graphs(chosen, seed)


def _files(chosen: argparse.Namespace, seed: int) -> int:
    campaign = FileCampaign(seed, chosen.out, models_folder(chosen.models))
    found = campaign.run(_numbers(chosen, chosen.files), seconds=chosen.seconds)
    print(f"{found.cases} damaged files in {found.seconds:.0f} s")
    return _summary(found.outcomes, found.failures)


def _graphs(chosen: argparse.Namespace, seed: int) -> int:
    campaign = Campaign(seed, chosen.out, runtime=not chosen.no_runtime)
    found = campaign.run(_numbers(chosen, chosen.graphs), seconds=chosen.seconds)
    print(f"{found.graphs} graphs of {found.ops} ops in {found.seconds:.0f} s")
    return _summary(found.counts, found.failures)


def _numbers(chosen: argparse.Namespace, count: int) -> Sequence[int]:
    return [chosen.only] if chosen.only is not None else range(chosen.start, count)


def _summary(counts: Counter[str], failures: Counter[str]) -> int:
    for name, count in sorted(counts.items()):
        print(f"  {count:8} {name}")
    for name, count in failures.most_common():
        print(f"  {count:8} FAILED {name}")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgec.tools.fuzz")
    parser.add_argument("--graphs", type=int, default=1000, help="how many random graphs")
    parser.add_argument("--files", type=int, default=0, help="how many damaged files")
    parser.add_argument("--seed", type=int, help="printed; the same one makes the same cases")
    parser.add_argument("--only", type=int, metavar="N", help="case number N of that seed alone")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="begin at case number N")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after that time")
    parser.add_argument("--no-runtime", action="store_true", help="leave ONNX Runtime out")
    parser.add_argument("--models", type=Path, metavar="DIR",
                        help="real models to damage (default: EDGEC_MODELS)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("fuzz-failures"), metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
