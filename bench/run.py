#!/usr/bin/env python3
"""The benchmark suite: builds the programs, runs them side by side, says what came out. See docs/benchmarks.md.

Each repetition of a configuration runs weft, its limit and its peers next to each other in random order, and what is
reported is the median of the ratios within a repetition: a machine that slows down for a while slows down all of them.
"""

import argparse
import os
import random
import shlex
import sys
import textwrap
import time
from pathlib import Path

sys.dont_write_bytecode = True

import compare  # noqa: E402
import context  # noqa: E402
import measure  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import scaling  # noqa: E402
import suite  # noqa: E402


EPILOG = """also:
  compare A.json B.json    did weft become significantly slower from A to B? exits with 1 if so
  scaling [--json FILE]    counts per operation with 1 to 128 workers on machines that are not there
  report DIR               DIR/report.html, one page with plots, from all results of --json in DIR

The table shows, for each workload, weft beside its limit (the same work without a scheduler) and its peers. The exit
status is 1 when a program failed or is not built, 2 when the command line makes no sense; a missed bound is a result
and no failure. docs/benchmarks.md says how it is measured.
"""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description="Run the benchmarks and print how weft compares with its limit and its peers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="./run bench [OPTIONS] | compare A.json B.json | report DIR | scaling [OPTIONS]",
        allow_abbrev=False,
    )
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="small amounts of work: a look, not a measurement")
    effort.add_argument("--full", action="store_true", help="large amounts of work, more repetitions")
    parser.add_argument("--only", metavar="NAME,…", help="these workloads (--list names them)")
    parser.add_argument("--vs", metavar="PEER,…|none", help="weft and these only (limit is one); none: weft alone")
    default = f"default: {suite.REPETITIONS}, with --full {suite.FULL_REPETITIONS}"
    parser.add_argument("--repetitions", type=count, metavar="N", help=f"of each program; {default}")
    parser.add_argument("--workers", type=count, metavar="N", help="default: what the workload asks for")
    parser.add_argument("--json", metavar="FILE", help="write the results there, in google/benchmark's schema")
    parser.add_argument("--html", metavar="FILE", help="write a page with plots there")
    parser.add_argument("--seed", type=int, metavar="N", help="of the random order; default: a new one")
    parser.add_argument("--list", action="store_true", help="print the workloads, their bounds, and the peers")
    parser.add_argument(
        "--setup-peers",
        nargs="?",
        const="here",
        choices=("here", "trixie"),
        help="install and build what the peers need; trixie: under build/peers/trixie, newer versions of it",
    )
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    parser.add_argument("--build-dir", metavar="DIR", help="where the programs are built; default: build/release")
    options = parser.parse_args(arguments)
    for path in (options.json, options.html):
        if path and not writable(path):
            parser.error(f"cannot write {path}")
    return options


def count(text):
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of at least 1")
    return int(text)


def writable(path):
    """Asked before an hour of measuring, not after it."""
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    return os.path.isdir(folder) and os.access(folder, os.W_OK) and (os.path.isfile(path) or not os.path.exists(path))


def refuse(text):
    print(f"./run bench: {text}", file=sys.stderr)
    sys.exit(2)


