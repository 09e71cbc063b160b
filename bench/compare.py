"""Has weft become slower between two runs?

For each configuration of weft and each figure that both files have, two questions are asked:
  1. Is the median worse by more than the figure's threshold?
  2. Would the repetitions lie so far apart by chance in at most 1 of 100 cases (one-sided Mann–Whitney U test)?
Both are asked twice: of the values as they are, and of their ratios to the limit program's value in the same
repetition. It is a regression when the answer is yes each time. The values alone drift with the machine, which the
ratios cancel; the ratios alone move when the limit has a bad day, which the values do not show. Where only one of the
two is worse, that is said, and it is not a regression. Without a limit in both files the values decide; when the files
come from different machines, the ratios do.

Five repetitions against five can reach a chance of 1 in 252; with fewer on either side nothing is judged.
"""

import argparse
import json
import math
import sys

from stats import mann_whitney, median

CHANCE = 0.01
FEWEST = 5  # repetitions
THRESHOLD = 0.05
# Tails of latency vary more from run to run than anything else.
THRESHOLDS = {"p99_us": 0.20}
METRICS = ("real_time", "cpu_us_per_request", "p99_us")  # and those that a bound names
MACHINE = ("cpu_model", "num_cpus", "kernel")
# What else should be the same for a comparison to mean something.
CIRCUMSTANCES = "affinity cpu_quota governor thp compiler flags library_build_type versions environment effort".split()


class Unusable(Exception):
    """A file that is not a result of the suite; the text says why."""


