"""One self-contained page of the results of one run, or of all in a folder: no script, no font, nothing from elsewhere.

It is made from the JSON alone. What weft loses stands first. Of several runs each configuration is shown as the newest
run has it, and how it went from run to run; runs of different machines are never mixed, each machine has its part.
"""

import argparse
import glob
import json
import os
import sys
from pathlib import Path

import plots
from plots import escape, kind, quantity
from results import LATENCIES, number, title as title_of, unit as unit_of
from runs import machines
from stats import Spread

# Metrics that have a plot of their own, besides those with a bound; real_time and the latencies come first anyway.
PLOTTED = ("cpu_us_per_request", "rss_bytes")


# ---- the top: what to know before anything else ----


def plural(count, word):
    return f"{count} {word}{'' if count == 1 else 's'}"


def tiles(machine):
    bounds = [bound for configuration in machine.all() for bound in configuration.bounds]
    met = sum(1 for bound in bounds if bound["met"])
    missed = sum(1 for bound in bounds if bound["met"] is False)
    peers = {label.split("-")[0] for c in machine.all() for label in c.programs if kind(label) == "peer"}
    behind = sum(len(c.losses()) for c in machine.all())
    context = machine.context
    cpus = context.get("affinity") or range(context.get("num_cpus", 0))
    commit = str(context.get("commit", "?"))[:10] + (" + changes" if context.get("dirty") else "")
    shown = [
        (f"{met} of {met + missed}", f"bounds met, {len(bounds) - met - missed} not tried"),
        (behind, "figures in which a peer is ahead"),
        (plural(len(peers), "peer"), ", ".join(sorted(peers)) or "none was run"),
        (f"{context.get('cpu_model', '?')}", f"{plural(len(cpus), 'CPU')}, {context.get('date', '?')[:10]}"),
        (f"weft {context.get('versions', {}).get('weft', '?')}", f"commit {commit}"),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{escape(what)}</b><span>{escape(words)}</span></div>' for what, words in shown)
        + "</div>"
    )


def notes(machine):
    """What makes these figures less than they seem."""
    context, found = machine.context, []
    if context.get("effort") == "quick":
        found.append("Measured with <code>--quick</code>: little work, a look and not a measurement.")
    if context.get("repetitions", 5) < 5:
        found.append(f"Only {plural(context['repetitions'], 'repetition')}: the intervals mean little.")
    load = (context.get("load_avg") or [0])[0]
    if load > 0.5:
        found.append(f"The machine was not idle: load {load:.2f} before the run.")
    if context.get("steal_percent", 0) > 1:
        found.append(f"The hypervisor gave {context['steal_percent']} % of the CPU time to others.")
    if context.get("cpu_quota"):
        found.append(f"A control group allows {context['cpu_quota']:g} CPUs.")
    if context.get("library_build_type") == "debug":
        found.append("The programs were not built with optimisation.")
    if context.get("cpu_scaling_enabled"):
        found.append("The CPUs change their frequency.")
    return '<div class="notes">' + "".join(f"<p>{note}</p>" for note in found) + "</div>" if found else ""


def finding(where, what, figure, noise):
    small = " <small>within noise</small>" if noise else ""
    return (
        f'<li><span class="where">{escape(where)}</span><span>{escape(what)}{small}</span>'
        f'<span class="figure bad">{escape(figure)}</span></li>'
    )


def loss_words(entry):
    noise = " within noise" if entry["low"] <= 1 else ""
    return f"{title_of(entry['metric'])} {number(entry['median'])} × ({interval(entry)}{noise})"


def worst(ratios):
    return f"{number(max(entry['median'] for entry in ratios))} ×"


def interval(entry):
    return f"{number(entry['low'])} … {number(entry['high'])}"


def value_of(bound):
    if bound["kind"] != "absolute":
        return f"{number(bound['median'], bound['factor'])} ×"
    return quantity(bound["median"], unit_of(bound["metric"]))


def bound_words(bound):
    """With the name of the program that it was held against, where the bound leaves that open."""
    return bound["bound"] + (f" ({bound['against']})" if bound["against"] != bound["kind"] else "")


