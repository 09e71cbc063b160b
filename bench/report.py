"""One self-contained page with plots of one run, or of all runs in a folder: no script, no font, nothing from
elsewhere.

Bars show medians with a line from the least to the largest repetition, on a logarithmic scale where they differ much. A
line plot shows how weft's median, and the limit's, went from run to run.
"""

import glob
import html
import json
import math
import os
import sys
from stats import median

STYLE = """
:root { --text: #1c2024; --soft: #60646c; --back: #fff; --grid: #d9d9e0;
  --weft: #d6409f; --limit: #8b8d98; --peer: #3e63dd }
@media (prefers-color-scheme: dark) {
  :root { --text: #edeef0; --soft: #b0b4ba; --back: #111113; --grid: #363a3f; --limit: #777b84; --peer: #70b8ff } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; font-size: 1.1rem } p, td, th, dd { color: var(--soft) } svg { width: 100%; height: auto }
svg text { fill: var(--text); font-size: 12px } svg .soft { fill: var(--soft) } svg .grid { stroke: var(--grid) }
.weft { fill: var(--weft); stroke: var(--weft) } .limit { fill: var(--limit); stroke: var(--limit) }
.peer { fill: var(--peer); stroke: var(--peer) } .line { fill: none; stroke-width: 2 } .range { stroke: var(--text) }
.missed { color: var(--weft); font-weight: 600 }
table { border-collapse: collapse } td, th { padding: 0 1rem 0 0; text-align: left }
dt { font-weight: 600 } dd { margin: 0 0 .4rem; overflow-wrap: anywhere }
"""

WIDTH, LEFT, RIGHT, BAR = 760, 120, 90, 22


def kind(peer):
    return "weft" if peer == "weft" else "limit" if peer.startswith("limit") else "peer"


def short(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


# ---- reading ----


def configuration_of(name):
    """WORKLOAD/PEER/rest -> (WORKLOAD/rest, PEER)"""
    workload, peer, *rest = name.split("/")
    return "/".join([workload, *rest]), peer


def gather(document):
    """{configuration: {peer: [repetitions]}} of one run, without those that failed. Where a limit has several programs
    they stand under their own names only."""
    found = {}
    for entry in document["benchmarks"]:
        if entry.get("run_type") == "iteration" and "label" not in entry and not entry.get("error_occurred"):
            configuration, peer = configuration_of(entry["name"])
            found.setdefault(configuration, {}).setdefault(peer, []).append(entry)
    return found


def middle(repetitions, metric="real_time"):
    values = [r[metric] for r in repetitions if metric in r]
    return median(values) if values else None


# ---- plots ----


class Scale:
    """An axis: from zero where the values lie within a factor of 20, logarithmic where they do not."""

    def __init__(self, least, most, start, end):
        self.logarithmic = most > 20 * least
        self.low = math.log10(least) - 0.15 if self.logarithmic else 0
        self.high = math.log10(most) + 0.02 if self.logarithmic else most * 1.02
        self.start, self.end = start, end

    def __call__(self, value):
        place = math.log10(max(value, 1e-12)) if self.logarithmic else value
        return self.start + (place - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self):
        if self.logarithmic:
            ticks = [10.0**e for e in range(math.ceil(self.low), math.floor(self.high) + 1)]
            return ticks[:: math.ceil(len(ticks) / 8)]
        step = 10.0 ** math.floor(math.log10(self.high))
        step = next(s for s in (step / 5, step / 2, step, step * 2) if self.high / s <= 8)
        return [i * step for i in range(int(self.high / step) + 1)]


def svg(height, label, parts):
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(label)}">{"".join(parts)}</svg>'


def text(x, y, words, anchor="start", soft=False):
    kind_of_text = ' class="soft"' if soft else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind_of_text}>{html.escape(words)}</text>'


def bars(peers, metric, unit):
    """Bars of one metric, best first; '' when nobody has it."""
    rows = [(peer, [r[metric] for r in reps if r.get(metric, 0) > 0]) for peer, reps in peers.items()]
    rows = sorted(((peer, values) for peer, values in rows if values), key=lambda row: median(row[1]))
    if not rows:
        return ""
    everything = [v for _, values in rows for v in values]
    scale = Scale(min(everything), max(everything), LEFT, WIDTH - RIGHT)
    height = BAR * len(rows) + 24
    parts = []
    for tick in scale.ticks():
        parts.append(f'<line class="grid" x1="{scale(tick):.1f}" x2="{scale(tick):.1f}" y1="0" y2="{height - 20}"/>')
        parts.append(text(scale(tick), height - 6, short(tick), "middle", soft=True))
    for i, (peer, values) in enumerate(rows):
        parts += bar(scale, i * BAR, peer, values)
    parts.append(text(WIDTH - 4, height - 6, unit, "end", soft=True))
    return svg(height, f"{metric} in {unit}: " + ", ".join(f"{p} {short(median(v))}" for p, v in rows), parts)


