"""Plots for the report, as HTML rows with an inline SVG each.

A row is a name, a plot, and a value in words. Positions in the SVGs are percentages of whatever width the page gives
them, so that text keeps its size and a narrow page only moves the name above its plot. Colours and strokes are classes;
the style sheet of the report has them.
"""

import html
import math

from results import number
from stats import median

ROW, AXIS = 22, 22  # heights
WIDEST_LINEAR = 20  # from this factor between the largest and the smallest on, an axis is logarithmic


def escape(text):
    return html.escape(str(text))


def kind(label):
    """weft, the limit, or a peer: what decides the colour."""
    return label if label == "weft" else "limit" if label.split("-")[0] == "limit" else "peer"


SCALES = {
    "ns": ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns")),
    "µs": ((1e6, "s"), (1e3, "ms"), (1, "µs"), (1e-3, "ns")),
    "ms": ((1e3, "s"), (1, "ms"), (1e-3, "µs")),
    "bytes": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
}


def quantity(value, unit):
    """With the unit in which it is easily read."""
    scale, name = scale_of(value, unit)
    if name in ("per second", "per s"):
        return f"{number(value)}/s"
    return f"{number(value / scale)} {name}".rstrip()


def scale_of(value, unit):
    """(how much of `unit` it is, its name): the largest unit of which `value` is at least one."""
    scales = SCALES.get(unit, ((1, unit),))
    return next(((scale, name) for scale, name in scales if value >= scale), scales[-1])


class Axis:
    """From values to percentages of the width: from zero where all lie within WIDEST_LINEAR, else logarithmic."""

    def __init__(self, values, unit="", logarithmic=None):
        values = [value for value in values if value > 0] or [1]
        least, most = min(values), max(values)
        self.unit = unit
        self.logarithmic = most > WIDEST_LINEAR * least if logarithmic is None else logarithmic
        if self.logarithmic:
            room = max(0.06 * math.log10(most / least), 0.06)
            self.low, self.high = math.log10(least) - room, math.log10(most) + room
        else:
            self.low, self.high = 0, most * 1.04

    def __call__(self, value):
        place = math.log10(max(value, 1e-12)) if self.logarithmic else value
        return min(100.0, max(0.0, (place - self.low) / (self.high - self.low) * 100))

    def ticks(self):
        if not self.logarithmic:
            # Round numbers of the unit that the largest value is shown in.
            scale = scale_of(self.high, self.unit)[0]
            step = 10.0 ** math.floor(math.log10(self.high / scale)) * scale
            step = next(s for s in (step / 5, step / 2, step, step * 2) if self.high / s <= 5)
            return [i * step for i in range(int(self.high / step) + 1)]
        # 1 and its multiples come first: 0.1, 1, 10 … and not 0.3, 3, 30 when only some can stay.
        steps = ((2, (1,)),) if self.unit == "bytes" else ((10, (1, 2, 5)), (10, (1, 3)), (10, (1,)))
        for base, digits in steps:
            exponents = range(math.floor(self.low / math.log10(base)), math.ceil(self.high / math.log10(base)) + 1)
            marks = [(e, d * float(base) ** e) for e in exponents for d in digits]
            marks = [(e, t) for e, t in marks if self.low <= math.log10(t) <= self.high]
            if len(marks) <= 5:
                break
        every = math.ceil(len(marks) / 5)
        return [t for e, t in marks if every == 1 or e % every == 0]

    def grid(self):
        return "".join(line(self(tick), 0, self(tick), "100%", "grid") for tick in self.ticks())

    def labels(self):
        parts = []
        for tick in self.ticks():
            x = self(tick)
            anchor = "start" if x < 4 else "end" if x > 94 else "middle"
            words = quantity(tick, self.unit) if tick else "0"
            parts.append(f'<text x="{x:.2f}%" y="15" text-anchor="{anchor}">{escape(words)}</text>')
        return "".join(parts)


