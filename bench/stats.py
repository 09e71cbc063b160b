"""The few statistics that the suite needs."""

import math
from itertools import combinations
from statistics import median

__all__ = ["median", "pairwise_ratios", "Spread", "mann_whitney"]


class Spread:
    """Median, minimum and maximum of some values."""

    def __init__(self, values):
        self.median = median(values)
        self.min = min(values)
        self.max = max(values)

    def scaled(self, factor):
        return Spread([self.median * factor, self.min * factor, self.max * factor])


def pairwise_ratios(ours, theirs):
    """Ratios of values measured side by side: by repetition, those that only one side has left out."""
    return [ours[i] / theirs[i] for i in sorted(ours) if i in theirs and theirs[i] > 0]


def mann_whitney(low, high):
    """One-sided Mann–Whitney U: how probable is it that values as much larger as `high` are than `low` come from the
    same distribution? Exact while there are at most 200,000 ways to deal the values out, else by the normal
    approximation."""
    n, m = len(low), len(high)
    if n == 0 or m == 0:
        return 1.0
    ranks = midranks(low + high)
    seen = sum(ranks[n:])
    if math.comb(n + m, m) <= 200_000:
        sums = [sum(chosen) for chosen in combinations(ranks, m)]
        return sum(1 for s in sums if s >= seen - 1e-9) / len(sums)
    mean = m * (n + m + 1) / 2
    ties = sum(count**3 - count for count in counts(ranks))
    variance = n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1)))
    if variance <= 0:
        return 1.0
    return 0.5 * math.erfc((seen - mean - 0.5) / math.sqrt(2 * variance))


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
