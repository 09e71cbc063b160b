"""What came out: the ratios and verdicts, the table for people, the JSON for programs.

The JSON is google/benchmark's: each repetition is an entry with run_type "iteration", and each mean, median, standard
deviation, minimum and maximum one with run_type "aggregate". Figures that google/benchmark does not know (percentiles,
memory, whatever a program prints) stand beside its own, as its user counters do.

The figure of a comparison is the median of the ratios within a repetition, with an interval (stats.median_interval).
"""

import dataclasses
import json
import math
import os

import suite
from stats import Spread, mean, pairwise_ratios, stdev

# What of a repetition goes into the JSON under another name, or is no figure. Its other numbers go there as they are.
BASIC = ("ops", "seconds", "checked", "real_time", "cpu_time", "items_per_second")
LATENCIES = ("p50_us", "p99_us", "p999_us", "max_us")
COUNTERS = ("instructions", "cycles")


def extra(repetition):
    """All figures besides the times."""
    found = {
        key: value
        for key, value in repetition.items()
        if key not in BASIC and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }
    for key in COUNTERS:
        if key in found:
            found[f"{key}_per_op"] = found[key] / repetition["ops"]
    return found


def figures(repetition):
    """The times, and everything else that can be compared."""
    time = repetition["real_time"]
    return {
        "real_time": time,
        "cpu_time": repetition.get("cpu_time", time),
        "items_per_second": 1e9 / time,
        **extra(repetition),
    }


TITLES = {
    "cpu_time": "CPU time",
    "items_per_second": "operations",
    "rss_bytes": "resident memory",
    "cpu_us_per_request": "CPU time of the server",
    "client_idle": "idle part of the client",
    "instructions_per_op": "instructions",
    "cycles_per_op": "cycles",
    "gb_per_s": "throughput",
    "cpu_ns_per_byte": "CPU time per byte",
}


def title(metric):
    return suite.TITLES.get(metric) or TITLES.get(metric) or metric.replace("_", " ")


UNITS = {
    "real_time": "ns",
    "cpu_time": "ns",
    "items_per_second": "per s",
    "client_idle": "",
    "cpu_us_per_request": "µs",
    "rate": "per s",
    "gb_per_s": "GB/s",
    "cpu_ns_per_byte": "ns",
}
ENDINGS = {
    "_per_s": "per s",
    "_ns": "ns",
    "_us": "µs",
    "_ms": "ms",
    "_s": "s",
    "_percent": "%",
    "_bytes": "bytes",
    "_per_op": "per op",
}


def unit(metric):
    known = suite.UNITS.get(metric) or UNITS.get(metric)
    if known is not None:
        return known
    if metric.startswith("bytes_"):
        return "bytes"
    return next((name for ending, name in ENDINGS.items() if metric.endswith(ending)), "")


class Row:
    """One program in one configuration: its repetitions by number, and those that failed."""

    def __init__(self, label, peer):
        self.label = label
        self.peer = peer
        self.repetitions = {}
        self.failures = {}

    def values(self, metric="real_time"):
        found = {i: figures(r).get(metric) for i, r in self.repetitions.items()}
        return {i: value for i, value in found.items() if value is not None}

    def spread(self, metric="real_time"):
        values = list(self.values(metric).values())
        return Spread(values) if values else None


