"""Random graphs and damaged files, open-ended: ``python -m edgec.tools.fuzz --help``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from edgec.tools.fuzz.graphs import Campaign


def main() -> int:
    """Run the campaigns that the command line asks for; 1 when one found something."""
    chosen = _parser().parse_args()
    seed = chosen.seed if chosen.seed is not None else int(time.time())
    print(f"seed {seed}")
    if chosen.files:
        raise SystemExit("not yet")
    return _graphs(chosen, seed)


def _graphs(chosen: argparse.Namespace, seed: int) -> int:
    campaign = Campaign(seed, chosen.out, runtime=not chosen.no_runtime)
    numbers = [chosen.only] if chosen.only is not None else range(chosen.start, chosen.graphs)
    found = campaign.run(numbers, seconds=chosen.seconds)
    print(f"{found.graphs} graphs of {found.ops} ops in {found.seconds:.0f} s")
    for name, count in sorted(found.counts.items()):
        print(f"  {count:8} {name}")
    for name, count in found.failures.most_common():
        print(f"  {count:8} FAILED {name}")
    return 1 if found.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgec.tools.fuzz")
    parser.add_argument("--graphs", type=int, default=1000, help="how many random graphs")
    parser.add_argument("--files", type=int, default=0, help="how many damaged files")
    parser.add_argument("--seed", type=int, help="printed; the same one makes the same cases")
    parser.add_argument("--only", type=int, metavar="N", help="case number N of that seed alone")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="begin at case number N")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after that time")
    parser.add_argument("--no-runtime", action="store_true", help="leave ONNX Runtime out")
    parser.add_argument("--out", type=Path, default=Path("fuzz-failures"), metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
