"""How the scheduler's own work grows with the number of workers, on machines that are not there.

hwloc is told of a large machine (HWLOC_SYNTHETIC, or HWLOC_XMLFILE for a file that lstopo wrote), so the workers choose
their victims as they would there; the CPUs stay those of this machine. So what is looked at is counts, not times: steals,
searches, parks, wakes and barriers per operation, and what thief and victim have in common. docs/scaling.md reads them.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

import context
import measure
import programs

# One line each: what it is called, how hwloc is told of it.
MACHINES = {
    "8x16": "numa:8 l3:2 l2:8 core:1 pu:1",  # 8 nodes of 16 cores, 8 of them around an L3
    "2x16": "numa:2 l3:2 l2:8 core:1 pu:1",
    "1x8x2": "pack:1 l3:1 l2:8 core:1 pu:2",  # 8 cores of two hardware threads
}
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128)
FULL = {"8x16": WORKERS, "2x16": (32,), "1x8x2": (16,)}
IDLE_WORKERS = (1, 8, 64, 128)
REPETITIONS = 3

IDLE_COROUTINES = 100000
IDLE_SETTLE_S = 5  # at most: one that is still busy then is busy for good
IDLE_WATCH_S = 3


@dataclass(frozen=True)
class Workload:
    name: str
    operation: str
    ops: int
    mode: str = ""
    ops_per_worker: int = 0

    def label(self):
        return self.name + (f" ({self.mode})" if self.mode else "")

    def operations(self, workers):
        return self.ops or self.ops_per_worker * workers


WORKLOADS = (
    Workload("fork_fib", "call", 50000000),
    Workload("spawn_fib", "call", 4000000),
    Workload("skynet", "node", 1111111),
    Workload("chan_mpmc", "item", 4000000),
    Workload("burst", "task of 5 µs", 20000),
    Workload("burst", "task that keeps its worker for 1 ms", 0, "asleep", 100),
)


def shown(number):
    """Three digits."""
    if number == 0:
        return "0"
    if abs(number) >= 100:
        return f"{number:.0f}"
    return f"{number:.3g}" if abs(number) >= 0.001 else f"{number:.0e}"


def over(a, b):
    return a / b if b else 0


# Of a result: what is printed, per thousand operations unless it says otherwise.
COLUMNS = {
    "steals": lambda r: r["steals"] + r["forks_stolen"],
    "each": lambda r: over(r["stolen"] + r["forks_stolen"], r["steals"] + r["forks_stolen"]),
    "exposed": lambda r: r["forks_exposed"],
    "searches": lambda r: r["searches"],
    "failed%": lambda r: 100 * over(r["searches_failed"], r["searches"]),
    "looks": lambda r: r["looks"],
    "parks": lambda r: r["parks"],
    "wakes": lambda r: r["wakes"],
    "robbed": lambda r: r["robberies"],
    "fences": lambda r: r["fences"],
    "core%": lambda r: share(r, "core"),
    "cache%": lambda r: share(r, "cache"),
    "node%": lambda r: share(r, "node"),
    "far%": lambda r: share(r, "nothing"),
    "cpu_us": lambda r: r["cpu_us"],
    "full_us": lambda r: r.get("full_us", 0),
}
RATIOS = ("each", "failed%", "core%", "cache%", "node%", "far%", "cpu_us", "full_us")  # not per operation


def share(result, what):
    taken = sum(result["shared_" + key] for key in ("core", "cache", "node", "nothing"))
    return 100 * over(result["shared_" + what], taken)


def figures(result):
    return {
        name: of(result) * (1 if name in RATIOS else 1000 / result["ops"]) for name, of in COLUMNS.items()
    }


# ---- running ----


@contextlib.contextmanager
def environment(changes):
    before = {key: os.environ.get(key) for key in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.__setitem__(key, value)


def told(machine):
    """The environment that makes hwloc see the machine: a description, or a file of lstopo."""
    if os.path.sep in machine:
        return {"HWLOC_XMLFILE": machine}
    return {"HWLOC_SYNTHETIC": MACHINES.get(machine, machine)}


def run_once(workload, machine, workers):
    argv = [str(programs.BUILD / "bench" / workload.name), "--workers", str(workers)]
    argv += ["--ops", str(workload.operations(workers))] + (["--mode", workload.mode] if workload.mode else [])
    with environment({"WEFT_BENCH_STATS": "1", **told(machine)}):
        cpu_before = measure.cpu_of_children()
        result = measure.finish(measure.run_to_end(argv, os.sched_getaffinity(0)))
        cpu_s = measure.cpu_of_children() - cpu_before
    result = {key.removeprefix("stats_"): value for key, value in result.items()}
    result["cpu_us"] = cpu_s * 1e6 / result["ops"]  # start and warm-up included
    return result


def run(workload, machine, workers, repetitions):
    each = [figures(run_once(workload, machine, workers)) for _ in range(repetitions)]
    return {name: median(one[name] for one in each) for name in COLUMNS}


# ---- an idle process, watched from outside ----


def watch(pid):
    """Voluntary switches, CPU time in ns, number: of all threads but the first, which is the program's own."""
    switches, cpu_ns, threads = 0, 0, 0
    for task in os.listdir(f"/proc/{pid}/task"):
        if int(task) == pid:
            continue
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as status:
            switches += next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt"))
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stat:
            cpu_ns += int(stat.read().split()[0])
        threads += 1
    return switches, cpu_ns, threads


