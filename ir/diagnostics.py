"""Errors that a user can act on: what was expected, what was found, where from, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What failed. The driver derives its exit code from it (see ``exit_code``), and its error code
    from the order here: new kinds come last."""

    READ = "read"
    VERIFY = "verify"
    UNSUPPORTED = "unsupported"
    CALIBRATION = "calibration"
    LOWERING = "lowering"
    RUNTIME_MISSING = "runtime missing"
    MISMATCH = "mismatch"
    USAGE = "usage"
    PASS = "pass"

    @property
    def code(self) -> str:
        """As in ``error[E003]``; ``docs/errors/E003.md`` says more about it."""
        return f"E{1 + list(Kind).index(self):03}"

    @property
    def exit_code(self) -> int:
        """1 a check failed, 2 usage, 3 bad or unsupported input, 4 runtime missing."""
        return _EXIT_CODES.get(self, 3)


_EXIT_CODES = {Kind.MISMATCH: 1, Kind.PASS: 1, Kind.USAGE: 2, Kind.RUNTIME_MISSING: 4}


MAX_SHOWN = 50  # findings in an error's text; ``findings`` holds all of them


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where it is, what is wrong, what to do about it."""

    message: str
    where: str = ""
    instead: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n    try: {self.instead}" if self.instead else text


class Error(Exception):
    """Every error that edgec raises on purpose.

    Attributes:
        kind: what failed.
        findings: one entry per offending node; all of them, collected before raising.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        findings: Iterable[Finding] = (),
        *,
        instead: str = "",
    ) -> None:
        self.kind = kind
        self.message = message
        self.findings: Sequence[Finding] = tuple(findings)
        self.instead = instead
        super().__init__(message)

    @property
    def exit_code(self) -> int:
        return self.kind.exit_code

    def __str__(self) -> str:
        lines = [f"{self.kind.value}: {self.message}"]
        lines += [f"  {finding}" for finding in self.findings[:MAX_SHOWN]]
        if len(self.findings) > MAX_SHOWN:
            lines.append(f"  … and {len(self.findings) - MAX_SHOWN} more")
        if self.instead:
            lines.append(f"  try: {self.instead}")
        return "\n".join(lines)
