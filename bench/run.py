#!/usr/bin/env python3
"""The benchmark suite: builds the programs, runs them side by side, says what came out. See docs/benchmarks.md.

Each repetition of a configuration runs weft, its limit and its peers next to each other in random order, and what is
reported is the median of the ratios within a repetition: a machine that slows down for a while slows down all of them.
"""

import argparse
import os
import random
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import compare  # noqa: E402
import context  # noqa: E402
import measure  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import suite  # noqa: E402


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description="Run the benchmarks. Also: ./run bench compare A.json B.json, ./run bench report DIR.",
    )
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="small amounts of work, under a minute")
    effort.add_argument("--full", action="store_true", help="large amounts of work, more repetitions")
    parser.add_argument("--only", metavar="NAME,…", help="these workloads")
    parser.add_argument("--vs", metavar="PEER,…|none", help="weft and these peers only (limit is one)")
    parser.add_argument("--repetitions", type=positive, metavar="N", help=f"default {suite.REPETITIONS}")
    parser.add_argument("--workers", type=positive, metavar="N", help="default: what the workload asks for")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    parser.add_argument("--html", metavar="FILE", help="write a report with plots there")
    parser.add_argument("--seed", type=int, metavar="N", help="of the random order; default: a new one")
    parser.add_argument("--list", action="store_true", help="print the workloads and peers")
    parser.add_argument(
        "--setup-peers",
        nargs="?",
        const="here",
        choices=("here", "trixie"),
        help="install and build what the peers need; trixie: under build/peers/trixie, newer versions of it",
    )
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    parser.add_argument("--build-dir", metavar="DIR", help="where the programs are built; default: build/release")
    return parser.parse_args(arguments)


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def refuse(text):
    print(text, file=sys.stderr)
    sys.exit(2)


def choose(names, known, what):
    """The named ones of a table, or an error that says which there are."""
    chosen = []
    for name in names.split(","):
        found = [item for item in known if item.name == name]
        if not found:
            refuse(f"no {what} '{name}'; there are: {', '.join(item.name for item in known)}")
        chosen += found
    return chosen


def choose_peers(vs):
    if vs is None:
        return list(programs.PEERS)
    weft = programs.find("weft")
    if vs == "none":
        return [weft]
    return [weft] + [peer for peer in choose(vs, programs.PEERS, "peer") if peer is not weft]


def print_list():
    for workload in suite.WORKLOADS:
        print(f"{workload.name:<14}{workload.operation}")
        for bound in workload.bounds:
            workers = f" ({bound.workers} workers)" if bound.workers else ""
            print(f"{'':<14}  bound: {bound.text()}{workers}")
    for peer in programs.PEERS:
        reasons = [peer.programs(workload.name) for workload in suite.WORKLOADS]
        ready = [w.name for w, (found, _) in zip(suite.WORKLOADS, reasons) if found]
        missing = sorted({reason for found, reason in reasons if not found and reason != "does not take part"})
        print(f"{peer.name:<14}" + "; ".join(filter(None, (", ".join(ready), *(f"absent: {m}" for m in missing)))))


# ---- running ----


