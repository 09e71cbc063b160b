"""The workloads: what each asks, how much work one repetition is, and what weft has to reach.

A bound compares figures of the same run: `factor` is the most that weft's may be of the other's.
"""

from dataclasses import dataclass, replace

REPETITIONS = 5  # never fewer: compare.py cannot call anything significant below that
FULL_REPETITIONS = 10

TITLES = {
    "real_time": "time",
    "p50_us": "p50",
    "p99_us": "p99",
    "p999_us": "p99.9",
    "max_us": "maximum",
    "over_ms": "time over the ideal",
    "wall_ms": "wall time",
    "bytes_per_coroutine": "memory per coroutine",
    "cpu_percent": "CPU time",
    "switches_per_s": "wake-ups of a worker",
}
UNITS = {
    "real_time": "ns",
    "over_ms": "ms",
    "wall_ms": "ms",
    "bytes_per_coroutine": "bytes",
    "cpu_percent": "%",
    "switches_per_s": "per second",
}


@dataclass(frozen=True)
class Bound:
    """`against` is "limit" (the better limit program where there are several), "best" (the best peer that is neither
    weft nor the limit), the name of a peer, "self:workers=1" (weft with one worker), or "absolute": then `factor` is the
    figure itself, in the metric's unit (real_time: nanoseconds per operation)."""

    against: str
    factor: float
    workers: int | None = None  # None: for any number
    metric: str = "real_time"
    mode: str | None = None  # None: for any
    per_worker: bool = False  # with N workers weft's may be factor ÷ N of the other's

    def text(self):
        what = TITLES.get(self.metric, self.metric)
        if self.against == "absolute":
            unit = UNITS.get(self.metric, "µs" if self.metric.endswith("_us") else "")
            return f"{what} ≤ {self.factor:.4g} {unit}".rstrip()
        who = {"best": "best peer", "self:workers=1": "1 worker"}.get(self.against, self.against)
        return f"{what} ≤ {self.factor:.4g} × {who}" + " ÷ workers" * self.per_worker

    def applies(self, configuration):
        if self.against == "self:workers=1" and configuration.workers == 1:
            return False
        return self.workers in (None, configuration.workers) and self.mode in (None, configuration.mode)

    def at(self, workers):
        """The same bound for so many workers."""
        return replace(self, factor=self.factor / workers, per_worker=False) if self.per_worker else self


# What one more worker has to bring, while there are CPUs for it.
SCALING = Bound("self:workers=1", 1 / 0.9, per_worker=True)


@dataclass(frozen=True)
class Workload:
    name: str
    operation: str  # what one operation is
    bounds: tuple = ()
    workers: tuple = (1, 2)
    ops: int = 0  # operations of one repetition; a program too slow for that gets a known fraction (programs.py)
    quick_ops: int | None = None  # with --quick, and ops with --full too; None: a part of ops, and more than ops
    quick_workers: tuple | None = None  # with --quick; None: as workers
    quick_modes: tuple | None = None  # with --quick; None: as modes
    connections: tuple = ()  # not empty: a server under load, one configuration for each number
    modes: tuple = ("",)  # forms of it, one configuration each; "" is the plain one (--mode of the programs)
    scales: bool = False  # also with 4, 8 … workers, and with all CPUs
    spare: int = 0  # CPUs that the program needs beside those of its workers
    limit: bool = True  # is there a limit program?
    like: str = ""  # a workload that does the same: its limit, and its peers' programs, stand in for missing ones
    shown: tuple = ()  # metrics to print beside the time
    own_modes: tuple = ()  # those that only weft and its limit know
    server: str = ""  # a client: the program that it asks, started for it on the last CPU
    load: tuple = ()  # more arguments for the load generator
    rate: int | None = None  # requests per second of its open phase; 0: none; None: half of what the limit can do

    def is_server(self):
        return bool(self.connections)

    def operations(self, effort):
        if self.quick_ops is not None:
            return self.quick_ops if effort is QUICK else self.ops
        return int(self.ops * effort.ops_factor)

    def worker_counts(self, cpus, effort=None):
        """Those that the CPUs can carry."""
        most = cpus - self.spare - self.is_server()
        wanted = self.quick_workers if effort is QUICK and self.quick_workers else self.workers
        counts = {n for n in wanted if n <= most}
        if self.scales and most > 0:
            counts |= {n for n in (4 << i for i in range(16)) if n <= most} | {most}
        return sorted(counts)


@dataclass(frozen=True)
class Effort:
    """How much of everything: --quick, the default, --full."""

    name: str
    repetitions: int
    ops_factor: float
    server_seconds: float  # of each of the two phases of the load generator
    server_warmup: float
    most_connections: int