class Table:
    """All rows of one configuration."""

    def __init__(self, configuration, rows, absent):
        self.configuration = configuration
        self.rows = rows
        self.absent = absent  # (peer, reason)
        self.siblings = {}  # the tables of the run, by configuration; see link

    def best(self, peers, metric="real_time"):
        """The row with the lowest median among these peers."""
        rows = [row for row in self.rows if peers(row.peer) and row.spread(metric)]
        return min(rows, key=lambda row: row.spread(metric).median, default=None)

    def weft(self):
        return self.best(lambda peer: peer == "weft")

    def sibling(self, against):
        """The configuration that "self:workers=1" names: this one, with what it says changed. None: it was not run."""
        changes = {}
        for assignment in against.removeprefix("self:").split(","):
            name, _, value = assignment.partition("=")
            changes[name] = type(getattr(self.configuration, name))(value)
        return self.siblings.get(dataclasses.replace(self.configuration, **changes))

    def rival(self, against, metric="real_time"):
        """The row that a bound holds weft against: the best one in that very figure, where there are several."""
        if against.startswith("self:"):
            sibling = self.sibling(against)
            return sibling.weft() if sibling else None
        if against == "best":
            return self.best(lambda peer: peer not in ("weft", "limit"), metric)
        return self.best(lambda peer: peer == against, metric)

    def ratio(self, other, metric="real_time"):
        """weft's value over the other's."""
        weft = self.weft()
        ratios = pairwise_ratios(weft.values(metric), other.values(metric)) if weft and other else []
        return Spread(ratios) if ratios else None

    def verdicts(self):
        """(bound, whom it was held against, ratio, met) of each bound that could be tried; the ratio of an absolute one
        is the figure itself."""
        for bound in self.configuration.bounds():
            label, found = self.trial(bound)
            if found:
                yield bound, label, found, found.median <= bound.factor

    def untried(self):
        """(bound, why it could not be tried)"""
        for bound in self.configuration.bounds():
            if not self.trial(bound)[1]:
                yield bound, self.why_not(bound)

    def trial(self, bound):
        if bound.against == "absolute":
            weft = self.weft()
            return "absolute", weft and weft.spread(bound.metric)
        other = self.rival(bound.against, bound.metric)
        label = other.label if other and other.peer != "weft" else bound.against
        return label, self.ratio(other, bound.metric)

    def why_not(self, bound):
        weft = self.weft()
        if not weft:
            return "weft gave no result"
        if not weft.spread(bound.metric):
            return f"weft printed no {bound.metric}"
        if bound.against.startswith("self:"):
            return "that configuration of weft was not run"
        if bound.against == "absolute":
            return "no value"
        if self.rival(bound.against, bound.metric):
            return "no repetition in which both have a value above 0"
        reasons = [reason for peer, reason in self.absent if peer == bound.against]
        return reasons[0] if reasons else "nobody to hold it against"

    def metric(self):
        """What the workload is about: the time, unless it has bounds and none of them is on the time."""
        bounded = [bound.metric for bound in self.configuration.workload.bounds]
        return "real_time" if not bounded or "real_time" in bounded else bounded[0]

    def compared(self):
        """The metrics on which weft is compared with the others: what it is about, latencies, CPU time, and what has a
        bound."""
        wanted = [self.metric(), *LATENCIES, "cpu_us_per_request"]
        wanted += [bound.metric for bound in self.configuration.bounds()]
        return [metric for metric in dict.fromkeys(wanted) if any(row.spread(metric) for row in self.rows)]

    def losses(self):
        """(metric, row, ratio) wherever a peer, which the limit is not, has the better figure."""
        for metric in self.compared():
            for row in self.rows:
                ratio = self.ratio(row, metric) if row.peer not in ("weft", "limit") else None
                if ratio and ratio.median > 1:
                    yield metric, row, ratio


def link(tables):
    """Let the tables of a run know of each other, for the bounds of weft against itself."""
    by_configuration = {table.configuration: table for table in tables}
    for table in tables:
        table.siblings = by_configuration


# ---- for people ----


def number(value, beside=None):
    """Three digits, and separators between thousands; more digits where it takes them to tell it from `beside`."""
    if value != 0 and abs(value) < 0.001:
        text = f"{value:.1e}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    if beside is not None and beside != value and text == number(beside):
        return f"{value:.5g}"
    return text


def between(ratio, factor=None):
    """A ratio with its interval, and the extremes where they lie further out."""
    text = f"{number(ratio.median, factor)} [{number(ratio.low)} … {number(ratio.high)}]"
    if (ratio.min, ratio.max) != (ratio.low, ratio.high):
        text += f" ({number(ratio.min)} … {number(ratio.max)})"
    return text


def columns(table):
    """[(heading, text of a row)], without those that nobody has."""

    def of(metric, heading, scale=1.0, part="median"):
        def text(row):
            spread = row.spread(metric)
            return number(getattr(spread, part) * scale) if spread else "-"

        return (heading, text) if any(row.spread(metric) for row in table.rows) else None

    found = [of("real_time", "ns/op"), of("real_time", "min", part="min"), of("real_time", "max", part="max")]
    if table.configuration.workload.is_server():
        found.append(of("items_per_second", "req/s"))
    found += [of("p50_us", "p50 µs"), of("p99_us", "p99 µs"), of("p999_us", "p99.9 µs"), of("max_us", "max µs")]
    found += [of("cpu_us_per_request", "CPU µs"), of("client_idle", "idle"), of("rss_bytes", "RSS MiB", 2**-20)]
    found += [of("instructions_per_op", "instr/op"), of("cycles_per_op", "cycles/op")]
    shown = [*table.configuration.workload.shown, *(bound.metric for bound in table.configuration.bounds())]
    for metric in dict.fromkeys(shown):
        if metric not in ("real_time", "cpu_us_per_request", "client_idle", "rss_bytes", *LATENCIES):
            found.append(of(metric, f"{title(metric)} {unit(metric)}".strip()))
    return [column for column in found if column]


