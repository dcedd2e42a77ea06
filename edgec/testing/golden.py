"""What the fixture ``edgec_golden`` hands to a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from edgec.ir import Array
from edgec.lowering import load_samples
from edgec.tools.driver import load
from edgec.tools.goldens import (
    Golden,
    Report,
    Spec,
    Tolerances,
    check,
    load_golden,
    record,
    save_golden,
)

USUAL = ("numbers", "ops", "size")


@dataclass(frozen=True)
class Wanted:
    """The arguments of the marker ``edgec_golden``.

    Attributes:
        model: path, relative to the test's file.
        targets: names; every target that there is when None.
        inputs: an .npz with arrays by input name, or a list of mappings; random ones when None.
        seeds: number of sets of random inputs.
        tolerance: relative, of the outputs; what rounding explains when None.
        pipeline: passes; the target's own when None.
        precision: of the artifact.
        calibration: what integers are chosen from.
        options: of the target's writer.
        compare: what to compare, some of numbers, ops, text, bytes, size, latency.
        size_growth, latency_growth: shares by which these may grow.
    """

    model: str
    targets: Sequence[str] | None = None
    inputs: str | Sequence[Mapping[str, Array]] | None = None
    seeds: int = 1
    tolerance: float | None = None
    pipeline: str | None = None
    precision: str = "fp32"
    calibration: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    compare: Sequence[str] = USUAL
    size_growth: float = Tolerances.size
    latency_growth: float = Tolerances.latency

    @classmethod
    def of(cls, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Wanted:
        """From a marker. Raises TypeError with the known names when one is unknown."""
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(kwargs) - set(known))
        if unknown or len(args) > 1:
            raise TypeError(f"edgec_golden takes a model and {', '.join(known[1:])}; not {unknown}")
        return cls(*args, **kwargs)


@dataclass(frozen=True)
class GoldenTest:
    """One model for one target, with the golden that lies beside the test.

    Attributes:
        path: of the golden's .json, ``goldens/<file>/<test>-<target>.json`` beside the test.
        update: record and accept instead of failing.
        log: receives what was accepted.
    """

    wanted: Wanted
    target: str
    folder: Path
    path: Path
    update: bool
    log: list[str]

    @property
    def spec(self) -> Spec:
        wanted = self.wanted
        return Spec(
            model=str(self.folder / wanted.model),
            target=self.target,
            pipeline=wanted.pipeline,
            precision=wanted.precision,
            options=wanted.options,
            seeds=tuple(range(wanted.seeds)),
            inputs=self._inputs(),
            calibration=wanted.calibration,
        )

    def check(self) -> Report | None:
        """Compile, run and compare; None when the golden was just recorded.

        Raises:
            AssertionError: there is no golden, or something differs; with all differences.
        """
        if not self.path.exists():
            if not self.update:
                raise AssertionError(f"there is no golden {self.path}: --golden-update records it")
            self._save(record(self.spec, self.path, latency="latency" in self.wanted.compare))
            self.log.append(f"recorded {self.path}")
            return None
        limits = Tolerances(
            self.wanted.tolerance, self.wanted.size_growth, self.wanted.latency_growth
        )
        golden = load_golden(self.path)
        report = check(golden, self.path, aspects=self.wanted.compare, allowed=limits)
        if report.ok:
            return report
        if not self.update:
            raise AssertionError(f"{self.path}\n{report}\n--golden-update accepts this")
        self._save(report.fresh)
        self.log.append(f"accepted {self.path}\n{report}")
        return report

    def _save(self, golden: Golden) -> None:
        save_golden(golden, self.path)

    def _inputs(self) -> Sequence[Mapping[str, Array]]:
        inputs = self.wanted.inputs
        if inputs is None:
            return ()
        if isinstance(inputs, str):
            return list(load_samples(self.folder / inputs, load(self.folder / self.wanted.model)))
        return list(inputs)
