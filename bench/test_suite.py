"""Tests of the runner's own arithmetic: python3 -m unittest discover -s bench. No program is run."""

import contextlib
import io
import json
import os
import random
import re
import statistics
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare  # noqa: E402
import context  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import run  # noqa: E402
import runs  # noqa: E402
import scaling  # noqa: E402
import stats  # noqa: E402
import suite  # noqa: E402

CONTEXT = {"cpu_model": "x", "num_cpus": 2, "kernel": "k", "date": "2020-01-01T00:00:00", "affinity": [0, 1]}


def row(label, peer, times, **extra):
    """Extra figures: a number for all repetitions, or one for each."""
    made = results.Row(label, peer)
    for i, time in enumerate(times):
        figures = {key: value[i] if isinstance(value, list) else value for key, value in extra.items()}
        made.repetitions[i] = {"ops": 10, "seconds": 1, "real_time": time, "checked": True, **figures}
    return made


def table(weft, limit, peer=(), **extra):
    """Of the workload yield; the extra figures are weft's."""
    rows = [row("weft", "weft", weft, **extra), row("limit", "limit", limit)]
    if peer:
        rows.append(row("go", "go", peer))
    return results.Table(suite.Configuration(suite.find("yield"), 1), rows, [("boost", "not built")])


def made_up(bounds, rows, absent=(), workers=2):
    """A table of a workload that has these bounds and rows."""
    configuration = suite.Configuration(suite.Workload("made", "one thing", tuple(bounds)), workers)
    return results.Table(configuration, rows, list(absent))


def document(*tables, **changes):
    return results.document(list(tables), {**CONTEXT, **changes})


def plain(weft, limit, **changes):
    return document(table(weft, limit), **changes)


def judge(before, after):
    """Exit status of compare for two documents, and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("a.json", "b.json")]
        for path, content in zip(paths, (before, after)):
            results.write_json(path, content)
        return quietly(compare.main, paths)


def quietly(function, *arguments):
    """Its result, or the status that it exits with, and what it printed on both streams."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            result = function(*arguments)
        except SystemExit as done:
            result = done.code
    return result, out.getvalue()


class MannWhitney(unittest.TestCase):
    def test_separated_fives_are_one_in_252(self):
        self.assertAlmostEqual(stats.mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 1 / 252)

    def test_equal_values_prove_nothing(self):
        self.assertEqual(stats.mann_whitney([1] * 5, [1] * 5), 1)
        self.assertGreater(stats.mann_whitney([1] * 30, [1] * 30), 0.5)

    def test_the_wrong_direction_is_near_one(self):
        self.assertGreater(stats.mann_whitney([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]), 0.99)

    def test_nothing_proves_nothing(self):
        self.assertEqual(stats.mann_whitney([], [1, 2]), 1)

    def test_the_exact_value_with_ties_is_that_of_all_ways_to_deal(self):
        from itertools import combinations

        low, high = [1, 2, 2, 3, 5], [2, 3, 4, 5]
        ranks = stats.midranks(low + high)
        seen = sum(ranks[5:])
        ways = [sum(chosen) >= seen for chosen in combinations(ranks, 4)]
        self.assertAlmostEqual(stats.mann_whitney(low, high), sum(ways) / len(ways))

    def test_the_approximation_is_near_the_exact_value(self):
        chance = random.Random(7)
        low = [chance.gauss(0, 1) for _ in range(20)]
        high = [chance.gauss(0.4, 1) for _ in range(20)]
        exact = stats.mann_whitney(low, high)
        limit, stats.EXACT_UP_TO = stats.EXACT_UP_TO, 0
        try:
            self.assertAlmostEqual(stats.mann_whitney(low, high), exact, delta=0.003)
        finally:
            stats.EXACT_UP_TO = limit