def losses(machine):
    missed, behind, failed = [], [], []
    for c in machine.all():
        for bound in c.missed():
            missed.append(finding(c.title, bound_words(bound), value_of(bound), not bound.get("clear", True)))
        for against in dict.fromkeys(entry["against"] for entry in c.losses()):
            ahead = [entry for entry in c.losses() if entry["against"] == against]
            behind.append(finding(c.title, f"{against}: {', '.join(map(loss_words, ahead))}", worst(ahead), False))
        for label, messages in c.failures.items():
            failed.append(finding(c.title, f"{label}: {messages[0]}", f"{plural(len(messages), 'failure')}", False))
    parts = ['<h2 id="losses">Where weft loses or misses its bound</h2>']
    if not (missed or behind or failed):
        parts.append("<p>Nowhere in these results: every bound that could be tried is met, and no peer is ahead.</p>")
    for heading, items in (
        ("Programs that failed", failed),
        ("Bounds missed", missed),
        ("Peers ahead, weft's figure ÷ theirs", behind),
    ):
        if items:
            parts.append(f'<h4>{escape(heading)}</h4><ul class="findings">{"".join(items)}</ul>')
    untried = [(c, bound) for c in machine.all() for bound in c.untried()]
    if untried:
        items = "".join(
            f'<li><span class="where">{escape(c.title)}</span><span>{escape(bound["bound"])}</span>'
            f'<span class="soft">{escape(bound["reason"])}</span></li>'
            for c, bound in untried
        )
        count = plural(len(untried), "bound")
        parts.append(f'<details><summary>{count} not tried</summary><ul class="findings">{items}</ul></details>')
    return "".join(parts)


# ---- the overview ----

KEY = {
    "weft": ('<circle class="fill weft" cx="7" cy="7" r="5"/>', "weft"),
    "peer": ('<rect class="fill peer" x="0" y="2" width="14" height="10" rx="2"/>', "a peer"),
    "limit": ('<line class="limit-line" x1="7" x2="7" y1="-2" y2="16"/>', "the limit"),
    "parity": ('<line class="parity" x1="7" x2="7" y1="-2" y2="16"/>', "even with the peer"),
    "bound": ('<line class="bound" x1="7" x2="7" y1="-1" y2="15"/>', "what weft has to reach"),
    "range": (
        '<path class="whisker" fill="none" d="M1 7H13M1 4V10M13 4V10"/>',
        "least to largest repetition",
    ),
    "interval": ('<path class="whisker" fill="none" d="M1 7H13M1 4V10M13 4V10"/>', "interval for the median"),
    "p50": ('<circle class="fill peer" cx="7" cy="7" r="5"/>', "p50"),
    "p99": ('<polygon class="fill peer" points="7,1 13,7 7,13 1,7"/>', "p99"),
    "p999": ('<polygon class="fill peer" points="7,2 13,12 1,12"/>', "p99.9"),
    "max": ('<line class="stroke peer" x1="7" x2="7" y1="1" y2="13"/>', "maximum"),
}


def legend(*names, note=""):
    items = (f'<span><svg width="14" height="14" aria-hidden="true">{KEY[n][0]}</svg>{KEY[n][1]}</span>' for n in names)
    note = f"<span>{escape(note)}</span>" if note else ""
    return f'<div class="legend">{"".join(items)}{note}</div>'


def overview(machine):
    """Times against the limit and against the best peer, and all bounds that are of another kind."""
    plotted = [
        ("weft ÷ the limit", against_limit(machine), "limit-line", "limit"),
        ("weft ÷ the best peer", against_peers(machine), "parity", "parity"),
        ("Other bounds: what was measured ÷ what weft has to reach", other_bounds(machine), "bound", "bound"),
    ]
    parts = []
    for heading, entries, line, key in plotted:
        if entries:
            keys = dict.fromkeys(["weft", "interval", key, *(["bound"] if any(e[2] for e in entries) else [])])
            parts.append(f"<h4>{escape(heading)}: left is better</h4>{legend(*keys)}")
            parts.append(f'<div class="wide">{plots.ratios(entries, heading, line)}</div>')
    if not parts:
        return ""
    sure = [e["confidence"] for c in machine.all() for e in [*c.ratios, *c.bounds] if "confidence" in e]
    what = (
        "The limit is the same work written for this one purpose, without a scheduler. A figure is the median of the "
        "ratios within a repetition, and the line through it an interval that holds the true median with a confidence "
        f"of {min(sure):.0%}{'' if min(sure) == max(sure) else ' or more'}."
    )
    return f'<h2 id="overview">Overview</h2><p class="soft">{what}</p>' + "".join(parts)


