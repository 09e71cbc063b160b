"""The few statistics that the suite needs.

A handful of repetitions on a machine that others use is not normally distributed: now and then one is much slower, and
none is much faster. So everything here goes by order only: medians, intervals between order statistics, and the
Mann–Whitney U test. None of it assumes a distribution, and none of it needs random numbers.
"""

import math
from statistics import median, mean, stdev

__all__ = ["median", "mean", "stdev", "pairwise_ratios", "Spread", "median_interval", "mann_whitney"]

CONFIDENCE = 0.95
EXACT_UP_TO = 40  # values of both sides together; beyond, the normal approximation is good


class Spread:
    """Median, minimum and maximum of some values, and an interval for the true median: `low` to `high` hold it with
    `confidence`."""

    def __init__(self, values):
        self.count = len(values)
        self.median = median(values)
        self.min = min(values)
        self.max = max(values)
        self.low, self.high, self.confidence = median_interval(values)


def median_interval(values):
    """(low, high, confidence): the narrowest pair of order statistics, the same number of values left out at each end,
    between which the median of the distribution lies with at least CONFIDENCE. With fewer than six values no pair
    reaches that: then it is minimum to maximum, and `confidence` says what they reach (five: 93.75 %).

    Each value lies below the true median with probability 1/2, so the number that do is binomial, whatever the
    distribution: the k-th smallest lies above the median when fewer than k values lie below."""
    ordered = sorted(values)
    n = len(ordered)
    outside = 0.5**n  # probability that fewer than `out + 1` values lie below the median
    out = 0  # values left out at each end
    while out + 1 < (n + 1) // 2:
        wider = outside + math.comb(n, out + 1) * 0.5**n
        if 1 - 2 * wider < CONFIDENCE:
            break
        outside, out = wider, out + 1
    return ordered[out], ordered[n - 1 - out], max(0.0, 1 - 2 * outside)


def pairwise_ratios(ours, theirs):
    """Ratios of values measured side by side: by repetition, those that only one side has left out."""
    return [ours[i] / theirs[i] for i in sorted(ours) if i in theirs and theirs[i] > 0]


def mann_whitney(low, high):
    """One-sided Mann–Whitney U: how probable is it that values as much larger as `high` are than `low` come from the
    same distribution? Exact, ties included, up to EXACT_UP_TO values; else by the normal approximation."""
    n, m = len(low), len(high)
    if n == 0 or m == 0:
        return 1.0
    ranks = midranks(low + high)
    seen = sum(ranks[n:])
    if n + m <= EXACT_UP_TO:
        return exact_tail(ranks, m, seen)
    middle = m * (n + m + 1) / 2
    ties = sum(count**3 - count for count in counts(ranks))
    variance = n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1)))
    if variance <= 0:
        return 1.0
    return 0.5 * math.erfc((seen - middle - 0.5) / math.sqrt(2 * variance))


def exact_tail(ranks, m, seen):
    """The part of all ways to choose m of these ranks whose sum is at least `seen`. Counted, not enumerated: ways[k][s]
    is the number of ways to choose k of the ranks so far with the sum s. Ranks are halves at worst, so they are counted
    doubled."""
    ways = [{} for _ in range(m + 1)]
    ways[0][0] = 1
    for rank in (round(2 * r) for r in ranks):
        for k in range(m, 0, -1):
            for total, count in ways[k - 1].items():
                ways[k][total + rank] = ways[k].get(total + rank, 0) + count
    return sum(count for total, count in ways[m].items() if total >= 2 * seen) / math.comb(len(ranks), m)


def midranks(values):
    """Rank of each value from 1; equal values share the mean of their ranks."""
    ordered = sorted(values)
    rank = {}
    for value in set(values):
        first = ordered.index(value)
        rank[value] = first + (ordered.count(value) + 1) / 2
    return [rank[value] for value in values]


def counts(values):
    return [values.count(value) for value in set(values)]