class Intervals(unittest.TestCase):
    def test_five_values_reach_15_of_16_from_end_to_end(self):
        self.assertEqual(stats.median_interval([5, 1, 4, 2, 3]), (1, 5, 0.9375))

    def test_known_order_statistics(self):
        # n: (smallest, largest) of the order statistics that a table of the sign test gives for 95 %
        for n, low, high in ((6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (12, 3, 10), (20, 6, 15), (25, 8, 18)):
            found = stats.median_interval(range(1, n + 1))
            self.assertEqual(found[:2], (low, high), n)
            self.assertGreaterEqual(found[2], 0.95)

    def test_one_value_proves_nothing(self):
        self.assertEqual(stats.median_interval([3]), (3, 3, 0))

    def test_the_interval_holds_the_median_as_often_as_it_says(self):
        chance = random.Random(1)
        for n in (5, 9):
            hits = 0
            for _ in range(4000):
                low, high, confidence = stats.median_interval([chance.expovariate(1) for _ in range(n)])
                hits += low <= 0.693147 <= high
            self.assertAlmostEqual(hits / 4000, confidence, delta=0.015)

    def test_pairwise_ratios_skip_repetitions_that_one_side_lacks(self):
        self.assertEqual(stats.pairwise_ratios({0: 4, 1: 9, 2: 8}, {0: 2, 2: 2}), [2, 4])
        self.assertEqual(stats.pairwise_ratios({0: 4}, {0: 0}), [])


class Ratios(unittest.TestCase):
    def test_a_ratio_is_the_median_of_pairs_not_the_ratio_of_medians(self):
        made = table([10, 100, 30], [1, 50, 30])
        ratio = made.ratio(made.rows[1])
        self.assertEqual((ratio.median, ratio.min, ratio.max), (2, 1, 10))

    def test_a_machine_that_slows_down_for_a_while_moves_no_ratio(self):
        drift = [1, 1, 3, 3, 1]
        made = table([10 * d for d in drift], [5 * d for d in drift])
        ratio = made.ratio(made.rows[1])
        self.assertEqual((ratio.low, ratio.median, ratio.high), (2, 2, 2))

    def test_the_better_of_two_limit_programs_counts(self):
        made = table([10] * 5, [9] * 5)
        made.rows[1].label = "limit-epoll"
        made.rows.append(row("limit-uring", "limit", [8] * 5))
        self.assertEqual(made.rival("limit").label, "limit-uring")
        names = [e["name"] for e in results.entries(made, 0) if e["run_type"] == "iteration"]
        self.assertEqual(names.count("yield/limit/workers:1"), 5)

    def test_the_best_is_the_best_in_the_figure_that_is_asked_for(self):
        rows = [row("go", "go", [5] * 5, p99_us=90), row("tokio", "tokio", [6] * 5, p99_us=20)]
        made = made_up([], rows)
        self.assertEqual(made.rival("best").label, "go")
        self.assertEqual(made.rival("best", "p99_us").label, "tokio")

    def test_a_workload_whose_bounds_leave_out_the_time_is_not_about_it(self):
        bound = suite.Bound("absolute", 5000, metric="bytes_per_coroutine")
        rows = [row("weft", "weft", [10] * 5, bytes_per_coroutine=4), row("go", "go", [5] * 5, bytes_per_coroutine=2)]
        made = made_up([bound], rows)
        self.assertEqual([(metric, ratio.median) for metric, _, ratio in made.losses()], [("bytes_per_coroutine", 2)])
        self.assertIn("made, 2 workers, memory per coroutine: go", report.page([document(made)]))
        entry = runs.read(document(made))["made/workers:2"]
        self.assertEqual((entry.metric, entry.best_ratio("peer")["median"]), ("bytes_per_coroutine", 2))

    def test_the_page_takes_the_same_limit_program_as_the_bound(self):
        rows = [row("weft", "weft", [10, 10, 30, 10, 10])]
        rows += [row("limit-a", "limit", [4, 4, 4, 9, 9]), row("limit-b", "limit", [5, 5, 5, 5, 5])]
        made = made_up([suite.Bound("limit", 2)], rows)
        entry = runs.read(document(made))["made/workers:2"].best_ratio("limit")
        self.assertEqual([label for _, label, _, _ in made.verdicts()], [entry["against"]])

    def test_losses_name_the_figure_and_the_peer_and_never_the_limit(self):
        rows = [
            row("weft", "weft", [10] * 5, p99_us=50),
            row("limit", "limit", [1] * 5, p99_us=1),
            row("go", "go", [20] * 5, p99_us=25),
        ]
        found = [(metric, r.label, ratio.median) for metric, r, ratio in made_up([], rows).losses()]
        self.assertEqual(found, [("p99_us", "go", 2)])


class Bounds(unittest.TestCase):
    def tried(self, bound, weft=(10,) * 5, **extra):
        """Verdicts and reasons of one bound; beside weft there is go, and weft took twice as long with one worker."""
        rows = [row("weft", "weft", weft, **extra), row("limit", "limit", [4] * 5, p99_us=10)]
        rows.append(row("go", "go", [5] * 5))
        made = made_up([bound], rows, [("boost", "not built")])
        alone = made_up([bound], [row("weft", "weft", [2 * value for value in weft])], workers=1)
        results.link([made, alone])
        verdicts = [(label, ratio.median, met) for _, label, ratio, met in made.verdicts()]
        return verdicts or [reason for _, reason in made.untried()]

    def test_against_the_limit(self):
        self.assertEqual(self.tried(suite.Bound("limit", 2.5)), [("limit", 2.5, True)])
        self.assertEqual(self.tried(suite.Bound("limit", 2)), [("limit", 2.5, False)])

    def test_against_the_best_peer(self):
        self.assertEqual(self.tried(suite.Bound("best", 1)), [("go", 2, False)])

    def test_against_a_named_peer(self):
        self.assertEqual(self.tried(suite.Bound("go", 2)), [("go", 2, True)])
        self.assertEqual(self.tried(suite.Bound("boost", 2)), ["not built"])
        self.assertEqual(self.tried(suite.Bound("libfork", 2)), ["nobody to hold it against"])

    def test_absolute_values_in_the_unit_of_their_metric(self):
        self.assertEqual(self.tried(suite.Bound("absolute", 9)), [("absolute", 10, False)])
        bound = suite.Bound("absolute", 4900, metric="bytes_per_coroutine")
        self.assertEqual(self.tried(bound, bytes_per_coroutine=4400), [("absolute", 4400, True)])
        self.assertEqual(bound.text(), "memory per coroutine ≤ 4900 bytes")

    def test_an_absolute_value_of_0_is_a_value(self):
        bound = suite.Bound("absolute", 0.1, metric="cpu_percent")
        self.assertEqual(self.tried(bound, cpu_percent=0), [("absolute", 0, True)])

    def test_another_metric_than_time(self):
        bound = suite.Bound("limit", 1.1, metric="p99_us")
        self.assertEqual(self.tried(bound, p99_us=12), [("limit", 1.2, False)])
        self.assertEqual(self.tried(bound), ["weft printed no p99_us"])

    def test_against_weft_with_one_worker(self):
        self.assertEqual(self.tried(suite.Bound("self:workers=1", 0.55)), [("self:workers=1", 0.5, True)])

    def test_a_bound_on_scaling_grows_with_the_workers(self):
        self.assertEqual(self.tried(suite.SCALING), [("self:workers=1", 0.5, True)])
        self.assertAlmostEqual(suite.SCALING.at(2).factor, 0.5 / 0.9)

    def test_against_another_form_of_the_same_workload(self):
        workload = suite.Workload("made", "up", (suite.Bound("self:workers=1,mode=fork", 1),), modes=("", "fork"))
        two = results.Table(suite.Configuration(workload, 2), [row("weft", "weft", [30] * 5)], [])
        fork = results.Table(suite.Configuration(workload, 1, mode="fork"), [row("weft", "weft", [10] * 5)], [])
        results.link([two, fork])
        self.assertEqual([ratio.median for _, _, ratio, _ in two.verdicts()], [3])

    def test_a_configuration_that_was_not_run_is_said_to_be_so(self):
        bound = suite.Bound("self:workers=1", 1)
        made = made_up([bound], [row("weft", "weft", [10] * 5)])
        results.link([made])
        self.assertEqual([reason for _, reason in made.untried()], ["that configuration of weft was not run"])

    def test_without_a_result_of_weft_nothing_is_met(self):
        failed = results.Row("weft", "weft")
        failed.failures[0] = "it hung"
        made = made_up([suite.Bound("absolute", 9)], [failed])
        self.assertEqual([reason for _, reason in made.untried()], ["weft gave no result"])
        self.assertEqual([e["met"] for e in document(made)["bounds"]], [None])

    def test_a_bound_inside_the_interval_is_within_noise(self):
        made = made_up(
            [suite.Bound("limit", 2)], [row("weft", "weft", [9, 10, 11, 10, 9]), row("limit", "limit", [5] * 5)]
        )
        entry = document(made)["bounds"][0]
        self.assertEqual((entry["met"], entry["clear"]), (True, False))
        _, printed = quietly(results.print_table, made)
        self.assertIn("met, within noise", printed)


class Printed(unittest.TestCase):
    def test_the_table_has_every_figure_that_anyone_has(self):
        made = table([10] * 9, [4] * 9, [30] * 9, instructions=500, cycles=200, rss_bytes=3 << 20, p50_us=2, max_us=70)
        made.rows[0].failures[9] = "it hung"
        _, printed = quietly(results.print_table, made)
        for words in ("p50 µs", "max µs", "RSS MiB", "instr/op", "cycles/op", "96% interval", "boost       absent"):
            self.assertIn(words, printed)
        self.assertNotIn("p99 µs", printed)
        self.assertRegex(printed, r"weft .* 3 +50 +20 .*1 FAILED")
        self.assertRegex(printed, r"limit .*2\.5 \[2\.5 … 2\.5\]")
        self.assertIn("MISSED", printed)

    def test_the_summary_counts_and_names_what_is_not_good(self):
        made = table([10] * 5, [4] * 5, [8] * 5)
        _, printed = quietly(results.print_summary, [made])
        self.assertIn("bounds: 0 met, 2 missed, 0 not tried", printed)
        self.assertIn("BEHIND yield, 1 worker: go, time: 1.25", printed)


class Json(unittest.TestCase):
    def test_it_has_the_keys_of_google_benchmark(self):
        entries = plain([10] * 5, [5] * 5)["benchmarks"]
        both = "name run_name run_type repetitions threads iterations real_time cpu_time time_unit".split()
        both.append("items_per_second")
        first, aggregate = entries[0], next(e for e in entries if e["run_type"] == "aggregate")
        self.assertLessEqual({*both, "repetition_index", "family_index", "per_family_instance_index"}, set(first))
        self.assertLessEqual({*both, "aggregate_name", "aggregate_unit"}, set(aggregate))
        self.assertEqual(first["name"], "yield/weft/workers:1")
        self.assertEqual(aggregate["name"], f"yield/weft/workers:1_{aggregate['aggregate_name']}")
        self.assertNotIn("repetition_index", aggregate)
        self.assertEqual({e["time_unit"] for e in entries}, {"ns"})

    def test_aggregates_are_those_of_the_repetitions(self):
        times = [10, 12, 11, 14, 13]
        entries = plain(times, [5] * 5)["benchmarks"]
        found = {e["aggregate_name"]: e for e in entries if e["name"].startswith("yield/weft/workers:1_")}
        self.assertEqual(
            {name: e["real_time"] for name, e in found.items() if name != "stddev"},
            {"mean": 12, "median": 12, "min": 10, "max": 14},
        )
        self.assertAlmostEqual(found["stddev"]["real_time"], statistics.stdev(times))
        self.assertAlmostEqual(found["stddev"]["items_per_second"], statistics.stdev([1e9 / t for t in times]))

    def test_one_repetition_has_no_standard_deviation(self):
        names = {e.get("aggregate_name") for e in plain([10], [5])["benchmarks"]}
        self.assertEqual(names, {None, "mean", "median", "min", "max"})

    def test_it_carries_all_figures_of_a_program(self):
        made = table([10] * 5, [5] * 5, over_ms=3, note="words", odd=float("nan"), instructions=50)
        found = [e for e in results.entries(made, 0) if e["run_name"] == "yield/weft/workers:1"]
        self.assertEqual([e["over_ms"] for e in found if e["run_type"] == "iteration"], [3] * 5)
        self.assertEqual([e["over_ms"] for e in found if e["run_type"] == "aggregate"], [3, 3, 0, 3, 3])
        self.assertEqual(found[0]["instructions_per_op"], 5)
        self.assertFalse(any("note" in e or "odd" in e for e in found))

    def test_a_failed_repetition_is_an_error_and_not_a_time(self):
        made = table([10] * 4, [5] * 5)
        made.rows[0].failures[4] = "it hung"
        content = document(made)
        failed = [e for e in content["benchmarks"] if e.get("error_occurred")]
        self.assertEqual([(e["repetition_index"], e["iterations"], e["real_time"]) for e in failed], [(4, 0, 0)])
        least = next(e for e in content["benchmarks"] if e["name"] == "yield/weft/workers:1_min")
        self.assertEqual((least["real_time"], least["checked"]), (10, False))
        self.assertEqual(runs.read(content)["yield/workers:1"].values("real_time")["weft"], [10] * 4)

    def test_ratios_and_bounds_carry_their_interval(self):
        content = document(table([10] * 9, [4] * 9, [40] * 9))
        ratio = next(e for e in content["ratios"] if e["against"] == "go")
        self.assertEqual((ratio["metric"], ratio["median"], ratio["repetitions"]), ("real_time", 0.25, 9))
        self.assertGreater(ratio["confidence"], 0.95)
        self.assertEqual([(b["kind"], b["met"]) for b in content["bounds"]], [("limit", False), ("best", True)])

    def test_the_context_has_the_keys_of_google_benchmark_and_ours(self):
        found = context.collect([0])
        google = "date host_name executable num_cpus mhz_per_cpu cpu_scaling_enabled caches load_avg library_build_type"
        ours = "cpu_model kernel compiler flags versions commit dirty affinity governor cpu_quota environment"
        self.assertLessEqual({*google.split(), *ours.split()}, set(found))
        self.assertEqual(
            {"type", "level", "size", "num_sharing"},
            set().union(*found["caches"]) or {"type", "level", "size", "num_sharing"},
        )
        json.dumps(found, allow_nan=False)

    def test_a_disturbance_is_a_part_of_the_time(self):
        facts = context.Disturbance().facts()
        self.assertEqual(len(facts["load_avg"]), 3)
        self.assertTrue(0 <= facts["steal_percent"] <= 100)


class Compare(unittest.TestCase):
    calm = [10, 10.1, 10.2, 10.3, 10.4]
    limit = [5, 5.05, 5.1, 5.15, 5.2]

    def scaled(self, factor):
        return [value * factor for value in self.calm]

    def status(self, before, after):
        return judge(before, after)[0]

    def test_the_same_run_is_no_regression(self):
        self.assertEqual(self.status(plain(self.calm, self.limit), plain(self.calm, self.limit)), 0)

    def test_a_fifth_slower_is_a_regression(self):
        status, printed = judge(plain(self.calm, self.limit), plain(self.scaled(1.2), self.limit))
        self.assertEqual(status, 1)
        self.assertRegex(printed, r"yield/weft/workers:1 +real_time +10\.2 +12\.24 +\+20\.0% +\+20\.0% +0\.004 +WORSE")

    def test_a_fifth_faster_is_none(self):
        status, printed = judge(plain(self.calm, self.limit), plain(self.scaled(0.8), self.limit))
        self.assertEqual((status, "better" in printed), (0, True))

    def test_certain_but_below_the_threshold_is_none(self):
        self.assertEqual(self.status(plain(self.calm, [5] * 5), plain(self.scaled(1.045), [5] * 5)), 0)

    def test_a_slower_machine_is_none(self):
        slow = plain(self.scaled(1.2), [value * 1.2 for value in self.limit])
        status, printed = judge(plain(self.calm, self.limit), slow)
        self.assertEqual((status, "unclear, only the value is worse" in printed), (0, True))

    def test_a_faster_limit_alone_is_none(self):
        fast = plain(self.calm, [value * 0.7 for value in self.limit])
        status, printed = judge(plain(self.calm, self.limit), fast)
        self.assertEqual((status, "unclear, only the ratio is worse" in printed), (0, True))

    def test_fewer_than_five_repetitions_are_not_judged(self):
        for n in (1, 4):
            status, printed = judge(plain(self.calm, self.limit), plain(self.scaled(2)[:n], self.limit[:n]))
            self.assertEqual((status, "cannot judge" in printed), (0, True))

    def test_overlapping_repetitions_are_none(self):
        noisy = [10, 10.1, 14, 15, 16]
        self.assertEqual(self.status(plain([9, 10.2, 10.3, 12, 15.5], [5] * 5), plain(noisy, [5] * 5)), 0)

    def test_another_machine_is_judged_by_the_ratio_and_said_to_be_one(self):
        other = plain(self.scaled(0.6), [value * 0.4 for value in self.limit], cpu_model="y")
        status, printed = judge(plain(self.calm, self.limit), other)
        self.assertEqual((status, "warning: cpu_model differs: x / y" in printed), (1, True))
        same = plain(self.scaled(0.5), [value * 0.5 for value in self.limit], cpu_model="y")
        self.assertEqual(self.status(plain(self.calm, self.limit), same), 0)

    def test_another_machine_without_a_limit_is_not_judged(self):
        alone = [made_up([], [row("weft", "weft", times)]) for times in (self.calm, self.scaled(2))]
        status, printed = judge(document(alone[0]), document(alone[1], cpu_model="y"))
        self.assertEqual((status, "cannot judge, another machine" in printed), (0, True))

    def test_other_circumstances_are_said(self):
        other = plain(self.calm, self.limit, flags="-O3", versions={"liburing": "2.3", "libc": "1"})
        _, printed = judge(plain(self.calm, self.limit, flags="-O2", versions={"liburing": "2.0", "libc": "1"}), other)
        self.assertIn("warning: flags differs: -O2 / -O3", printed)
        self.assertIn("warning: versions differs: liburing 2.0 / liburing 2.3", printed)

    def test_a_run_that_failed_is_a_regression(self):
        made = table(self.calm, self.limit)
        made.rows[0].failures[5] = "the result was wrong"
        status, printed = judge(plain(self.calm, self.limit), document(made))
        self.assertEqual((status, "the result was wrong" in printed), (1, True))

    def test_missing_and_new_rows_are_named_and_fail_nothing(self):
        extra = made_up([], [row("weft", "weft", self.calm)])
        small, large = plain(self.calm, self.limit), document(table(self.calm, self.limit), extra)
        for before, after, word in ((small, large, "new"), (large, small, "missing")):
            status, printed = judge(before, after)
            self.assertEqual(status, 0)
            self.assertRegex(printed, rf"{word} +made/weft/workers:2: not in the")

    def test_any_metric_with_a_bound_is_judged(self):
        bound = suite.Bound("absolute", 5000, metric="bytes_per_coroutine")
        runs = [
            document(made_up([bound], [row("weft", "weft", [10] * 5, bytes_per_coroutine=[b + i for i in range(5)])]))
            for b in (4000, 4800)
        ]
        status, printed = judge(*runs)
        self.assertEqual(status, 1)
        self.assertRegex(printed, r"bytes_per_coroutine .*WORSE")
        self.assertNotIn("real_time", printed)

    def test_twice_nearly_nothing_is_nothing(self):
        bound = suite.Bound("absolute", 0.1, metric="cpu_percent")
        runs = [
            document(
                made_up([bound], [row("weft", "weft", [10] * 5, cpu_percent=[c * (1 + i / 100) for i in range(5)])])
            )
            for c in (0.0005, 0.002)
        ]
        self.assertEqual(self.status(*runs), 0)

    def test_a_bound_that_is_missed_now_is_named(self):
        before, after = plain([7] * 5, self.limit), plain([20] * 5, self.limit)
        self.assertIn("missed now, met before", judge(before, after)[1])

    def test_chance_alone_seldom_raises_an_alarm(self):
        chance = random.Random(3)
        alarms = 0
        for _ in range(200):
            noise = [[base * chance.lognormvariate(0, 0.08) for _ in range(5)] for base in (10, 5, 10, 5)]
            runs = [plain(noise[0], noise[1]), plain(noise[2], noise[3])]
            alarms += judge(*runs)[0]
        self.assertLessEqual(alarms, 4)

    def test_what_is_no_result_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            good = os.path.join(folder, "good.json")
            results.write_json(good, plain(self.calm, self.limit))
            for content in ("", "[]", "{}", '{"context": {}, "benchmarks": 3}', '{"context": {}, "benchmarks": []}'):
                bad = os.path.join(folder, "bad.json")
                with open(bad, "w", encoding="utf-8") as file:
                    file.write(content)
                status, printed = quietly(compare.main, [good, bad])
                self.assertEqual((status, "bad.json" in printed), (2, True), content)
            self.assertEqual(quietly(compare.main, [good, os.path.join(folder, "none.json")])[0], 2)
        self.assertEqual(quietly(compare.main, ["one"])[0], 2)


class Report(unittest.TestCase):
    def rich(self, **changes):
        """A run with all that a run can have."""
        server = suite.Configuration(suite.find("echo"), 1, 256)
        rows = [
            row(
                "weft", "weft", [10e3] * 5, p50_us=9, p99_us=40, p999_us=90, max_us=2000, cpu_us_per_request=4, rate=8e4
            ),
            row("limit-epoll", "limit", [9e3] * 5, p50_us=8, p99_us=41, p999_us=95, max_us=900, cpu_us_per_request=4),
            row("limit-uring", "limit", [8e3] * 5, p50_us=8, p99_us=30, p999_us=95, max_us=900, cpu_us_per_request=4),
            row(
                "<go>",
                "go",
                [9.5e3] * 5,
                p50_us=8,
                p99_us=50,
                p999_us=80,
                max_us=700,
                cpu_us_per_request=9,
                rss_bytes=9e6,
            ),
        ]
        failed = results.Row("tokio", "tokio")
        failed.failures[0] = "exit status 1 <oops>"
        tables = [table([10] * 5, [4] * 5, [300] * 5), results.Table(server, [*rows, failed], [("boost", "no c++")])]
        results.link(tables)
        return json.loads(json.dumps(document(*tables, **changes)))

    def check(self, page):
        """Nothing is fetched, and every element is closed."""
        for link in ("<script", "<link", "http://", "https://", "src=", "@import", "url("):
            self.assertNotIn(link, page)
        body = page[page.index("<main>") : page.index("</main>") + len("</main>")]
        return xml.etree.ElementTree.fromstring(body)

    def test_the_page_holds_everything_and_fetches_nothing(self):
        page = report.page([self.rich(command="./run bench --quick", commit="abcdef")])
        main = self.check(page)
        for words in (
            "yield, 1 worker",
            "limit-uring",
            "&lt;go&gt;",
            "exit status 1 &lt;oops&gt;",
            "boost",
            "git checkout abcdef",
        ):
            self.assertIn(words, page)
        headings = [h.text for h in main.iter("h2")]
        self.assertEqual(headings[:2], ["Where weft loses or misses its bound", "Overview"])

    def test_losses_stand_at_the_top_and_are_complete(self):
        page = report.page([self.rich()])
        top = page[page.index('id="losses"') : page.index('id="overview"')]
        for words in (
            "Bounds missed",
            "time ≤ 2 × limit",
            "Peers ahead",
            "&lt;go&gt;: time 1.05 ×",
            "Programs that failed",
        ):
            self.assertIn(words, top)

    def test_without_losses_it_says_so(self):
        page = report.page([document(table([1] * 5, [1] * 5, [9] * 5))])
        self.assertIn("Nowhere in these results", page)
        self.assertNotIn("Bounds missed", page)

    def test_several_runs_show_the_newest_and_how_it_went(self):
        old = document(table([20] * 5, [4] * 5), made_up([], [row("weft", "weft", [7] * 5)]), date="2020-01-01T00:00")
        new = document(table([10] * 5, [4] * 5), date="2020-02-01T00:00")
        page = report.page([new, old])
        self.check(page)
        self.assertIn("Time per operation over 2 runs", page)
        self.assertIn("From the run of 2020-01-01 00:00", page)
        self.assertIn(">2.5 × (2.5 … 2.5)<", page)
        self.assertNotIn(">5 × (5 … 5)<", page)

    def test_machines_are_not_mixed(self):
        page = report.page([self.rich(), self.rich(cpu_model="y", num_cpus=64)])
        self.check(page.replace(' class="another"', ""))
        self.assertEqual(page.count("Where weft loses"), 2)
        self.assertNotIn("over 2 runs", page)

    def test_a_single_repetition_of_weft_alone_is_a_page(self):
        self.check(report.page([document(made_up([], [row("weft", "weft", [3])]), repetitions=1)]))

    def test_the_command_takes_a_folder_and_leaves_out_what_is_no_result(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(quietly(report.main, [folder])[0], 2)
            results.write_json(os.path.join(folder, "a.json"), self.rich())
            results.write_json(
                os.path.join(folder, "b.json"), {"benchmarks": [{"run_type": "iteration"}], "context": {}}
            )
            status, printed = quietly(report.main, [folder])
            self.assertEqual(status, 0)
            self.assertIn("left out", printed)
            self.assertTrue(os.path.isfile(os.path.join(folder, "report.html")))
        self.assertEqual(quietly(report.main, [folder])[0], 2)
        self.assertEqual(quietly(report.main, [])[0], 2)


class Plots(unittest.TestCase):
    def test_an_axis_is_linear_from_zero_or_logarithmic(self):
        near, far = plots.Axis([5, 10], "ns"), plots.Axis([1, 1000], "ns")
        self.assertEqual((near.logarithmic, far.logarithmic), (False, True))
        self.assertEqual(near(0), 0)
        self.assertAlmostEqual(far(31.6227766), 50, delta=0.1)
        self.assertTrue(0 < far(1) < far(1000) < 100)

    def test_ticks_are_few_and_inside(self):
        for values in ([0.3, 0.31], [1, 15], [1, 21], [1, 1e9], [3], [1e-4, 5], [999, 1001], [0, 0]):
            axis = plots.Axis(values, "ns")
            self.assertTrue(1 <= len(axis.ticks()) <= 6, values)
            self.assertTrue(all(0 <= axis(t) <= 100 for t in axis.ticks()))
        self.assertEqual(plots.Axis([400, 9000], "bytes").ticks(), [512, 1024, 2048, 4096, 8192])
        self.assertEqual(plots.Axis([1e-3, 1], "×").ticks(), [0.001, 0.01, 0.1, 1])

    def test_quantities_have_the_unit_in_which_they_are_read(self):
        for value, unit, words in (
            (31.24, "ns", "31.2 ns"),
            (2630, "ns", "2.63 µs"),
            (0.5, "µs", "500 ns"),
            (13828, "µs", "13.8 ms"),
            (3 << 20, "bytes", "3 MiB"),
            (12.5, "%", "12.5 %"),
            (0, "ns", "0 ns"),
            (0.3, "per second", "0.3/s"),
        ):
            self.assertEqual(plots.quantity(value, unit), words)

    def test_numbers_that_differ_look_different(self):
        self.assertEqual([results.number(v) for v in (0, 12345, 1.104, 0.00012)], ["0", "12,345", "1.1", "1.2e-04"])
        self.assertEqual(results.number(1.104, 1.1), "1.104")
        self.assertEqual(results.number(1.1, 1.1), "1.1")

    def test_marks_stand_where_the_values_are(self):
        made = plots.bars({"weft": [5], "go": [10]}, "ns", "t", [7.5])
        marks = re.findall(r'class="bound" x1="([\d.]+)%"', made)
        self.assertEqual([float(x) for x in marks], [round(7.5 / 10.4 * 100, 2)])


class CommandLine(unittest.TestCase):
    def test_what_makes_no_sense_is_refused_with_2(self):
        for words in (
            ["--only", "nope"],
            ["--only", ""],
            ["--vs", "nobody"],
            ["--repetitions", "0"],
            ["--repetitions", "x"],
            ["--workers", "-1"],
            ["--json", "/nowhere/at/all.json"],
            ["--html", "/"],
            ["--quick", "--full"],
            ["--wat"],
            ["yield"],
        ):
            status, printed = quietly(run.main, words)
            self.assertEqual(status, 2, words)
            self.assertTrue(printed.strip(), words)

    def test_help_and_list_explain(self):
        status, printed = quietly(run.main, ["--help"])
        self.assertEqual(status, 0)
        for word in ("--quick", "--vs", "--repetitions", "compare A.json B.json", "report DIR", "docs/benchmarks.md"):
            self.assertIn(word, printed)
        status, printed = quietly(run.main, ["--list"])
        self.assertEqual(status, 0)
        for words in ("spawn_join", "time ≤ 4 × limit (2 workers)", "pthread"):
            self.assertIn(words, printed)

    def test_a_run_without_a_program_of_weft_is_none(self):
        with tempfile.TemporaryDirectory() as folder:
            words = ["--no-build", "--build-dir", folder, "--only", "yield", "--vs", "none", "--repetitions", "1"]
            path = os.path.join(folder, "a.json")
            before, run.programs.BUILD = run.programs.BUILD, None
            try:
                status, printed = quietly(run.main, [*words, "--json", path])
            finally:
                run.programs.BUILD = before
            self.assertEqual(status, 1)
            self.assertIn("not tried, weft gave no result", printed)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(json.load(file)["absent"], [{"name": "yield/weft/workers:1", "reason": "not built"}])
            self.assertEqual(quietly(compare.main, [path, path])[0], 2)

    def test_the_command_to_repeat_has_the_seed(self):
        self.assertEqual(run.command(["--quick", "--seed", "1"], 7), "./run bench --quick --seed 7")
        self.assertEqual(run.command(["--seed=1", "--only", "a,b"], 7), "./run bench --only a,b --seed 7")


class Suite(unittest.TestCase):
    def test_configurations_leave_out_what_the_cpus_cannot_carry(self):
        one = suite.configurations(suite.WORKLOADS, suite.QUICK, cpus=1)
        self.assertTrue(one)
        self.assertTrue(all(c.workers == 1 and not c.workload.is_server() for c in one))

    def test_names_follow_the_contract(self):
        configuration = suite.Configuration(suite.find("echo"), 1, 256)
        self.assertEqual(configuration.name("weft"), "echo/weft/workers:1/connections:256")
        configuration = suite.Configuration(suite.find("ring"), 2, mode="backwards")
        self.assertEqual(configuration.name("limit"), "ring/limit/workers:2/mode:backwards")

    def test_quick_is_less_and_full_is_not_more_of_what_has_a_size_of_its_own(self):
        timers, ring = suite.find("timers"), suite.find("ring")
        amounts = [[w.operations(e) for e in (suite.QUICK, suite.NORMAL, suite.FULL)] for w in (timers, ring)]
        self.assertEqual(amounts, [[100_000, 1_000_000, 1_000_000], [1_000_000, 5_000_000, 10_000_000]])
        quick = suite.configurations([timers, suite.find("bulk")], suite.QUICK, cpus=2)
        self.assertEqual({(c.workers, c.mode) for c in quick}, {(1, "")})

    def test_what_scales_runs_with_all_cpus(self):
        self.assertEqual(suite.find("spawn_fib").worker_counts(12), [1, 2, 4, 8, 12])
        self.assertEqual(suite.find("echo").worker_counts(5), [1, 4])
        self.assertEqual(suite.find("skynet").worker_counts(12), [1, 2])


class Scaling(unittest.TestCase):
    COUNTS = dict.fromkeys(
        "steals stolen forks_stolen forks_exposed searches searches_failed looks parks wakes robberies fences "
        "shared_core shared_cache shared_node shared_nothing cpu_us".split(),
        0,
    )

    def test_figures_are_per_thousand_operations_and_shares_of_all_steals(self):
        counts = {"steals": 30, "stolen": 90, "forks_stolen": 10, "shared_core": 10, "shared_nothing": 30, "parks": 5}
        row = scaling.figures({**self.COUNTS, **counts, "ops": 2000})
        self.assertEqual((row["steals"], row["each"], row["parks"]), (20, 2.5, 2.5))
        self.assertEqual((row["core%"], row["cache%"], row["far%"]), (25, 0, 75))

    def test_nothing_counted_is_nothing_and_no_error(self):
        self.assertEqual(set(scaling.figures({**self.COUNTS, "ops": 1}).values()), {0})

    def test_columns_without_figures_are_left_out(self):
        rows = [("a 1", {"x": 0, "y": 1.5}), ("a 2", {"x": 0, "y": 1234})]
        printed = quietly(scaling.print_table, "title", ["x", "y"], rows)[1]
        self.assertEqual(printed, "\ntitle\n          y\n  a 1   1.5\n  a 2  1234\n")

    def test_bad_command_lines_are_refused(self):
        for words in (["--workers", "0"], ["--workers", "1,x"], ["--only", "nothing"], ["--machine", "/no/such.xml"]):
            self.assertEqual(quietly(run.main, ["scaling", *words])[0], 2, words)
        self.assertEqual(quietly(run.main, ["scaling", "--json", "/no/such/folder/a.json"])[0], 2)

    def test_a_machine_is_told_by_description_or_file(self):
        self.assertEqual(scaling.told("2x16"), {"HWLOC_SYNTHETIC": scaling.MACHINES["2x16"]})
        self.assertEqual(scaling.told("core:4 pu:2"), {"HWLOC_SYNTHETIC": "core:4 pu:2"})
        self.assertEqual(scaling.told("./a.xml"), {"HWLOC_XMLFILE": "./a.xml"})


if __name__ == "__main__":
    unittest.main()