class Run:
    """All repetitions of all configurations."""

    def __init__(self, configurations, peers, effort, repetitions, seed):
        self.effort = effort
        self.repetitions = repetitions
        self.random = random.Random(seed)
        self.cpus = sorted(os.sched_getaffinity(0))
        self.rates = {}
        self.programs = {}
        self.tables = []
        for configuration in configurations:
            self.add(configuration, peers)

    def add(self, configuration, peers):
        rows, absent = [], []
        for peer in peers:
            found, reason = peer.programs(configuration.workload.name, configuration.workers)
            for program in found:
                row = results.Row(program.label, peer.name)
                self.programs[id(row)] = program
                rows.append(row)
            if not found:
                absent.append((peer.name, reason))
        self.tables.append(results.Table(configuration, rows, absent))

    def run(self):
        for table in self.tables:
            if table.configuration.workload.is_server() and table.rows:
                self.calibrate(table)
        for repetition in range(self.repetitions):
            for table in self.random.sample(self.tables, len(self.tables)):
                self.say(f"repetition {repetition + 1} of {self.repetitions}: {table.configuration.title()}")
                for row in self.random.sample(table.rows, len(table.rows)):
                    self.run_one(table.configuration, row, repetition)
        self.say("")

    def say(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def run_one(self, configuration, row, repetition):
        try:
            row.repetitions[repetition] = self.measure(configuration, self.programs[id(row)], repetition)
        except measure.Failed as failure:
            row.failures[repetition] = str(failure)
            self.say("")
            print(f"FAILED: {configuration.name(row.label)}: {failure}", file=sys.stderr)

    def measure(self, configuration, program, repetition):
        workload, workers, effort = configuration.workload, configuration.workers, self.effort
        if workload.is_server():
            rate = self.rates.get(configuration, 0)
            return measure.run_server(
                program, workers, repetition, configuration.connections, effort, rate, self.cpus
            )
        ops = int(workload.ops * effort.ops_factor)
        return measure.run_cpu(program, workers, repetition, ops, effort is suite.QUICK, self.cpus)

    def calibrate(self, table):
        """The rate of the open phase: half of what the better limit program (else the first that works) can do. All
        servers get the same one."""
        configuration = table.configuration
        self.say(f"calibrating: {configuration.title()}")
        candidates = programs.find("limit").programs(configuration.workload.name)[0]
        candidates = candidates or [self.programs[id(row)] for row in table.rows]
        best = 0
        for program in candidates:
            try:
                best = max(best, 1e9 / self.measure(configuration, program, 0)["real_time"])
            except measure.Failed as failure:
                print(f"calibration: {configuration.name(program.label)}: {failure}", file=sys.stderr)
        if best:
            self.rates[configuration] = max(1000, int(best / 2 / 1000) * 1000)

    def failed(self):
        return any(row.failures for table in self.tables for row in table.rows)


def describe(facts, seed):
    print(f"{facts['cpu_model']}, CPUs {','.join(map(str, facts['affinity']))}, {facts['kernel'].split(' #')[0]}")
    if facts["compiler"]:
        print(f"{facts['compiler']} {facts['flags']}")
    print(f"weft {facts['versions'].get('weft', '?')}, commit {facts['commit'][:12]}{' + changes' * facts['dirty']}")
    load = facts["load_avg"][0]
    print(f"seed {seed}, load {load:.2f}" + (": not idle, expect noise" if load > 0.5 else ""))


def run_suite(options):
    effort = suite.QUICK if options.quick else suite.FULL if options.full else suite.NORMAL
    workloads = choose(options.only, suite.WORKLOADS, "workload") if options.only else list(suite.WORKLOADS)
    peers = choose_peers(options.vs)
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    cpus = sorted(os.sched_getaffinity(0))
    configurations = suite.configurations(workloads, effort, len(cpus), options.workers)
    if not configurations:
        refuse(f"nothing to run on {len(cpus)} CPUs with these options")
    built = options.no_build or programs.build_all()
    facts = context.collect(cpus)
    describe(facts, seed)
    repetitions = options.repetitions or effort.repetitions
    run = Run(configurations, peers, effort, repetitions, seed)
    run.run()
    facts.update(seed=seed, effort=effort.name, repetitions=repetitions)
    facts["load_avg_after"] = list(os.getloadavg())
    for table in run.tables:
        results.print_table(table)
    document = results.document(run.tables, facts)
    if options.json:
        results.write_json(options.json, document)
    if options.html:
        report.write(options.html, [document])
    return 1 if run.failed() or not built else 0


def main(arguments):
    if arguments[:1] == ["compare"]:
        return compare.main(arguments[1:])
    if arguments[:1] == ["report"]:
        return report.main(arguments[1:])
    options = parse(arguments)
    if options.build_dir:
        programs.BUILD = Path(options.build_dir).resolve()
    if options.setup_peers:
        return programs.setup_peers(options.setup_peers)
    if options.list:
        print_list()
        return 0
    return run_suite(options)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
