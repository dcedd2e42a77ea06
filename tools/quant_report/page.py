"""The report as one page of HTML that needs nothing else: a bar and a histogram per layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from edgec.tools.quant_report.advice import Advice
from edgec.tools.quant_report.measure import Measured
from edgec.tools.quant_report.tally import Figures

WIDTH, HEIGHT = 192, 36  # of a histogram, in pixels

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 78em; padding: 0 1em;
  color: #222; background: #fff }
table { border-collapse: collapse; width: 100% }
th { text-align: left; border-bottom: 2px solid #999; position: sticky; top: 0; background: #fff }
td { border-bottom: 1px solid #ddd; padding: .3em .6em .3em 0; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.name { overflow-wrap: anywhere; max-width: 24em }
.bar { background: #d66; height: .7em; margin-top: .4em }
.track { background: #eee; width: 8em }
.dim { color: #777 }
svg { display: block }
"""
_COLUMNS = (
    ("layer", "by its names in the model"),
    ("noise", "of all that layers make on their own: this layer's share"),
    ("alone", "signal to noise at the model's outputs with only this layer quantized"),
    ("so far", "signal to noise of its result with all layers before it quantized too"),
    ("clipped", "results outside the range"),
    ("saturated", "stored results at either end of the grid"),
    ("dead", "channels whose weights all round to zero"),
    ("bits", "of weights / result"),
    ("scale", "of the result"),
    ("MMAC", "millions of multiply-accumulates"),
    ("results", "how they are distributed (logarithmic); red marks where the grid ends"),
)


def page_of(
    model: str,
    calibration: str,
    measured: Measured,
    advice: Sequence[Advice],
    floats: Mapping[str, str],
) -> str:
    """The whole page."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f"<title>Quantization of {escape(model)}</title>",
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>Quantization of {escape(model)}</h1>",
            *_summary(calibration, measured),
            *_advice(advice),
            "<h2>Layers, the most to blame first</h2>",
            *_table(measured),
            *_floats(floats),
            "</body></html>",
            "",
        ]
    )


def _summary(calibration: str, measured: Measured) -> Iterator[str]:
    shown = ", ".join(f"{escape(n)}: {_db(db)}" for n, db in measured.outputs.items())
    yield f"<p>Signal to noise of the outputs on {measured.samples} samples: <b>{shown}</b>.<br>"
    yield f'<span class="dim">Calibration: {escape(calibration)}</span></p>'


def _advice(advice: Sequence[Advice]) -> Iterator[str]:
    if not advice:
        yield "<p>No layer stands out: noise is spread over all of them.</p>"
        return
    yield "<h2>What to try</h2><ol>"
    for one in advice:
        yield f"<li><b>{escape(one.layer)}</b>: {escape(one.why)}. Try: {escape(one.what)}.</li>"
    yield "</ol>"


def _table(measured: Measured) -> Iterator[str]:
    heads = "".join(f'<th title="{escape(why)}">{escape(name)}</th>' for name, why in _COLUMNS)
    yield f"<table><thead><tr>{heads}</tr></thead><tbody>"
    for one in measured.layers:
        yield _line(one, measured.layers[0].blame)
    yield "</tbody></table>"


def _line(one: Figures, most: float) -> str:
    layer = one.layer
    bits = layer.grid.bits if layer.grid else 32
    width = 100 * one.blame / most if most else 0.0
    numbers = (
        _db(one.alone_db),
        "" if one.so_far_db is None else _db(one.so_far_db),
        f"{one.clipped:.2%}",
        f"{one.saturated:.2%}",
        f"{layer.dead} of {layer.channels}" if layer.dead else "",
        f"{layer.weight_bits}/{bits}" if layer.weight_bits else str(bits),
        f"{layer.grid.scale:.3g}" if layer.grid else "float",
        f"{layer.macs / 1e6:.1f}" if layer.macs else "",
    )
    cells = "".join(f'<td class="n">{text}</td>' for text in numbers)
    return (
        f'<tr><td class="name">{escape(layer.name)} '
        f'<span class="dim">{escape(layer.op_name)}</span></td><td>{one.blame:.1%}'
        f'<div class="track"><div class="bar" style="width:{width:.1f}%"></div></div></td>'
        f"{cells}<td>{_histogram(one)}</td></tr>"
    )


def _histogram(one: Figures) -> str:
    if not one.histogram or not one.high > one.low:
        return ""
    tallest = math.log1p(max(one.histogram))
    step = WIDTH / len(one.histogram)
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{HEIGHT - h:.1f}" width="{step:.1f}" height="{h:.1f}"/>'
        for i, n in enumerate(one.histogram)
        if (h := HEIGHT * math.log1p(n) / tallest) > 0
    )
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" fill="#68a">{bars}{_ends(one)}'
        f"<title>{one.low:.4g} … {one.high:.4g}</title></svg>"
    )


def _ends(one: Figures) -> str:
    """Marks where the grid ends, as far as that lies within the picture."""
    grid = one.layer.grid
    ends = (grid.low, grid.high) if grid else ()
    places = [(end - one.low) / (one.high - one.low) * WIDTH for end in ends]
    return "".join(
        f'<rect x="{place:.1f}" y="0" width="1.5" height="{HEIGHT}" fill="#c33"/>'
        for place in places
        if 0 <= place <= WIDTH
    )


def _floats(floats: Mapping[str, str]) -> Iterator[str]:
    if not floats:
        return
    yield "<h2>Layers that stayed float</h2><table><tbody>"
    for name, reason in floats.items():
        yield f'<tr><td class="name">{escape(name)}</td><td>{escape(reason)}</td></tr>'
    yield "</tbody></table>"


def _db(decibels: float) -> str:
    return f"{decibels:.1f} dB" if math.isfinite(decibels) else "exact"
