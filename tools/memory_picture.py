"""Drawing memory over time as SVG: what is alive at each step, and the arena behind it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from edgec.passes import MemoryReport

WIDTH, HEIGHT = 960, 480
LEFT, RIGHT, TOP, BOTTOM = 86, 24, 66, 56
MOST_RECTANGLES = 1500
MOST_POINTS = 2000
COLOURS = ("#dbe9f6", "#e8e2f3", "#dff0e3", "#fbeed7", "#f7dfe0", "#e3eef0")
LINE, PEAK, BOUND, TEXT, GRID = "#1f5d99", "#b3261e", "#6b6b6b", "#222222", "#e6e6e6"


def memory_svg(report: MemoryReport, title: str) -> str:
    """A picture of one report; it stands alone, in light colours."""
    return "\n".join(_Picture(report, title).lines()) + "\n"


class _Picture:
    def __init__(self, report: MemoryReport, title: str) -> None:
        self._report = report
        self._title = title
        self._top = max(report.arena_bytes, report.peak_bytes, 1)
        self._steps = len(report.curve)

    def lines(self) -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12" '
            f'fill="{TEXT}">'
        )
        yield f"<title>{escape(self._title)}: memory of activations</title>"
        yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        yield from self._heading()
        yield from self._grid()
        yield from self._places()
        yield from self._curve()
        yield from self._peak()
        yield "</svg>"

    def _heading(self) -> Iterator[str]:
        report = self._report
        yield _text(LEFT, 24, self._title, size=16)
        yield _text(
            LEFT,
            44,
            f"peak {_bytes(report.peak_bytes)} at {report.peak_op}; arena "
            f"{_bytes(report.arena_bytes)}; sharing {report.sharing}, "
            f"aligned to {report.alignment} bytes",
        )

    def _grid(self) -> Iterator[str]:
        for mark in _marks(self._top):
            y = self._y(mark)
            yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>'
            yield _text(LEFT - 8, y + 4, _bytes(mark), anchor="end")
        for mark in _marks(self._steps - 2):
            yield _text(self._x(mark), HEIGHT - BOTTOM + 18, str(int(mark)), anchor="middle")
        yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "op, in order", anchor="middle")

    def _places(self) -> Iterator[str]:
        """Where each tensor lies; a long list is cut to the largest."""
        places = sorted(self._report.places, key=lambda one: -one.size * (one.end - one.begin + 1))
        for number, one in enumerate(places[:MOST_RECTANGLES]):
            x, width = self._x(one.begin), self._x(one.end + 1) - self._x(one.begin)
            y, height = self._y(one.offset + one.size), self._length(one.size)
            yield (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                f'fill="{COLOURS[number % len(COLOURS)]}" stroke="#ffffff" stroke-width="0.5">'
                f"<title>{escape(one.name)}: {_bytes(one.size)}, steps {one.begin} to {one.end}"
                f"</title></rect>"
            )

    def _curve(self) -> Iterator[str]:
        """The bytes alive at each step; of many steps the highest of each group is drawn."""
        curve = self._report.curve
        group = -(-len(curve) // MOST_POINTS)
        path = [f"M{self._x(-1):.1f} {self._y(curve[0]):.1f}"]
        for first in range(0, len(curve), group):
            path.append(f"V{self._y(max(curve[first : first + group])):.1f}")
            path.append(f"H{self._x(first - 1 + group):.1f}")
        yield f'<path d="{"".join(path)}" fill="none" stroke="{LINE}" stroke-width="1.8"/>'

    def _peak(self) -> Iterator[str]:
        report = self._report
        x, y = self._x(report.peak_step + 0.5), self._y(report.peak_bytes)
        line = f"M{LEFT} {self._y(report.arena_bytes):.1f}H{WIDTH - RIGHT}"
        yield f'<path d="{line}" stroke="{BOUND}" stroke-dasharray="4 3"/>'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{PEAK}"/>'
        anchor = "start" if x < WIDTH / 2 else "end"
        shift = 8 if anchor == "start" else -8
        yield _text(x + shift, y - 6, "peak", anchor=anchor, fill=PEAK)

    def _x(self, step: float) -> float:
        return LEFT + (step + 1) / self._steps * (WIDTH - LEFT - RIGHT)

    def _y(self, count: float) -> float:
        return HEIGHT - BOTTOM - self._length(count)

    def _length(self, count: float) -> float:
        return count / self._top * (HEIGHT - TOP - BOTTOM)


def _text(
    x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", fill: str = TEXT
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="{fill}">{escape(text)}</text>'
    )


def _marks(top: float) -> list[float]:
    """About five round numbers from 0 up to ``top``."""
    step = 1.0
    while top / step > 6:
        for factor in (2, 2.5, 2):
            step *= factor
            if top / step <= 6:
                break
    return [step * index for index in range(int(top / step) + 1)]


def _bytes(count: float) -> str:
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"
