"""Tests of the runner's own arithmetic: python3 -m unittest discover -s bench. No program is run."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import stats  # noqa: E402
import suite  # noqa: E402

CONTEXT = {"cpu_model": "x", "num_cpus": 2, "kernel": "k", "date": "2020-01-01T00:00:00"}


def row(label, peer, times, **extra):
    made = results.Row(label, peer)
    for i, time in enumerate(times):
        made.repetitions[i] = {"ops": 10, "seconds": 1, "real_time": time, **extra}
    return made


def table(weft, limit, peer=()):
    rows = [row("weft", "weft", weft), row("limit", "limit", limit)]
    if peer:
        rows.append(row("go", "go", peer))
    return results.Table(suite.Configuration(suite.find("yield"), 1), rows, [("boost", "not built")])


def document(weft, limit):
    return results.document([table(weft, limit)], dict(CONTEXT))


def judge(before, after):
    """Exit status of compare for two documents."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        paths = [os.path.join(folder, name) for name in ("a.json", "b.json")]
        for path, content in zip(paths, (before, after)):
            results.write_json(path, content)
        return compare.main(paths)


class Statistics(unittest.TestCase):
    def test_mann_whitney_separated_fives_is_one_in_252(self):
        self.assertAlmostEqual(stats.mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 1 / 252)

    def test_mann_whitney_equal_values_prove_nothing(self):
        self.assertEqual(stats.mann_whitney([1] * 5, [1] * 5), 1)
        self.assertGreater(stats.mann_whitney([1] * 12, [1] * 12), 0.5)

    def test_mann_whitney_wrong_direction_is_near_one(self):
        self.assertGreater(stats.mann_whitney([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]), 0.99)

    def test_mann_whitney_approximation_is_near_the_exact_value(self):
        low, high = [1, 3, 5, 7, 9, 11, 13, 15], [4, 6, 8, 10, 12, 14, 16, 18]
        exact = stats.mann_whitney(low, high)
        doubled = stats.mann_whitney(low * 2, high * 2)
        self.assertTrue(doubled < exact < 0.2)

    def test_pairwise_ratios_skip_repetitions_that_one_side_lacks(self):
        self.assertEqual(stats.pairwise_ratios({0: 4, 1: 9, 2: 8}, {0: 2, 2: 2}), [2, 4])


class Results(unittest.TestCase):
    def test_ratio_is_the_median_of_pairs_not_the_ratio_of_medians(self):
        made = table([10, 100, 30], [1, 50, 30])
        self.assertEqual(made.ratio(made.rows[1]).median, 2)

    def test_verdicts_hold_weft_against_the_limit_and_the_best_peer(self):
        verdicts = list(table([10] * 5, [4] * 5, [100] * 5).verdicts())
        self.assertEqual([(label, met) for _, label, _, met in verdicts], [("limit", False), ("go", True)])

    def test_the_better_of_two_limit_programs_counts(self):
        made = table([10] * 5, [9] * 5)
        made.rows[1].label = "limit-epoll"
        made.rows.append(row("limit-uring", "limit", [8] * 5))
        self.assertEqual(made.rival("limit").label, "limit-uring")
        names = [e["name"] for e in results.entries(made, 0) if e["run_type"] == "iteration"]
        self.assertEqual(names.count("yield/limit/workers:1"), 5)

    def bound_on(self, bound, weft, **extra):
        """Verdicts of a table whose only bound is this one; it has two workers, and weft was twice as slow with one."""
        workload = suite.Workload("made", "up", (bound,))
        one, two = (suite.Configuration(workload, workers) for workers in (1, 2))
        made = results.Table(two, [row("weft", "weft", weft, **extra), row("go", "go", [5] * 5)], [])
        made.one_worker = results.Table(one, [row("weft", "weft", [2 * value for value in weft])], [])
        return [(label, ratio.median, met) for _, label, ratio, met in made.verdicts()]

    def test_an_absolute_bound_is_held_against_the_figure(self):
        self.assertEqual(self.bound_on(suite.Bound("absolute", 9), [10] * 5), [("absolute", 10, False)])
        bound = suite.Bound("absolute", 0.1, metric="cpu_percent")
        self.assertEqual(self.bound_on(bound, [10] * 5, cpu_percent=0), [("absolute", 0, True)])

    def test_a_bound_on_scaling_grows_with_the_workers(self):
        verdicts = self.bound_on(suite.SCALING, [10] * 5)
        self.assertEqual(verdicts, [("self:workers=1", 0.5, True)])
        self.assertAlmostEqual(suite.SCALING.at(2).factor, 0.5 / 0.9)

    def test_a_bound_may_name_a_peer(self):
        self.assertEqual(self.bound_on(suite.Bound("go", 1), [10] * 5), [("go", 2, False)])
        self.assertEqual(self.bound_on(suite.Bound("libfork", 1), [10] * 5), [])

    def test_json_carries_all_figures_of_a_program(self):
        made = table([10] * 5, [5] * 5)
        made.rows[0] = row("weft", "weft", [10] * 5, over_ms=3, checked=True, note="words")
        found = list(results.entries(made, 0))
        self.assertEqual([e["over_ms"] for e in found if "over_ms" in e], [3] * 8)
        self.assertFalse(any("note" in e for e in found))

    def test_json_has_the_keys_of_google_benchmark(self):
        entry = document([10] * 5, [5] * 5)["benchmarks"][0]
        wanted = "name run_name run_type repetitions repetition_index threads iterations real_time cpu_time time_unit"
        self.assertLessEqual(set(wanted.split()) | {"items_per_second", "checked"}, set(entry))
        self.assertEqual(entry["name"], "yield/weft/workers:1")

    def test_a_failed_repetition_is_an_error_and_not_a_time(self):
        made = table([10] * 4, [5] * 5)
        made.rows[0].failures[4] = "it hung"
        failed = [e for e in results.entries(made, 0) if e.get("error_occurred")]
        self.assertEqual([(e["repetition_index"], "real_time" in e) for e in failed], [(4, False)])