def bar(scale, y, peer, values):
    end = scale(median(values))
    least, most = scale(min(values)), scale(max(values))
    return [
        text(LEFT - 8, y + 15, peer, "end"),
        f'<rect class="{kind(peer)}" x="{LEFT}" y="{y + 3}" width="{end - LEFT:.1f}" height="{BAR - 6}"/>',
        f'<line class="range" x1="{least:.1f}" x2="{most:.1f}" y1="{y + BAR / 2}" y2="{y + BAR / 2}"/>',
        text(max(end, most) + 6, y + 15, short(median(values))),
    ]


def trend(runs, configuration):
    """How weft and the limit went from run to run; '' for fewer than two runs."""
    lines = {}
    for i, run in enumerate(runs):
        for peer, repetitions in run.get(configuration, {}).items():
            if kind(peer) != "peer" and middle(repetitions):
                lines.setdefault(peer, []).append((i, middle(repetitions)))
    lines = {peer: points for peer, points in lines.items() if len(points) > 1}
    if not lines:
        return ""
    values = [v for points in lines.values() for _, v in points]
    scale = Scale(min(values), max(values), 130, 10)
    step = (WIDTH - RIGHT - LEFT) / max(1, len(runs) - 1)
    parts = []
    for tick in scale.ticks():
        y = f"{scale(tick):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(text(LEFT - 8, scale(tick) + 4, short(tick), "end", soft=True))
    for peer, points in lines.items():
        places = [(LEFT + i * step, scale(v)) for i, v in points]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="line {kind(peer)}" style="fill:none" points="{joined}"/>')
        parts.append(text(places[-1][0] + 6, places[-1][1] + 4, peer))
    parts.append(text(LEFT, 146, "ns per operation, oldest run left", soft=True))
    return svg(150, f"medians of {len(runs)} runs", parts)


# ---- the page ----


def bounds_of(document, configuration):
    rows = []
    for bound in document.get("bounds", []):
        if configuration_of(bound["name"])[0] == configuration:
            verdict = "met" if bound["met"] else '<span class="missed">missed</span>'
            rows.append(
                f"<tr><td>{html.escape(bound['bound'])}</td><td>{html.escape(bound['against'])}</td>"
                f"<td>{bound['ratio']:.3g}</td><td>{verdict}</td></tr>"
            )
    if not rows:
        return ""
    return "<table><tr><th>bound</th><th>against</th><th>ratio</th><th></th></tr>" + "".join(rows) + "</table>"


def section(documents, runs, configuration):
    peers = runs[-1][configuration]
    parts = [f"<h2>{html.escape(configuration)}</h2>", "<p>Time per operation, less is better</p>"]
    parts.append(bars(peers, "real_time", "ns"))
    for metric, title in (
        ("p50_us", "Median latency at the same rate for all"),
        ("p99_us", "Latency, 99th percentile"),
        ("p999_us", "Latency, 99.9th percentile"),
        ("server_cpu_us", "CPU time of the server per request"),
    ):
        plot = bars(peers, metric, "µs")
        if plot:
            parts.append(f"<p>{title}</p>{plot}")
    parts.append(bounds_of(documents[-1], configuration))
    parts.append(trend(runs, configuration))
    return "".join(parts)


def facts(context):
    wanted = "date cpu_model affinity virtual kernel governor compiler flags versions environment commit dirty"
    rows = []
    for key in [*wanted.split(), "seed", "effort", "repetitions", "load_avg"]:
        if key in context:
            rows.append(f"<dt>{key}</dt><dd>{html.escape(str(context[key]))}</dd>")
    return "<h2>Measured on</h2><dl>" + "".join(rows) + "</dl>"


def page(documents):
    """Of several runs the last one is shown in full."""
    runs = [gather(document) for document in documents]
    body = "".join(section(documents, runs, configuration) for configuration in runs[-1])
    count = f"{len(documents)} runs; the last one in full" if len(documents) > 1 else "one run"
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>weft benchmarks</title><style>{STYLE}</style><h1>weft benchmarks</h1>"
        f"<p>{count}. Bars are medians, the thin line goes from the least to the largest repetition. A scale that "
        f"does not begin with 0 is logarithmic.</p>{body}{facts(documents[-1]['context'])}</html>\n"
    )


def write(path, documents):
    with open(path, "w", encoding="utf-8") as file:
        file.write(page(documents))


def load(path):
    """A result file, or None when it is something else."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        return document if "benchmarks" in document and "context" in document else None
    except (OSError, ValueError, TypeError):
        return None


def main(arguments):
    if len(arguments) != 1 or not os.path.isdir(arguments[0]):
        print("usage: ./run bench report DIR (a folder with results of --json)", file=sys.stderr)
        return 2
    documents = [d for d in map(load, sorted(glob.glob(os.path.join(arguments[0], "*.json")))) if d]
    if not documents:
        print(f"no results in {arguments[0]}", file=sys.stderr)
        return 2
    documents.sort(key=lambda document: document["context"].get("date", ""))
    target = os.path.join(arguments[0], "report.html")
    write(target, documents)
    print(target)
    return 0