def settle(pid):
    """Until no thread has used the CPU for half a second, or for as long as is reasonable."""
    time.sleep(1)
    for _ in range(2 * IDLE_SETTLE_S - 2):
        before = watch(pid)
        time.sleep(0.5)
        if watch(pid) == before:
            return


def watch_idle(machine, workers):
    argv = [str(programs.BUILD / "bench" / "idle_cpu"), "--workers", str(workers), "--ops", str(IDLE_COROUTINES)]
    with environment(told(machine)):
        idle = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        settle(idle.pid)
        before, began = watch(idle.pid), time.monotonic()
        time.sleep(IDLE_WATCH_S)
        after, seconds = watch(idle.pid), time.monotonic() - began
        if idle.poll() is not None or after[2] < workers:
            raise measure.Failed(f"idle_cpu with {workers} workers ended while it was watched")
        used_ns = after[1] - before[1]
        return {"threads": after[2], "switches": after[0] - before[0], "cpu%": used_ns / 1e7 / seconds}
    except (OSError, StopIteration) as error:
        raise measure.Failed(f"idle_cpu with {workers} workers: {error}") from None
    finally:
        idle.kill()
        idle.wait()


# ---- the tables ----


def print_table(title, names, rows):
    """Rows of (label, figures); a column in which all is 0 is left out."""
    names = [name for name in names if any(row[name] for _, row in rows)] or names[:1]
    cells = [["", *names]] + [[label, *(shown(row[name]) for name in names)] for label, row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    print(f"\n{title}")
    for row in cells:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths)))


def print_idle(rows):
    title = f"idle: {IDLE_COROUTINES} coroutines wait; all threads, in {IDLE_WATCH_S} s; % of one CPU"
    print(f"\n{title}\n  workers  threads  voluntary switches       cpu%")
    for workers, row in rows:
        print(f"  {workers:>7}  {row['threads']:>7}  {row['switches']:>18}  {row['cpu%']:>9.4f}")


def run_all(options, plan):
    entries = []
    for workload in WORKLOADS if options.only is None else options.only:
        rows = []
        for machine, counts in plan.items():
            for workers in counts:
                row = run(workload, machine, workers, options.repetitions)
                rows.append((f"{machine} {workers}", row))
                entries.append({"workload": workload.label(), "machine": machine, "workers": workers, **row})
        print_table(f"{workload.label()}, per 1000: {workload.operation}", list(COLUMNS), rows)
    if options.idle:
        machine = next(iter(plan))
        rows = [(workers, watch_idle(machine, workers)) for workers in options.workers or IDLE_WORKERS]
        print_idle(rows)
        entries += [{"workload": "idle", "machine": machine, "workers": workers, **row} for workers, row in rows]
    return entries