def line(x1, y1, x2, y2, name):
    return f'<line class="{name}" x1="{x1:.2f}%" y1="{y1}" x2="{x2:.2f}%" y2="{y2}"/>'


def svg(parts, height=ROW):
    return f'<svg class="plot" width="100%" height="{height}" aria-hidden="true">{"".join(parts)}</svg>'


def row(name, parts, value, classes="", height=ROW):
    words = escape(name)
    return (
        f'<div class="row {classes}" role="listitem"><span class="name" title="{words}">{words}</span>'
        f"{svg(parts, height)}"
        f'<span class="value">{value}</span></div>'
    )


def axis_row(axis):
    plot = svg([axis.labels()], AXIS)
    return f'<div class="row axis" aria-hidden="true"><span class="name"></span>{plot}<span></span></div>'


def rows_of(title, rows, axis):
    return f'<div class="rows" role="list" aria-label="{escape(title)}">{"".join(rows)}{axis_row(axis)}</div>'


def whisker(axis, low, high, y=ROW / 2):
    """A line with an end on each side."""
    a, b = axis(low), axis(high)
    ends = "".join(line(x, y - 3, x, y + 3, "whisker") for x in (a, b))
    return line(a, y, b, y, "whisker") + ends


def dot(x, name, y=ROW / 2, radius=5):
    return f'<circle class="{name}" cx="{x:.2f}%" cy="{y}" r="{radius}"/>'


# ---- one metric of several programs ----


def bars(values, unit, title, marks=()):
    """{label: repetitions}, best first. Bars from zero, or dots on a logarithmic axis, whose length would mean nothing.
    The limit's median goes through all rows. `marks` are bounds: the tightest stands on weft's row."""
    ordered = sorted(((label, v) for label, v in values.items() if v), key=lambda item: median(item[1]))
    marks = sorted(mark for mark in marks if mark > 0)[:1]
    axis = Axis([x for _, v in ordered for x in v] + marks, unit)
    limits = [median(v) for label, v in ordered if kind(label) == "limit"]
    rows = []
    for label, v in ordered:
        parts = [axis.grid()]
        if limits:
            parts.append(line(axis(min(limits)), 0, axis(min(limits)), "100%", "limit-line"))
        middle = axis(median(v))
        if axis.logarithmic:
            parts += [whisker(axis, min(v), max(v)), dot(middle, f"fill {kind(label)}")]
        else:
            shape = f'x="0" y="4" width="{middle:.2f}%" height="{ROW - 8}" rx="2"'
            parts += [f'<rect class="fill {kind(label)}" {shape}/>', whisker(axis, min(v), max(v))]
        if label == "weft":
            parts += [bound_mark(axis(mark)) for mark in marks]
        rows.append(row(label, parts, quantity(median(v), unit), kind(label)))
    return rows_of(title, rows, axis)


def bound_mark(x):
    return line(x, 1, x, ROW - 1, "bound")


# ---- ratios ----


def ratios(entries, title, line_at_one):
    """[(name, spread entry, bound factor or None, value in words)]: a row each, on one logarithmic axis. Right of 1
    weft is behind."""
    values = [1.0] + [entry[key] for _, entry, *_ in entries for key in ("low", "high")]
    axis = Axis(values + [factor for _, _, factor, _ in entries if factor], "×", logarithmic=True)
    rows = []
    for name, entry, factor, words in entries:
        parts = [f'<rect class="behind" x="{axis(1):.2f}%" y="0" width="{100 - axis(1):.2f}%" height="100%"/>']
        parts += [axis.grid(), line(axis(1), 0, axis(1), "100%", line_at_one)]
        parts += [whisker(axis, entry["low"], entry["high"]), dot(axis(entry["median"]), "fill weft")]
        if factor:
            parts.append(bound_mark(axis(factor)))
        missed = factor is not None and entry["median"] > factor
        rows.append(row(name, parts, words, "missed" if missed else ""))
    return rows_of(title, rows, axis)


def times_the_limit(ratio, factor):
    return f"{number(ratio, factor)} ×" + (f" <small>≤ {number(factor)}</small>" if factor else "")