class Run:
    """One file: its context, the repetitions of each row by metric, the rows that failed, the bounds."""

    def __init__(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
        except OSError as error:
            raise Unusable(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise Unusable(f"{path}: not JSON: {error}") from None
        try:
            self.read(document)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            raise Unusable(f"{path}: not a result of ./run bench --json: {what}") from None
        if not any(peer_of(name) == "weft" for name in self.rows):
            raise Unusable(f"{path}: there is no row of weft in it")

    def read(self, document):
        self.context = dict(document["context"])
        self.rows = {}  # name -> metric -> repetition -> value
        self.failures = {}  # name -> [message]
        self.bounds = {}  # (name, bound) -> entry
        for entry in document.get("bounds", []):
            self.bounds[entry["name"], entry["bound"]] = entry
        metrics = {*METRICS, *(entry.get("metric", "real_time") for entry in self.bounds.values())}
        for entry in document["benchmarks"]:
            if entry.get("run_type") == "iteration":
                self.add(entry, metrics)

    def add(self, entry, metrics):
        name, repetition = entry["name"], entry["repetition_index"]
        peer_of(name)
        values = self.rows.setdefault(name, {})
        if entry.get("error_occurred"):
            self.failures.setdefault(name, []).append(entry.get("error_message", "failed"))
            return
        for metric in metrics & entry.keys():
            values.setdefault(metric, {})[repetition] = float(entry[metric])

    def names(self):
        return [name for name in self.rows if peer_of(name) == "weft"]

    def metrics(self, name):
        """Those to judge: not the time of a workload that has bounds and none of them on the time."""
        bounded = [entry.get("metric", "real_time") for (of, _), entry in self.bounds.items() if of == name]
        about_time = not bounded or "real_time" in bounded
        return [metric for metric in self.rows[name] if about_time or metric != "real_time"]

    def values(self, name, metric):
        return list(self.rows[name].get(metric, {}).values())

    def relative(self, name, metric):
        """Values over the limit's of the same repetition; empty when there is none."""
        ours = self.rows[name].get(metric, {})
        theirs = self.rows.get(limit_of(name), {}).get(metric, {})
        return [ours[i] / theirs[i] for i in sorted(ours) if theirs.get(i)]

    def least_step(self, name, metric):
        """A change below this is none, however large a part it is of what was nearly nothing: for a figure with an
        absolute bound, the threshold's part of that bound."""
        factors = [
            entry["factor"]
            for entry in self.bounds.values()
            if (entry["name"], entry.get("kind"), entry.get("metric")) == (name, "absolute", metric)
        ]
        return threshold(metric) * min(factors, default=0)


def peer_of(name):
    return name.split("/")[1]


def limit_of(name):
    parts = name.split("/")
    parts[1] = "limit"
    return "/".join(parts)


def threshold(metric):
    return THRESHOLDS.get(metric, THRESHOLD)


def worse(before, after, metric, step=0.0):
    """Is `after` significantly larger?"""
    a, b = median(before), median(after)
    return b > a * (1 + threshold(metric)) and b - a > step and mann_whitney(before, after) <= CHANCE


def change(before, after):
    a, b = median(before), median(after)
    return b / a - 1 if a else math.inf if b else 0.0


class Figure:
    """One metric of one configuration, before and after: what it was, and the verdict."""

    def __init__(self, before, after, name, metric, same_machine):
        self.name, self.metric = name, metric
        self.values = before.values(name, metric), after.values(name, metric)
        self.ratios = before.relative(name, metric), after.relative(name, metric)
        step = before.least_step(name, metric)
        sides = []
        if all(self.ratios):
            sides.append((*self.ratios, 0.0))
        if same_machine or not sides:
            sides.append((*self.values, step))
        # A step that is too small for the values is too small for their ratios.
        small = 0 < step >= abs(median(self.values[1]) - median(self.values[0]))
        self.verdict = self.judge(sides, same_machine, small)
        self.chance = max(min(mann_whitney(a, b), mann_whitney(b, a)) for a, b, _ in sides)

    def judge(self, sides, same_machine, small):
        fewest = min(len(values) for side in sides for values in side[:2])
        if fewest < FEWEST:
            return f"cannot judge, {fewest} repetition{'s' * (fewest != 1)}"
        if not same_machine and not all(self.ratios):
            return "cannot judge, another machine and no limit"
        if small:
            return "same"
        slower = [worse(a, b, self.metric, step) for a, b, step in sides]
        faster = [worse(b, a, self.metric, step) for a, b, step in sides]
        if all(slower):
            return "WORSE"
        if all(faster):
            return "better"
        if any(slower):
            return "unclear, only the ratio is worse" if slower[0] else "unclear, only the value is worse"
        return "same"

    def cells(self):
        before, after = map(median, self.values)
        ratio = f"{change(*self.ratios):+.1%}" if all(self.ratios) else "-"
        texts = [f"{value:,.0f}" if value >= 10_000 else f"{value:.4g}" for value in (before, after)]
        return [
            self.name,
            self.metric,
            *texts,
            f"{change(*self.values):+.1%}",
            ratio,
            f"{self.chance:.3f}",
            self.verdict,
        ]


# ---- the table ----


def print_differences(before, after):
    """Says what the runs do not have in common; True if they are of the same machine."""
    for which, run in (("before", before), ("after", after)):
        c = run.context
        commit = str(c.get("commit", "?"))[:12] + " + changes" * bool(c.get("dirty"))
        print(f"{which + ':':8}{c.get('date', '?')}, {c.get('cpu_model', '?')}, commit {commit}")
    same = True
    for key in MACHINE + tuple(CIRCUMSTANCES):
        a, b = before.context.get(key), after.context.get(key)
        if a != b:
            print(f"warning: {key} differs: {difference(a, b)}")
            same = same and key not in MACHINE
    if not same:
        print("warning: different machines: only the ratios to the limit count")
    return same


def difference(a, b):
    """Of two tables only the entries that differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [key for key in a | b if a.get(key) != b.get(key)]
        a, b = (", ".join(f"{key} {side.get(key, 'none')}" for key in keys) for side in (a, b))
    return f"{a} / {b}"


def print_rows(rows):
    heading = ["row", "figure", "before", "after", "change", "ratio to limit", "chance", ""]
    widths = [max(len(row[i]) for row in [heading, *rows]) for i in range(len(heading))]
    for row in [heading, *rows]:
        cells = [
            f"{text:<{width}}" if i in (0, 1, 7) else f"{text:>{width}}"
            for i, (text, width) in enumerate(zip(row, widths))
        ]
        print("  ".join(cells).rstrip())


def compare(before, after):
    """Prints everything; returns how many figures are worse, and how many could not be judged."""
    same_machine = print_differences(before, after)
    rows, notes, bad, unjudged = [], [], 0, 0
    for name in [*before.names(), *(name for name in after.names() if name not in before.rows)]:
        if name not in after.rows:
            notes.append(f"missing  {name}: not in the second file")
        elif name not in before.rows:
            notes.append(f"new      {name}: not in the first file")
        elif name in after.failures:
            failures = after.failures[name]
            notes.append(f"FAILED   {name}: {len(failures)} times in the second file: {failures[0]}")
            bad += 1
        else:
            for metric in before.metrics(name):
                if metric in after.rows[name]:
                    figure = Figure(before, after, name, metric, same_machine)
                    rows.append(figure.cells())
                    bad += figure.verdict == "WORSE"
                    unjudged += figure.verdict.startswith("cannot judge")
    if rows:
        print_rows(rows)
    for note in [*notes, *changed_bounds(before, after)]:
        print(note)
    return bad, unjudged, len(rows)


def changed_bounds(before, after):
    for key, entry in after.bounds.items():
        was, now = before.bounds.get(key, {}).get("met"), entry.get("met")
        if None not in (was, now) and was != now:
            yield f"bound    {key[0]}: {key[1]}: " + ("met now" if now else "missed now, met before")


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="./run bench compare",
        description="Compare two results of --json. Exits with 1 when a figure of weft became significantly worse: by "
        f"more than {THRESHOLD:.0%} (p99: {THRESHOLDS['p99_us']:.0%}), with a chance of at most {CHANCE:.0%} "
        "(Mann-Whitney U test), both the value and its ratio to the limit program. What could not be judged is said "
        "and fails nothing.",
    )
    parser.add_argument("before", metavar="A.json")
    parser.add_argument("after", metavar="B.json")
    options = parser.parse_args(arguments)
    try:
        before, after = Run(options.before), Run(options.after)
    except Unusable as problem:
        print(problem, file=sys.stderr)
        return 2
    bad, unjudged, judged = compare(before, after)
    if not judged and not bad:
        print("nothing in common to judge", file=sys.stderr)
        return 2
    if unjudged:
        print(f"{unjudged} could not be judged: it takes {FEWEST} repetitions on both sides; of two machines, a limit")
    print(f"{bad} significantly worse" if bad else "no significant regression")
    return 1 if bad else 0
