"""What came out: the ratios and verdicts, the table for people, the JSON for programs.

The JSON is google/benchmark's: each repetition is an entry with run_type "iteration", and each median, minimum and
maximum one with run_type "aggregate". Keys that google/benchmark does not know (percentiles, checked, ratios …) stand
beside its own.
"""

import json

from stats import Spread, pairwise_ratios

# What of a repetition goes into the JSON under another name, or not as a figure. All its other numbers go there as they are.
BASIC = ("ops", "seconds", "checked", "real_time")


def extra(repetition):
    return {
        key: value
        for key, value in repetition.items()
        if key not in BASIC and isinstance(value, (int, float)) and not isinstance(value, bool)
    }


class Row:
    """One program in one configuration: its repetitions by number, and those that failed."""

    def __init__(self, label, peer):
        self.label = label
        self.peer = peer
        self.repetitions = {}
        self.failures = {}

    def values(self, metric="real_time"):
        return {i: r[metric] for i, r in self.repetitions.items() if metric in r}

    def spread(self, metric="real_time"):
        values = list(self.values(metric).values())
        return Spread(values) if values else None


class Table:
    """All rows of one configuration."""

    def __init__(self, configuration, rows, absent):
        self.configuration = configuration
        self.rows = rows
        self.absent = absent  # (peer, reason)
        self.one_worker = None  # the same configuration with one worker, if it was run

    def best(self, peers, metric="real_time"):
        """The row with the lowest median among these peers."""
        rows = [row for row in self.rows if peers(row.peer) and row.spread(metric)]
        return min(rows, key=lambda row: row.spread(metric).median, default=None)

    def weft(self):
        return self.best(lambda peer: peer == "weft")

    def rival(self, against):
        """Always chosen by time: the same program stands for all of a configuration's bounds."""
        if against == "limit":
            return self.best(lambda peer: peer == "limit")
        if against == "best":
            return self.best(lambda peer: peer not in ("weft", "limit"))
        if against == "self:workers=1":
            return self.one_worker.weft() if self.one_worker else None
        return self.best(lambda peer: peer == against)

    def ratio(self, other, metric="real_time"):
        """weft's value over the other's."""
        weft = self.weft()
        ratios = pairwise_ratios(weft.values(metric), other.values(metric)) if weft and other else []
        return Spread(ratios) if ratios else None

    def verdicts(self):
        """(bound, whom it was held against, ratio, met) of each bound that could be tried; the ratio of an absolute one is
        the figure itself."""
        for bound in self.configuration.bounds():
            label, ratio = bound.against, None
            if bound.against == "absolute":
                weft = self.weft()
                ratio = weft and weft.spread(bound.metric)
            else:
                other = self.rival(bound.against)
                ratio = self.ratio(other, bound.metric)
                if other and other.peer != "weft":
                    label = other.label
            if ratio:
                yield bound, label, ratio, ratio.median <= bound.factor


# ---- for people ----


def number(value):
    return f"{value:,.0f}" if value >= 10_000 else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def print_table(table):
    configuration = table.configuration
    server = configuration.workload.is_server()
    print(f"\n{configuration.title()}: {configuration.workload.operation}")
    heading = f"  {'':<14}{'ns/op':>10}{'min':>10}{'max':>10}"
    if server:
        heading += f"{'req/s':>10}{'p50 µs':>9}{'p99 µs':>9}{'p99.9':>9}{'CPU µs':>8}{'idle':>8}"
    print(heading + "   weft's time ÷ its")
    for row in sorted(table.rows, key=lambda r: r.spread().median if r.spread() else float("inf")):
        print_row(table, row, server)
    for peer, reason in table.absent:
        print(f"  {peer:<14}absent: {reason}")
    for bound, label, ratio, met in table.verdicts():
        against = f" ({label})" if label != bound.against else ""
        print(f"  bound: {bound.text()}{against}: {ratio.median:.3g}, {'met' if met else 'MISSED'}")