def against_limit(machine):
    for_all = [(c, c.best_ratio("limit"), c.factor("limit")) for c in machine.all()]
    return [(c.subject(), e, factor, plots.times_the_limit(e["median"], factor)) for c, e, factor in for_all if e]


def against_peers(machine):
    found = []
    for c in machine.all():
        entry = c.best_ratio("peer")
        if entry:
            factor = c.factor("best", entry["against"])
            names = ("faster", "slower") if c.metric == "real_time" else ("less", "more")
            words = plots.times_better(entry["median"], factor, *names)
            found.append((f"{c.subject()}: {entry['against']}", entry, factor, words))
    return found


def other_bounds(machine):
    """Those that the first two plots do not show, each as a part of its bound."""
    found = []
    for c in machine.all():
        peer = c.best_ratio("peer")
        in_plots = ("limit", "best", peer["against"] if peer else None)
        for bound in c.bounds:
            shown = bound["metric"] == c.metric and bound["kind"] in in_plots
            if bound["met"] is not None and not shown and bound["factor"] > 0:
                part = {key: bound[key] / bound["factor"] for key in ("median", "low", "high")}
                words = f"{escape(value_of(bound))} <small>≤ {escape(limit_of(bound))}</small>"
                against = "" if bound["kind"] == "absolute" else f" ÷ {against_words(bound)}"
                found.append((f"{c.title}: {title_of(bound['metric'])}{against}", part, 1.0, words))
    return found


def against_words(bound):
    """limit-uring, go; weft with workers=1"""
    return bound["against"].replace("self:", "weft with ")


def limit_of(bound):
    """The bound alone, as its value is written."""
    return value_of({**bound, "median": bound["factor"]})


# ---- a configuration ----


def marks(configuration, metric):
    """Where the bounds on a metric lie, in its unit: the factor of what the other one's median was."""
    found = []
    for bound in configuration.bounds:
        if bound["metric"] == metric and bound["met"] is not None:
            other = 1 if bound["kind"] == "absolute" else configuration.middle(bound["against"], metric)
            if other:
                found.append(bound["factor"] * other)
    return found


def metric_plot(configuration, metric):
    values = configuration.values(metric)
    heading = PLOT_TITLES.get(metric) or capital(title_of(metric))
    if not values:
        return ""
    return framed(heading, plots.bars(values, unit_of(metric), heading, marks(configuration, metric)))


def framed(heading, plot, key=""):
    return f"<div><h4>{escape(heading)}</h4>{key}{plot}</div>"


def section(machine, configuration):
    c = configuration
    parts = [f"<h3>{escape(c.title)}</h3>"]
    if c.context is not machine.context:
        parts.append(f'<p class="soft">From the run of {escape(date_of(c))}.</p>')
    drawn = [metric_plot(c, c.metric), latency_plot(c)]
    for metric in dict.fromkeys([*(bound["metric"] for bound in c.bounds), *PLOTTED]):
        if metric not in (*LATENCIES, c.metric):
            drawn.append(metric_plot(c, metric))
    drawn.append(trend(machine, c))
    parts.append(f'<div class="plots">{"".join(drawn)}</div>')
    return "".join([*parts, bounds_list(c), absent_list(c), all_figures(c)])


def date_of(configuration):
    return configuration.context.get("date", "?")[:16].replace("T", " ")


def capital(words):
    return words[:1].upper() + words[1:]


def latency_plot(configuration):
    programs = {
        label: {metric: list(metrics.get(metric, {}).values()) for metric in LATENCIES}
        for label, metrics in configuration.programs.items()
    }
    if not any(any(found.values()) for found in programs.values()):
        return ""
    rate = [v for values in configuration.values("rate").values() for v in values]
    heading = "Latency" + (f" at {max(rate):,.0f} requests per second" if rate else "") + ", p99 at the right"
    return framed(heading, plots.latencies(programs, heading), legend("p50", "p99", "p999", "max"))