QUICK = Effort("quick", REPETITIONS, 0.2, 0.35, 0.1, 256)
NORMAL = Effort("normal", REPETITIONS, 1.0, 1.0, 0.3, 1 << 30)
FULL = Effort("full", FULL_REPETITIONS, 2.0, 3.0, 0.5, 1 << 30)

WORKLOADS = (
    Workload(
        "switch",
        "one bare symmetric switch between two contexts",
        (Bound("limit", 1.15),),
        workers=(1,),
        ops=50_000_000,
    ),
    Workload(
        "generator",
        "one next of a generator: into its body and back",
        (Bound("limit", 1.5, workers=1),),
        workers=(1,),
        ops=20_000_000,
    ),
    Workload(
        "yield",
        "one yield of two coroutines that yield to each other through the scheduler",
        (Bound("limit", 2, workers=1), Bound("best", 0.5, workers=1)),
        workers=(1,),
        ops=20_000_000,
    ),
    Workload(
        "spawn_join",
        "spawn one empty child and join it",
        (Bound("limit", 2, workers=1), Bound("limit", 4, workers=2)),
        ops=5_000_000,
    ),
    Workload(
        "spawn_batch",
        "one of 100,000 coroutines that are spawned before they are joined",
        (Bound("absolute", 60, workers=1), Bound("self:workers=1", 1, workers=2)),
        ops=1_000_000,
    ),
    Workload(
        "fork_fib",
        "one call of fib(n), half of them forked",
        (Bound("limit", 2, workers=1), Bound("self:workers=1", 1 / 1.8, workers=2), SCALING),
        ops=7_049_155,  # fib(32)
        scales=True,
        like="spawn_fib",
    ),
    Workload(
        "spawn_fib",
        "one call of fib(n), half of them spawned and joined",
        (Bound("go", 0.1), SCALING),
        ops=242_785,  # fib(25)
        scales=True,
        like="fork_fib",
    ),
    Workload(
        "skynet",
        "one node of a tree of coroutines, ten children each, a million leaves",
        (Bound("go", 1 / 8),),
        ops=1_111_111,
    ),
    Workload(
        "skynet_fork",
        "one node of the same tree, forked",
        (Bound("libfork", 1 / 3),),
        ops=1_111_111,
        like="skynet",
    ),
    Workload(
        "pingpong",
        "one hop between two coroutines over two unbuffered channels",
        (Bound("limit", 5), Bound("best", 0.25)),
        ops=10_000_000,
    ),
    Workload(
        "ring",
        "one hop of a token in a ring of 503 coroutines",
        (Bound("limit", 3), Bound("best", 0.5)),
        ops=5_000_000,
    ),
    Workload(
        "chan_mpmc",
        "one item from 4 producers to 4 consumers through a channel of capacity 128",
        (Bound("absolute", 12, workers=1), Bound("absolute", 25, workers=2), Bound("best", 1 / 1.5)),
        ops=10_000_000,
    ),
    Workload(
        "mutex",
        "one lock and unlock of a mutex that 64 coroutines share",
        (Bound("limit", 1.1, workers=1), Bound("best", 1, workers=2)),
        ops=20_000_000,
    ),
    Workload(
        "timers",
        "one of a million sleeps of 1 to 1000 ms at the same time",
        (Bound("absolute", 150, metric="over_ms"), Bound("absolute", 2000, metric="p99_us")),
        ops=1_000_000,
        quick_ops=100_000,
        quick_workers=(1,),
        shown=("over_ms", "p50_us", "p99_us", "max_us"),
    ),
    Workload(
        "timers_cancel",
        "one timeout, started and stopped; one of a hundred fires before",
        (Bound("absolute", 40),),
        workers=(1,),
        ops=1_000_000,
    ),
    Workload(
        "idle_memory",
        "spawning one coroutine and getting it to wait; its memory is the figure that counts",
        (
            Bound("absolute", 4.9 * 1024, metric="bytes_per_coroutine", mode=""),
            Bound("absolute", 4.4 * 1024, metric="bytes_per_coroutine", mode="stack64K"),
        ),
        workers=(1,),
        ops=1_000_000,
        quick_ops=100_000,
        modes=("", "stack64K"),
        own_modes=("stack64K",),
        shown=("bytes_per_coroutine",),
    ),
    Workload(
        "wake",
        "one wake-up of a coroutine that sleeps on one worker, by a coroutine on another",
        (Bound("limit", 1.2, metric="p50_us"), Bound("limit", 1.2, metric="p99_us")),
        workers=(2,),
        ops=5000,
        shown=("p50_us", "p99_us", "max_us"),
    ),
    Workload(
        "foreign_spawn",
        "one coroutine spawned by a plain thread that does nothing else",
        (Bound("absolute", 100),),
        workers=(1,),
        ops=2_000_000,
        limit=False,
        spare=1,
    ),
    Workload(
        "idle_cpu",
        "one of 100,000 coroutines that wait for seconds; its time is that of the CPU",
        (Bound("absolute", 0.1, metric="cpu_percent"), Bound("absolute", 1, metric="switches_per_s")),
        workers=(2,),
        ops=100_000,
        quick_ops=100_000,
        limit=False,
        shown=("cpu_percent", "switches_per_s"),
    ),
    Workload(
        "echo",
        "one 64-byte request and its answer over loopback TCP",
        (Bound("limit", 1 / 0.95), Bound("limit", 1.1, metric="p99_us"), Bound("best", 1), SCALING),
        workers=(1,),
        connections=(256, 4096),
        scales=True,
    ),
    Workload(
        "stall_echo",
        "one 64-byte request, while one of a hundred wants a millisecond of computing; latencies of the others",
        (Bound("go", 0.5, metric="p999_us"),),
        workers=(1, 2),
        connections=(64,),
        limit=False,
        load=("--stall", "1"),
        rate=10_000,
    ),
    Workload(
        "http",
        "one HTTP request and its plain answer, on connections that stay",
        (Bound("limit", 1 / 0.95), Bound("best", 1)),
        workers=(1,),
        connections=(256,),
        load=("--protocol", "http"),
    ),
    Workload(
        "bulk",
        "one MiB of large HTTP answers",
        (Bound("limit", 1 / 0.95),),
        workers=(1,),
        connections=(1, 16),
        modes=("", "sendfile"),
        quick_modes=("",),
        own_modes=("sendfile",),
        load=("--protocol", "bulk"),
        rate=0,
        shown=("gb_per_s", "cpu_ns_per_byte"),
    ),
    Workload(
        "file_read",
        "one read of 4 KiB at random, 64 at a time, from the page cache or the disk",
        (Bound("limit", 1 / 0.95),),
        workers=(1,),
        ops=100_000,
        quick_ops=10_000,
        modes=("", "direct"),
    ),
    Workload(
        "crawl",
        "one of 2,000 pages that come 50 ms after they were asked for, 500 at a time",
        (
            Bound("absolute", 216, metric="wall_ms", mode=""),
            Bound("absolute", 260, metric="wall_ms", mode="new"),
        ),
        workers=(1,),
        ops=2000,
        quick_ops=2000,
        modes=("", "new"),
        spare=1,
        server="page_server",
        shown=("wall_ms",),
    ),
)


