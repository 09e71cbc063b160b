"""Has weft become slower between two runs?

For each configuration and metric of weft that both files have, two questions are asked:
  1. Is the median worse by more than the metric's threshold?
  2. Would the repetitions lie so far apart by chance in at most 1 of 100 cases (one-sided Mann–Whitney U test)?
Both are asked twice: of the values as they are, and of their ratios to the limit program's value in the same
repetition. It is a regression when the answer is yes each time. The values alone drift with the machine, which the
ratios cancel; the ratios alone move when the limit has a bad day, which the values do not show. Without a limit in both
files the values decide; when the files come from different machines, the ratios do.

Five repetitions against five can reach a chance of 1 in 252; with three against three nothing is ever significant.
"""

import json
import sys

from stats import mann_whitney, median

CHANCE = 0.01
THRESHOLDS = {"real_time": 0.05, "server_cpu_us": 0.05, "p99_us": 0.20}


def load(path):
    """Context, and the repetitions by name: {name: {metric: {repetition: value}}}; failures have no metrics."""
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    runs = {}
    for entry in document["benchmarks"]:
        if entry.get("run_type") != "iteration":
            continue
        metrics = runs.setdefault(entry["name"], {})
        for metric in THRESHOLDS:
            if metric in entry and not entry.get("error_occurred"):
                metrics.setdefault(metric, {})[entry["repetition_index"]] = entry[metric]
        if entry.get("error_occurred"):
            metrics["failed"] = entry.get("error_message", "failed")
    return document["context"], runs


def peer_of(name):
    return name.split("/")[1]


def limit_of(name):
    parts = name.split("/")
    parts[1] = "limit"
    return "/".join(parts)


def relative(runs, name, metric):
    """Values over the limit's of the same repetition; empty when there is none."""
    ours = runs[name].get(metric, {})
    theirs = runs.get(limit_of(name), {}).get(metric, {})
    return [ours[i] / theirs[i] for i in sorted(ours) if theirs.get(i)]


def worse(before, after, threshold):
    """Is `after` significantly larger?"""
    return median(after) > median(before) * (1 + threshold) and mann_whitney(before, after) <= CHANCE


def judge(before, after, name, metric, same_machine):
    """"worse", "better" or "same", and the change of the figure that decided. None: one side has no values."""
    pairs = []
    values = [list(runs[name].get(metric, {}).values()) for runs in (before, after)]
    ratios = [relative(runs, name, metric) for runs in (before, after)]
    if all(ratios):
        pairs.append(ratios)
    if all(values) and (same_machine or not pairs):
        pairs.append(values)
    if not pairs:
        return None
    threshold = THRESHOLDS[metric]
    change = median(pairs[0][1]) / median(pairs[0][0]) - 1
    if all(worse(a, b, threshold) for a, b in pairs):
        return "worse", change
    if all(worse(b, a, threshold) for a, b in pairs):
        return "better", change
    return "same", change


def compare(before, after):
    """Prints a line for each figure; returns how many are worse."""
    (context_a, a), (context_b, b) = before, after
    same_machine = all(context_a.get(key) == context_b.get(key) for key in ("cpu_model", "num_cpus", "kernel"))
    if not same_machine:
        print("different machines: only the ratios to the limit count")
    bad = 0
    for name in sorted(name for name in a if peer_of(name) == "weft"):
        if name not in b:
            print(f"{name:<44} is missing in the second file")
        elif "failed" in b[name]:
            print(f"{name:<44} FAILED: {b[name]['failed']}")
            bad += 1
        else:
            for metric in THRESHOLDS:
                verdict = judge(a, b, name, metric, same_machine)
                if verdict:
                    print(f"{name:<44} {metric:<14} {verdict[1]:+7.1%}  {verdict[0]}")
                    bad += verdict[0] == "worse"
    return bad


def main(arguments):
    if len(arguments) != 2:
        print("usage: ./run bench compare A.json B.json", file=sys.stderr)
        return 2
    try:
        before, after = map(load, arguments)
    except (OSError, ValueError, KeyError) as error:
        print(f"cannot read the results: {error}", file=sys.stderr)
        return 2
    bad = compare(before, after)
    print(f"{bad} significantly worse" if bad else "no significant regression")
    return 1 if bad else 0
