"""Errors that a user can act on: what was expected, what was found, where from, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from edgec.ir.codes import Code, Kind

MAX_ALIKE = 3  # findings that say the same, in an error's text
MAX_SHOWN = 50  # groups of findings in an error's text; ``findings`` holds all of them


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
        code: the situation; ``edgec explain`` says more about it.
        kind: its family.
        findings: one entry per offending node; all of them, collected before raising.
    """

    def __init__(
        self,
        what: Code | Kind,
        message: str,
        findings: Iterable[Finding] = (),
        *,
        instead: str = "",
    ) -> None:
        self.code = what.code if isinstance(what, Kind) else what
        self.message = message
        self.findings: Sequence[Finding] = tuple(findings)
        self.instead = instead
        super().__init__(message)

    @property
    def kind(self) -> Kind:
        return self.code.kind

    @property
    def exit_code(self) -> int:
        return self.kind.exit_code

    def __str__(self) -> str:
        lines = [f"{self.kind.value}: {self.message}"]
        groups = _alike(self.findings)
        lines += [f"  {_told(group)}" for group in groups[:MAX_SHOWN]]
        if len(groups) > MAX_SHOWN:
            lines.append(f"  … and {len(groups) - MAX_SHOWN} more")
        if self.instead:
            lines.append(f"  try: {self.instead}")
        return "\n".join(lines)


def _alike(findings: Sequence[Finding]) -> list[list[Finding]]:
    """The findings by what they say, in order: fifty layers that miss the same rule are one."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.message, finding.instead), []).append(finding)
    return list(groups.values())


def _told(group: Sequence[Finding]) -> str:
    rest = len(group) - MAX_ALIKE
    lines = [str(finding) for finding in group[:MAX_ALIKE]]
    return "\n  ".join([*lines, f"… and {rest} more such"] if rest > 0 else lines)


def counted(count: int, what: str) -> str:
    """``1 op``, ``2 ops``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def one_of(name: str, known: Iterable[str], listing: str = "") -> str:
    """What to try in place of a name that is none: the nearest one; else all, or ``listing``, which
    says how to see them."""
    names = sorted(known)
    everything = listing or (f"one of {', '.join(names)}" if names else "it takes none")
    near = get_close_matches(name, names, n=1)
    return f"{near[0]} ({everything})" if near else everything