@dataclass(frozen=True)
class Configuration:
    """A workload with its parameters: what programs are compared on."""

    workload: Workload
    workers: int
    connections: int = 0
    mode: str = ""

    def name(self, peer):
        tail = f"/connections:{self.connections}" if self.connections else ""
        tail += f"/mode:{self.mode}" if self.mode else ""
        return f"{self.workload.name}/{peer}/workers:{self.workers}{tail}"

    def title(self):
        words = [self.workload.name, f"{self.workers} worker" + ("s" if self.workers > 1 else "")]
        if self.connections:
            words.append(f"{self.connections} connection" + ("s" if self.connections > 1 else ""))
        if self.mode:
            words.append(self.mode)
        return ", ".join(words)

    def bounds(self):
        return [b.at(self.workers) for b in self.workload.bounds if b.applies(self)]

    def with_one_worker(self):
        """The configuration that bounds against "self:workers=1" are about."""
        return replace(self, workers=1)


def find(name):
    for workload in WORKLOADS:
        if workload.name == name:
            return workload
    return None


def configurations(workloads, effort, cpus, workers=None):
    """All configurations to run. A number of workers that the CPUs cannot carry is left out, unless it was asked for;
    a server needs a CPU beside its own for the load generator."""
    result = []
    for workload in workloads:
        if workers is None:
            counts = workload.worker_counts(cpus, effort)
        else:
            spare = workload.spare + workload.is_server()
            counts = [workers] if workers + spare <= cpus or not spare else []
        modes = workload.quick_modes if effort is QUICK and workload.quick_modes else workload.modes
        for count in counts:
            for connections in workload.connections or (0,):
                if connections <= effort.most_connections:
                    result += [Configuration(workload, count, connections, mode) for mode in modes]
    return result