PLOT_TITLES = {
    "real_time": "Time per operation",
    "cpu_us_per_request": "CPU time of the server per request",
    "rss_bytes": "Resident memory, whole process",
}


def bounds_list(configuration):
    items = []
    for bound in configuration.bounds:
        if bound["met"] is None:
            verdict, figure = '<span class="verdict soft">not tried</span>', bound["reason"]
        else:
            words = ("met" if bound["met"] else "missed") + ("" if bound.get("clear", True) else ", within noise")
            verdict = f'<b class="verdict {"good" if bound["met"] else "bad"}">{words}</b>'
            figure = f"{value_of(bound)} ({interval(bound)})"
        items.append(
            f'<li><span class="where">{escape(bound_words(bound))}</span>'
            f'<span class="soft">{escape(figure)}</span>{verdict}</li>'
        )
    return f'<h4>Bounds</h4><ul class="findings bounds">{"".join(items)}</ul>' if items else ""


def absent_list(configuration):
    """The reasons, each with the peers that it is true of."""
    reasons = {}
    for entry in configuration.absent:
        reasons.setdefault(entry["reason"], []).append(entry["label"])
    if not reasons:
        return ""
    words = "; ".join(f"{', '.join(peers)}: {reason}" for reason, peers in reasons.items())
    return f'<p class="soft"><small>Absent: {escape(words)}.</small></p>'


def trend(machine, configuration):
    """How weft and the limit went from run to run; "" for fewer than two runs."""
    having = [run[configuration.name] for run in machine.runs if configuration.name in run]
    lines = {}
    for i, of in enumerate(having):
        for label in of.programs:
            middle = of.middle(label, configuration.metric)
            if kind(label) != "peer" and middle:
                lines.setdefault(label, []).append((i, middle))
    lines = {label: points for label, points in lines.items() if len(points) > 1}
    if not lines:
        return ""
    dates = [date_of(of) for of in having]
    heading = (
        f"{PLOT_TITLES.get(configuration.metric) or capital(title_of(configuration.metric))} over {len(having)} runs"
    )
    return framed(heading, plots.trend(lines, dates, unit_of(configuration.metric), heading))


def all_figures(configuration):
    """Every metric that anyone has: medians; of the time also the rest."""
    c = configuration
    order = ["real_time", *LATENCIES, "cpu_time", "items_per_second", "rss_bytes"]
    metrics = dict.fromkeys(m for found in c.programs.values() for m in found)
    metrics = [m for m in order if m in metrics] + [m for m in metrics if m not in order]
    ratios = {e["against"]: e for e in c.ratios if e["metric"] == c.metric}
    heading = ["program", "ns/op", "min", "max", "weft ÷ it", "interval", "repetitions"]
    heading += [title_of(m) + (f", {unit_of(m)}" if unit_of(m) not in ("", "bytes") else "") for m in metrics[1:]]
    rows = []
    for label in sorted(c.programs, key=lambda label: c.middle(label) or float("inf")):
        times = list(c.programs[label].get("real_time", {}).values())
        if not times:
            continue
        spread, ratio = Spread(times), ratios.get(label)
        cells = [label, number(spread.median), number(spread.min), number(spread.max)]
        cells += [number(ratio["median"]), interval(ratio)] if ratio else ["", ""]
        cells.append(str(len(times)))
        for metric in metrics[1:]:
            middle = c.middle(label, metric)
            in_bytes = unit_of(metric) == "bytes"
            cells.append("" if middle is None else quantity(middle, "bytes") if in_bytes else number(middle))
        rows.append(f'<tr class="{kind(label)}">' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    table = f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
    return f"<details><summary>All figures (medians)</summary>{table}</details>"


# ---- the end: where it comes from ----

FACTS = (
    ("Date", "date"),
    ("Host", "host_name"),
    ("CPU", "cpu_model"),
    ("CPUs used", "affinity"),
    ("Caches", "caches"),
    ("Memory", "memory_bytes"),
    ("Virtual machine", "virtual"),
    ("CPU quota", "cpu_quota"),
    ("Frequency governor", "governor"),
    ("Huge pages", "thp"),
    ("Hyper-threads", "smt"),
    ("Kernel", "kernel"),
    ("Compiler", "compiler"),
    ("Flags", "flags"),
    ("Build", "library_build_type"),
    ("Versions", "versions"),
    ("WEFT_ variables", "environment"),
    ("Commit", "commit"),
    ("Changed since", "dirty"),
    ("Effort", "effort"),
    ("Repetitions", "repetitions"),
    ("Seed", "seed"),
    ("Load before", "load_avg"),
    ("Load after", "load_avg_after"),
    ("Stolen CPU time", "steal_percent"),
    ("Duration", "seconds"),
)


def fact(key, value):
    if key == "caches":
        return ", ".join(f"L{c['level']} {c['type'].lower()} {quantity(c['size'], 'bytes')}" for c in value)
    if key == "memory_bytes":
        return quantity(value, "bytes")
    if key == "steal_percent":
        return f"{value} %"
    if key == "seconds":
        return f"{value:.0f} s"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in value)
    return "none" if value is None else str(value)


