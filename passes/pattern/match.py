"""What a pattern finds: a match with its captures, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgec.ir import Op


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a pattern does not apply. ``near`` when every op was the right one."""

    reason: str
    near: bool = False


ELSEWHERE = ""  # what a check returns for ops that its rule is not about
OTHER_OP = Miss("another op stands there")


class Match:
    """What a pattern captured: ops and values as attributes by the names given with ``@`` and
    ``var``, the last op also as ``root``.

    Attributes:
        interior: the ops besides the root that the pattern replaces.
    """

    __slots__ = ("__dict__", "interior")

    def __init__(self, root: Op) -> None:
        self.interior: list[Op] = []
        self.captures["root"] = root

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the pattern captures no {name!r}")

    @property
    def captures(self) -> dict[str, Any]:
        """Every capture by name."""
        return self.__dict__

    def get(self, name: str) -> Any:
        """A capture that only some alternatives make; None when this one did not."""
        return self.captures.get(name)

    def snapshot(self) -> tuple[dict[str, Any], int]:
        """What ``restore`` goes back to."""
        return self.captures.copy(), len(self.interior)

    def restore(self, state: tuple[dict[str, Any], int]) -> None:
        self.captures.clear()
        self.captures.update(state[0])
        del self.interior[state[1] :]