def print_table(table):
    configuration = table.configuration
    print(f"\n{configuration.title()}: {configuration.workload.operation}")
    metric = table.metric()
    rows = sorted(table.rows, key=lambda r: r.spread(metric).median if r.spread(metric) else math.inf)
    shown = columns(table)
    cells = [["", *(heading for heading, _ in shown)]]
    cells += [[row.label, *(text(row) for _, text in shown)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for row, texts in zip([None, *rows], cells) if rows else ():
        line = f"  {texts[0]:<{max(12, widths[0])}}"
        line += "".join(f"{text:>{width + 2}}" for text, width in zip(texts[1:], widths[1:]))
        print(f"{line}   {remark(table, row)}".rstrip())
    for peer, reason in table.absent:
        print(f"  {peer:<12}absent: {reason}")
    print_bounds(table)


def remark(table, row):
    """What stands after the figures of a row; of None: over it."""
    if row is None:
        ratios = [table.ratio(other, table.metric()) for other in table.rows if other.peer != "weft"]
        sure = next((ratio.confidence for ratio in ratios if ratio), None)
        return "" if sure is None else f"weft's {title(table.metric())} ÷ its [{sure:.0%} interval]"
    if not row.repetitions:
        return f"FAILED: {next(iter(row.failures.values()), 'no repetition')}"
    ratio = None if row.peer == "weft" else table.ratio(row, table.metric())
    failed = f"   {len(row.failures)} FAILED" if row.failures else ""
    return (between(ratio) if ratio else "") + failed


def print_bounds(table):
    for bound, label, ratio, met in table.verdicts():
        print(f"  bound: {bound_text(bound, label)}: {between(ratio, bound.factor)}, {verdict_text(bound, ratio, met)}")
    for bound, reason in table.untried():
        print(f"  bound: {bound.text()}: not tried, {reason}")


def bound_text(bound, label):
    """With the name of the program that it was held against, where the bound leaves that open."""
    return bound.text() + (f" ({label})" if label != bound.against else "")


def verdict_text(bound, ratio, met):
    return ("met" if met else "MISSED") + ("" if is_clear(bound.factor, ratio) else ", within noise")


def is_clear(factor, ratio):
    """Does the whole interval lie on one side of the bound?"""
    return ratio.high <= factor or ratio.low > factor


def print_summary(tables):
    """How many bounds were met, and everything that was not as good as it should be."""
    tried = [(table, *verdict) for table in tables for verdict in table.verdicts()]
    untried = sum(1 for table in tables for _ in table.untried())
    met = sum(1 for *_, good in tried if good)
    print(f"\nbounds: {met} met, {len(tried) - met} missed, {untried} not tried")
    for table, bound, label, ratio, good in tried:
        if not good:
            print(f"  MISSED {table.configuration.title()}: {bound_text(bound, label)}: {between(ratio, bound.factor)}")
    for table in tables:
        for metric, row, ratio in table.losses():
            noise = "" if ratio.low > 1 else ", within noise"
            print(f"  BEHIND {table.configuration.title()}: {row.label}, {title(metric)}: {between(ratio)}{noise}")


# ---- for programs ----


def entries(table, family):
    """The benchmarks[] of one configuration. Of several programs of a peer the better one appears once more under the
    name of the peer."""
    rows = [(row.label, row) for row in table.rows]
    for peer in dict.fromkeys(row.peer for row in table.rows):
        best = table.best(lambda p, peer=peer: p == peer)
        if best and best.label != peer:
            rows.append((peer, best))
    for index, (label, row) in enumerate(rows):
        name = table.configuration.name(label)
        base = {"name": name, "family_index": family, "per_family_instance_index": index, "run_name": name}
        counts = {"repetitions": len(row.repetitions) + len(row.failures), "threads": table.configuration.workers}
        about = {"label": row.label} if label != row.label else {}
        yield from iterations(base, counts, about, row)
        yield from aggregates(base, counts, about, row)


def iterations(base, counts, about, row):
    """One that failed has times of 0, as google/benchmark writes it; error_occurred says that they are none."""
    for i in sorted(row.repetitions | row.failures):
        entry = {**base, "run_type": "iteration", **counts, "repetition_index": i}
        if i in row.failures:
            entry.update(error_occurred=True, error_message=row.failures[i])
            entry.update(iterations=0, real_time=0.0, cpu_time=0.0, time_unit="ns", checked=False)
        else:
            r = row.repetitions[i]
            entry["iterations"] = r["ops"]
            entry.update(times_first(figures(r)), checked=True)
        yield {**entry, **about}


def times_first(values):
    """The order of google/benchmark: its two times, their unit, everything else."""
    times = {key: values[key] for key in ("real_time", "cpu_time")}
    return {**times, "time_unit": "ns", **values}


AGGREGATES = {
    "mean": lambda values: mean(values),
    "median": lambda values: Spread(values).median,
    "stddev": lambda values: stdev(values),
    "min": min,
    "max": max,
}


def aggregates(base, counts, about, row):
    if not row.repetitions:
        return
    keys = dict.fromkeys(key for r in row.repetitions.values() for key in figures(r))
    values = {key: list(row.values(key).values()) for key in keys}
    for name, function in AGGREGATES.items():
        if name == "stddev" and len(row.repetitions) < 2:
            continue
        entry = {**base, "name": f"{base['name']}_{name}", "run_type": "aggregate", **counts}
        entry.update(aggregate_name=name, aggregate_unit="time", iterations=len(row.repetitions))
        known = {key: v for key, v in values.items() if len(v) > 1 or name != "stddev"}
        entry.update(times_first({key: function(v) for key, v in known.items()}), checked=not row.failures)
        yield {**entry, **about}


def spread_entry(ratio):
    return {
        "median": ratio.median,
        "low": ratio.low,
        "high": ratio.high,
        "confidence": ratio.confidence,
        "min": ratio.min,
        "max": ratio.max,
        "repetitions": ratio.count,
    }


def ratio_entries(table):
    for metric in table.compared():
        for row in table.rows:
            ratio = None if row.peer == "weft" else table.ratio(row, metric)
            if ratio:
                name = table.configuration.name("weft")
                about = {"name": name, "against": row.label, "peer": row.peer, "metric": metric}
                yield {**about, **spread_entry(ratio)}


def bound_entries(table):
    """`met` is null where the bound could not be tried, and `reason` says why."""

    def about(bound):
        return {
            "name": table.configuration.name("weft"),
            "bound": bound.text(),
            "kind": bound.against,
            "metric": bound.metric,
            "factor": bound.factor,
        }

    for bound, label, ratio, met in table.verdicts():
        clear = is_clear(bound.factor, ratio)
        yield {**about(bound), "against": label, "met": met, "clear": clear, **spread_entry(ratio)}
    for bound, reason in table.untried():
        yield {**about(bound), "against": bound.against, "met": None, "reason": reason}


def configuration_entries(tables):
    """What each configuration is called, what its operation is and what it is about, for those who show it."""
    return [
        {
            "name": table.configuration.name("weft"),
            "title": table.configuration.title(),
            "operation": table.configuration.workload.operation,
            "metric": table.metric(),
        }
        for table in tables
    ]


def metric_entries(tables):
    repetitions = [r for table in tables for row in table.rows for r in row.repetitions.values()]
    keys = dict.fromkeys(key for r in repetitions for key in figures(r))
    return {key: {"title": title(key), "unit": unit(key)} for key in keys}


def document(tables, context):
    benchmarks = [e for family, table in enumerate(tables) for e in entries(table, family)]
    return {
        "context": context,
        "benchmarks": benchmarks,
        "ratios": [e for table in tables for e in ratio_entries(table)],
        "bounds": [e for table in tables for e in bound_entries(table)],
        "absent": [
            {"name": table.configuration.name(peer), "reason": reason}
            for table in tables
            for peer, reason in table.absent
        ],
        "configurations": configuration_entries(tables),
        "metrics": metric_entries(tables),
    }


def write_json(path, content):
    """All of it or nothing: a run that is interrupted leaves the old file."""
    path = os.path.realpath(path)
    partly = f"{path}.part"
    with open(partly, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
    os.replace(partly, path)