# ---- the command line ----


EPILOG = """machines: 8x16 (8 NUMA nodes of 16 cores, two L3 each; the default for 1 to 128 workers), 2x16, 1x8x2 (8 cores of two
hardware threads), a description of hwloc's such as "numa:4 l3:1 core:32 pu:2", or the path of a file that
`lstopo-no-graphics FILE.xml` wrote, with a slash in it.

columns: steals, of coroutines and forks; each: what one brought; exposed: forks offered; searches and how many failed;
looks: queues of others looked at; parks and wakes of workers; robbed: steals from a worker that had not dispatched for long;
fences: membarrier(2); core, cache, node, far: what thief and victim had in common; cpu_us: CPU time per operation; full_us:
from the start of a burst until all workers are up.

The exit status is 1 when a program failed, 2 when the command line makes no sense.
"""


def positive_counts(text):
    counts = text.split(",")
    if not all(count.isascii() and count.isdigit() and 1 <= int(count) <= 1024 for count in counts):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of numbers from 1 to 1024")
    return tuple(map(int, counts))


def a_machine(text):
    if os.path.sep in text:
        if not os.path.isfile(text):
            raise argparse.ArgumentTypeError(f"no file {text}")
        return text
    if text not in MACHINES and not understood(text):
        raise argparse.ArgumentTypeError(f"hwloc does not understand '{text}'; {', '.join(MACHINES)} have names")
    return text


def understood(description):
    """hwloc says so on stderr if it does not, and takes this machine instead."""
    probe = [str(programs.BUILD / "bench" / "burst"), "--ops", "1", "--workers", "2"]
    with environment({"HWLOC_SYNTHETIC": description, "HWLOC_SYNTHETIC_VERBOSE": "1"}):
        try:
            done = subprocess.run(probe, capture_output=True, text=True, timeout=60)
        except OSError as error:
            raise argparse.ArgumentTypeError(f"{probe[0]}: {error.strerror}") from None
    return done.returncode == 0 and not done.stderr


def workloads(text):
    chosen = [workload for workload in WORKLOADS if workload.name in text.split(",")]
    names = {workload.name for workload in WORKLOADS} | {"idle"}
    unknown = [name for name in text.split(",") if name not in names]
    if unknown:
        raise argparse.ArgumentTypeError(f"no workload '{unknown[0]}'; there are: {', '.join(sorted(names))}")
    return chosen, "idle" in text.split(",")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./run bench scaling",
        description="Run weft on machines that hwloc is told of, with 1 to 128 workers, and count per operation what the "
        "scheduler does: a study of what grows. Takes about two minutes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--machine", metavar="M", type=a_machine, help="this one only; default: all that have names")
    parser.add_argument("--workers", metavar="N,…", type=positive_counts, help="default: 1, 2, 4 … 128")
    parser.add_argument("--only", metavar="NAME,…", type=workloads, help="of: fork_fib, … burst, idle")
    parser.add_argument("--repetitions", metavar="N", type=int, default=REPETITIONS, choices=range(1, 100))
    options = parser.parse_args(arguments)
    options.only, options.idle = options.only or (None, True)
    folder = os.path.dirname(os.path.realpath(options.json)) if options.json else "/"
    if not os.path.isdir(folder):
        parser.error(f"no folder {folder}")
    return options


def main(arguments):
    options = parse(arguments)
    machines = [options.machine] if options.machine else list(MACHINES)
    plan = {machine: options.workers or FULL.get(machine, WORKERS) for machine in machines}
    try:
        entries = run_all(options, plan)
    except measure.Failed as failure:
        print(f"./run bench scaling: {failure}", file=sys.stderr)
        return 1
    if options.json:
        facts = context.collect(sorted(os.sched_getaffinity(0)))
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"context": facts, "machines": MACHINES, "scaling": entries}, out, indent=1, ensure_ascii=False)
            out.write("\n")
    return 0