def times_better(ratio, factor, better="faster", worse="slower"):
    """The same turned over where weft is ahead, and so the bound."""
    found = f"{number(1 / ratio)} × {better}" if ratio < 1 else f"{number(ratio)} × {worse}"
    return found + (f" <small>≥ {number(1 / factor)}</small>" if factor else "")


# ---- latencies ----

SHAPES = ("p50_us", "p99_us", "p999_us", "max_us")


def latency_mark(metric, x, name):
    """Circle, diamond, triangle, bar. Shapes that are no circle stand in an SVG of their own, moved to their place."""
    if metric == "p50_us":
        return dot(x, f"fill {name}")
    if metric == "max_us":
        return line(x, 4, x, ROW - 4, f"stroke {name}")
    points = "0,-6 6,0 0,6 -6,0" if metric == "p99_us" else "0,-5 6,5 -6,5"
    shape = f'<polygon class="fill {name}" points="{points}"/>'
    return f'<svg x="{x:.2f}%" y="{ROW / 2}" overflow="visible">{shape}</svg>'


def latencies(programs, title):
    """{label: {metric: repetitions}}: the medians of the percentiles, a row for each program."""
    middles = {
        label: {metric: median(values[metric]) for metric in SHAPES if values.get(metric)}
        for label, values in programs.items()
    }
    middles = {label: found for label, found in middles.items() if found}
    axis = Axis([x for found in middles.values() for x in found.values()], "µs", logarithmic=True)
    rows = []
    for label, found in sorted(middles.items(), key=lambda item: item[1].get("p99_us", math.inf)):
        name = kind(label)
        parts = [
            axis.grid(),
            line(axis(min(found.values())), ROW / 2, axis(max(found.values())), ROW / 2, f"stem {name}"),
        ]
        parts += [latency_mark(metric, axis(found[metric]), name) for metric in SHAPES if metric in found]
        rows.append(row(label, parts, quantity(found["p99_us"], "µs") if "p99_us" in found else "", name))
    return rows_of(title, rows, axis)


# ---- from run to run ----


def trend(lines, dates, unit, title, height=140):
    """{label: [(index of the run, value)]}; the axis of time has one place for each run."""
    values = [value for points in lines.values() for _, value in points]
    axis = Axis(values, unit)
    x_of = [11 + 74 * i / max(1, len(dates) - 1) for i in range(len(dates))]
    top, bottom = 10, height - 26

    def y_of(value):
        return bottom - (bottom - top) * axis(value) / 100

    parts = []
    for tick in axis.ticks():
        parts.append(line(11, y_of(tick), 85, y_of(tick), "grid"))
        words = escape(quantity(tick, unit) if tick else "0")
        parts.append(f'<text x="9.5%" y="{y_of(tick) + 4:.1f}" text-anchor="end">{words}</text>')
    for label, points in lines.items():
        for (i, a), (j, b) in zip(points, points[1:]):
            parts.append(line(x_of[i], f"{y_of(a):.1f}", x_of[j], f"{y_of(b):.1f}", f"stroke {kind(label)}"))
        parts += [dot(x_of[i], f"fill {kind(label)}", f"{y_of(v):.1f}", 3.5) for i, v in points]
    places = spread_out([(y_of(points[-1][1]), label) for label, points in lines.items()], 14)
    parts += [f'<text class="strong" x="87%" y="{y + 4:.1f}">{escape(label)}</text>' for y, label in places]
    for i, anchor in ((0, "start"), (len(dates) - 1, "end")):
        parts.append(f'<text x="{x_of[i]:.1f}%" y="{height - 6}" text-anchor="{anchor}">{escape(dates[i])}</text>')
    return f'<figure class="trend" aria-label="{escape(title)}">{svg(parts, height)}</figure>'


def spread_out(places, apart):
    """Labels that would lie on each other, moved down."""
    result = []
    for y, label in sorted(places):
        result.append((max(y, result[-1][0] + apart) if result else y, label))
    return result