class Compare(unittest.TestCase):
    calm = [10, 10.1, 10.2, 10.3, 10.4]
    limit = [5, 5.05, 5.1, 5.15, 5.2]

    def scaled(self, factor):
        return [value * factor for value in self.calm]

    def test_the_same_run_is_no_regression(self):
        self.assertEqual(judge(document(self.calm, self.limit), document(self.calm, self.limit)), 0)

    def test_a_fifth_slower_is_a_regression(self):
        self.assertEqual(judge(document(self.calm, self.limit), document(self.scaled(1.2), self.limit)), 1)

    def test_a_fifth_faster_is_none(self):
        self.assertEqual(judge(document(self.calm, self.limit), document(self.scaled(0.8), self.limit)), 0)

    def test_a_slower_machine_is_none(self):
        slow = document(self.scaled(1.2), [value * 1.2 for value in self.limit])
        self.assertEqual(judge(document(self.calm, self.limit), slow), 0)

    def test_a_faster_limit_alone_is_none(self):
        fast = document(self.calm, [value * 0.7 for value in self.limit])
        self.assertEqual(judge(document(self.calm, self.limit), fast), 0)

    def test_three_repetitions_never_suffice(self):
        before, after = (document(values[:3], self.limit[:3]) for values in (self.calm, self.scaled(2)))
        self.assertEqual(judge(before, after), 0)

    def test_overlapping_repetitions_are_none(self):
        noisy = [10, 10.1, 14, 15, 16]
        self.assertEqual(judge(document([9, 10.2, 10.3, 12, 15.5], [5] * 5), document(noisy, [5] * 5)), 0)

    def test_another_machine_is_judged_by_the_ratio(self):
        other = document(self.scaled(0.6), [value * 0.4 for value in self.limit])
        other["context"]["cpu_model"] = "y"
        self.assertEqual(judge(document(self.calm, self.limit), other), 1)

    def test_a_run_that_failed_is_a_regression(self):
        failed = document(self.calm, self.limit)
        failed["benchmarks"][0].update(error_occurred=True, error_message="wrong")
        self.assertEqual(judge(document(self.calm, self.limit), failed), 1)


class Report(unittest.TestCase):
    def test_the_page_holds_everything_and_fetches_nothing(self):
        page = report.page([json.loads(json.dumps(document([10] * 5, [5] * 5))) for _ in range(2)])
        self.assertIn("yield/workers:1", page)
        self.assertIn("<polyline", page)
        for link in ("<script", "<link", "http://", "https://", "src="):
            self.assertNotIn(link, page)


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


if __name__ == "__main__":
    unittest.main()