def environment(machine):
    rows = [
        f"<dt>{escape(name)}</dt><dd>{escape(fact(key, machine.context[key]))}</dd>"
        for name, key in FACTS
        if key in machine.context
    ]
    return f'<h2 id="environment">Measured on</h2><dl class="facts">{"".join(rows)}</dl>'


def reproduce(machine):
    context = machine.context
    lines = [f"git checkout {context['commit']}"] if context.get("commit", "none") != "none" else []
    lines += ["./run bench --setup-peers", context.get("command", "./run bench")]
    changed = "<p>The tree had changes that no commit has.</p>" if context.get("dirty") else ""
    return (
        f'<h2 id="reproduce">How to reproduce</h2>{changed}<pre>{escape(chr(10).join(lines))}</pre>'
        '<p class="soft">Each repetition runs weft, its limit and its peers one after the other in random order, '
        "each on the same CPUs, each checking its result. docs/benchmarks.md has the method.</p>"
    )


# ---- the page ----


def part(machine, heading):
    parts = [heading, tiles(machine), notes(machine), losses(machine), overview(machine)]
    for workload, configurations in machine.workloads().items():
        parts.append(f'<h2 id="{escape(workload)}">{escape(workload)}</h2>')
        if configurations[-1].operation:
            parts.append(f'<p class="soft">One operation: {escape(configurations[-1].operation)}.</p>')
        kinds = {kind(label) for c in configurations for label in c.programs}
        bounded = any(c.bounds for c in configurations)
        names = [*(n for n in ("weft", "peer", "limit") if n in kinds), "range", *["bound"] * bounded]
        parts.append(legend(*names, note="less is better everywhere"))
        parts += [section(machine, c) for c in configurations]
    return "".join([*parts, environment(machine), reproduce(machine)])


def page(documents):
    style = (Path(__file__).resolve().parent / "report.css").read_text(encoding="utf-8")
    all_machines = machines(documents)
    body = []
    for i, machine in enumerate(all_machines):
        runs = f"{plural(len(machine.runs), 'run')} on {machine.context.get('cpu_model', '?')}"
        tag = "h1" if i == 0 else 'h1 class="another"'
        body.append(part(machine, f'<{tag}>weft benchmarks</h1><p class="soft">{escape(runs)}.</p>'))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>weft benchmarks</title><style>{style}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def write(path, documents):
    with open(path, "w", encoding="utf-8") as file:
        file.write(page(documents))


class Unusable(Exception):
    """A file that is not a result of the suite; the text says why."""


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise Unusable(f"{path}: not JSON: {error}") from None
    try:
        page([document])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Unusable(f"{path}: not a result of ./run bench --json ({type(error).__name__}: {error})") from None
    return document


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="./run bench report", description="Make DIR/report.html from all results of --json in DIR."
    )
    parser.add_argument("folder", metavar="DIR")
    folder = parser.parse_args(arguments).folder
    if not os.path.isdir(folder):
        print(f"{folder} is not a folder", file=sys.stderr)
        return 2
    documents = []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.json"))):
        try:
            documents.append(load(path))
        except Unusable as problem:
            print(f"left out: {problem}", file=sys.stderr)
    if not documents:
        print(f"no results in {folder}", file=sys.stderr)
        return 2
    target = os.path.join(folder, "report.html")
    try:
        write(target, documents)
    except OSError as error:
        print(f"{target}: {error.strerror}", file=sys.stderr)
        return 2
    print(target)
    return 0