def print_row(table, row, server):
    spread = row.spread()
    if not spread:
        print(f"  {row.label:<14}FAILED: {next(iter(row.failures.values()), 'no repetition')}")
        return
    line = f"  {row.label:<14}{number(spread.median):>10}{number(spread.min):>10}{number(spread.max):>10}"
    if server:
        line += f"{1e9 / spread.median:>10,.0f}"
        for metric, width in (("p50_us", 9), ("p99_us", 9), ("p999_us", 9), ("server_cpu_us", 8), ("client_idle", 8)):
            extra = row.spread(metric)
            line += f" {number(extra.median) if extra else '-':>{width - 1}}"
    for metric in table.configuration.workload.shown:
        figure = row.spread(metric)
        if figure:
            line += f"  {metric} {number(figure.median)}"
    ratio = None if row.peer == "weft" else table.ratio(row)
    if ratio:
        line += f"   {ratio.median:.3g} × [{ratio.min:.3g} … {ratio.max:.3g}]"
    if row.failures:
        line += f"   ({len(row.failures)} FAILED)"
    print(line)


# ---- for programs ----


def entries(table, family):
    """The benchmarks[] of one configuration. Of several limit programs the better one appears once more as "limit"."""
    rows = [(row.label, row) for row in table.rows]
    for peer in {row.peer for row in table.rows}:
        best = table.best(lambda p, peer=peer: p == peer)
        if best and best.label != peer:
            rows.append((peer, best))
    for index, (label, row) in enumerate(rows):
        base = {
            "name": table.configuration.name(label),
            "family_index": family,
            "per_family_instance_index": index,
            "run_name": table.configuration.name(label),
            "repetitions": len(row.repetitions) + len(row.failures),
            "threads": table.configuration.workers,
            "time_unit": "ns",
        }
        if label != row.label:
            base["label"] = row.label
        yield from iterations(base, row)
        yield from aggregates(base, row)


def iterations(base, row):
    for i in sorted(row.repetitions | row.failures):
        entry = {**base, "run_type": "iteration", "repetition_index": i}
        if i in row.failures:
            entry.update(error_occurred=True, error_message=row.failures[i], checked=False)
        else:
            r = row.repetitions[i]
            cpu_us = r.get("server_cpu_us")
            entry.update(
                iterations=r["ops"],
                real_time=r["real_time"],
                cpu_time=r["real_time"] if cpu_us is None else cpu_us * 1e3,
                items_per_second=1e9 / r["real_time"],
                checked=True,
            )
            entry.update(extra(r))
        yield entry


def aggregates(base, row):
    if not row.repetitions:
        return
    keys = ["real_time", *dict.fromkeys(key for r in row.repetitions.values() for key in extra(r))]
    for name in ("median", "min", "max"):
        entry = {
            **base,
            "name": f"{base['name']}_{name}",
            "run_type": "aggregate",
            "aggregate_name": name,
            "aggregate_unit": "time",
            "iterations": len(row.repetitions),
        }
        entry.update({key: getattr(row.spread(key), name) for key in keys})
        entry["cpu_time"] = entry.get("server_cpu_us", entry["real_time"] / 1e3) * 1e3
        entry["items_per_second"] = 1e9 / entry["real_time"]
        entry["checked"] = not row.failures
        yield entry


def ratio_entries(table):
    for row in table.rows:
        ratio = None if row.peer == "weft" else table.ratio(row)
        if ratio:
            yield {
                "name": table.configuration.name("weft"),
                "against": row.label,
                "median": ratio.median,
                "min": ratio.min,
                "max": ratio.max,
            }


def bound_entries(table):
    for bound, label, ratio, met in table.verdicts():
        yield {
            "name": table.configuration.name("weft"),
            "bound": bound.text(),
            "against": label,
            "factor": bound.factor,
            "ratio": ratio.median,
            "met": met,
        }


def document(tables, context):
    return {
        "context": context,
        "benchmarks": [e for family, table in enumerate(tables) for e in entries(table, family)],
        "ratios": [e for table in tables for e in ratio_entries(table)],
        "bounds": [e for table in tables for e in bound_entries(table)],
        "absent": [
            {"name": table.configuration.name(peer), "reason": reason}
            for table in tables
            for peer, reason in table.absent
        ],
    }


def write_json(path, content):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