def choose(names, known, what):
    """The named ones of a table, in the table's order, or an error that says which there are."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in [item.name for item in known]]
    if unknown or not wanted:
        refuse(f"no {what} '{','.join(unknown) or names}'; there are: {', '.join(item.name for item in known)}")
    return [item for item in known if item.name in wanted]


def choose_peers(vs):
    if vs is None:
        return list(programs.PEERS)
    weft = programs.find("weft")
    if vs == "none":
        return [weft]
    return [weft] + [peer for peer in choose(vs, programs.PEERS, "peer") if peer is not weft]


def print_list():
    print("workloads: one operation, the numbers of workers, what weft has to reach")
    for workload in suite.WORKLOADS:
        counts = ", ".join(map(str, workload.workers)) + (" and more" if workload.scales else "")
        print(f"  {workload.name:<14}{workload.operation} ({counts} worker{'s' * (counts != '1')})")
        for bound in workload.bounds:
            many = "s" * (bound.workers != 1)
            where = [f"{bound.workers} worker{many}"] if bound.workers else []
            if bound.mode is not None:
                where.append(f"mode {bound.mode}" if bound.mode else "plain")
            where = ", ".join(where)
            print(f"  {'':<14}  {bound.text()}" + (f" ({where})" if where else ""))
    print("\npeers: the workloads that they take part in")
    for peer in programs.PEERS:
        print_peer(peer)


def print_peer(peer):
    ready, missing = [], {}
    for workload in suite.WORKLOADS:
        found, reason = programs_of(peer, suite.Configuration(workload, min(workload.workers)))
        if found:
            ready.append(workload.name)
        elif reason not in ("does not take part", "this workload has none"):
            missing.setdefault(reason, []).append(workload.name)
    absent = [f"absent from {', '.join(names)}: {reason}" for reason, names in missing.items()]
    lines = [", ".join(ready)] * bool(ready) + absent or ["none"]
    lines = [part for line in lines for part in textwrap.wrap(line, 100)]
    for i, line in enumerate(lines):
        print(f"  {peer.name if i == 0 else '':<14}{line}")


# ---- running ----


def programs_of(peer, configuration):
    """A peer's programs for one configuration, and the reason why there is none. One that has no program for the
    workload may have one that does the same."""
    workload = configuration.workload
    if configuration.mode in workload.own_modes and peer.name not in ("weft", "limit"):
        return [], "does not take part"
    if peer.name == "limit" and not workload.limit:
        return [], "this workload has none"
    found, reason = peer.programs(workload.name, configuration.workers)
    if not found and workload.like and peer.name != "weft":
        found = peer.programs(workload.like, configuration.workers)[0]
    return found, reason


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
        results.link(self.tables)

    def add(self, configuration, peers):
        rows, absent = [], []
        for peer in peers:
            found, reason = programs_of(peer, configuration)
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
        effort = self.effort
        if configuration.workload.is_server():
            rate = self.rates.get(configuration, 0)
            return measure.run_server(program, configuration, repetition, effort, rate, self.cpus)
        return measure.run_cpu(program, configuration, repetition, effort, self.cpus)

    def calibrate(self, table):
        """The rate of the open phase: half of what the better limit program (else the first that works) can do. All
        servers get the same one."""
        configuration = table.configuration
        if configuration.workload.rate is not None:
            self.rates[configuration] = configuration.workload.rate
            return
        self.say(f"calibrating: {configuration.title()}")
        candidates = programs_of(programs.find("limit"), configuration)[0]
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
        """A program that failed, or a workload that weft has no program for."""
        return any(row.failures for table in self.tables for row in table.rows) or not all(
            any(row.peer == "weft" for row in table.rows) for table in self.tables
        )


def describe(facts, seed):
    print(f"{facts['cpu_model']}, CPUs {','.join(map(str, facts['affinity']))}, {facts['kernel'].split(' #')[0]}")
    if facts["compiler"]:
        print(f"{facts['compiler']} {facts['flags']}")
    print(f"weft {facts['versions'].get('weft', '?')}, commit {facts['commit'][:12]}{' + changes' * facts['dirty']}")
    load = facts["load_avg"][0]
    print(f"seed {seed}, load {load:.2f}" + (": not idle, expect noise" if load > 0.5 else ""))


def command(arguments, seed):
    """What to type to get the same again."""
    words = [word for word in arguments if not word.startswith("--seed=")]
    if "--seed" in words:
        at = words.index("--seed")
        del words[at : at + 2]
    return shlex.join(["./run", "bench", *words, "--seed", str(seed)])


def run_suite(options, arguments):
    effort = suite.QUICK if options.quick else suite.FULL if options.full else suite.NORMAL
    workloads = choose(options.only, suite.WORKLOADS, "workload") if options.only is not None else suite.WORKLOADS
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
    if repetitions < compare.FEWEST:
        print(f"{repetitions} repetitions: `compare` judges nothing below {compare.FEWEST}")
    run = Run(configurations, peers, effort, repetitions, seed)
    disturbance, began = context.Disturbance(), time.monotonic()
    run.run()
    facts.update(seed=seed, effort=effort.name, repetitions=repetitions, command=command(arguments, seed))
    facts.update(disturbance.facts(), seconds=round(time.monotonic() - began, 1))
    for table in run.tables:
        results.print_table(table)
    results.print_summary(run.tables)
    if facts["steal_percent"] > 1:
        print(f"the hypervisor gave {facts['steal_percent']} % of the CPU time to others: trust no small difference")
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
    if arguments[:1] == ["scaling"]:
        return scaling.main(arguments[1:])
    options = parse(arguments)
    if options.build_dir:
        programs.BUILD = Path(options.build_dir).resolve()
    if options.setup_peers:
        return programs.setup_peers(options.setup_peers)
    if options.list:
        print_list()
        return 0
    return run_suite(options, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
