"""The workloads: what each asks, how much work one repetition is, and what weft has to reach.

A bound compares times of the same run: `factor` is the most that weft's may be of the other's. "limit" is the limit
program (the better one where there are several), "best" the best peer that is neither weft nor the limit.
"""

from dataclasses import dataclass

REPETITIONS = 5  # never fewer: compare.py cannot call anything significant below that
FULL_REPETITIONS = 10


@dataclass(frozen=True)
class Bound:
    against: str  # "limit" or "best"
    factor: float
    workers: int | None = None  # None: for any number
    metric: str = "real_time"

    def text(self):
        what = {"real_time": "time", "p99_us": "p99"}[self.metric]
        who = {"limit": "limit", "best": "best peer"}[self.against]
        return f"{what} ≤ {self.factor:.4g} × {who}"


@dataclass(frozen=True)
class Workload:
    name: str
    operation: str  # what one operation is
    bounds: tuple = ()
    workers: tuple = (1, 2)
    ops: int = 0  # operations of one repetition; a program too slow for that gets a known fraction (programs.py)
    connections: tuple = ()  # not empty: a server under load, one configuration for each number

    def is_server(self):
        return bool(self.connections)


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
        "pingpong",
        "one hop between two coroutines over two unbuffered channels",
        (Bound("limit", 5), Bound("best", 0.25)),
        ops=10_000_000,
    ),
    Workload(
        "echo",
        "one 64-byte request and its answer over loopback TCP",
        (Bound("limit", 1 / 0.95), Bound("limit", 1.1, metric="p99_us"), Bound("best", 1)),
        workers=(1,),
        connections=(256, 4096),
    ),
)


@dataclass(frozen=True)
class Configuration:
    """A workload with its parameters: what programs are compared on."""

    workload: Workload
    workers: int
    connections: int = 0

    def name(self, peer):
        tail = f"/connections:{self.connections}" if self.connections else ""
        return f"{self.workload.name}/{peer}/workers:{self.workers}{tail}"

    def title(self):
        words = [self.workload.name, f"{self.workers} worker" + ("s" if self.workers > 1 else "")]
        if self.connections:
            words.append(f"{self.connections} connections")
        return ", ".join(words)

    def bounds(self):
        return [b for b in self.workload.bounds if b.workers in (None, self.workers)]


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
        spare = 1 if workload.is_server() else 0
        if workers is not None:
            counts = [workers] if workers + spare <= cpus or not spare else []
        else:
            counts = [n for n in workload.workers if n + spare <= cpus]
        for count in counts:
            for connections in workload.connections or (0,):
                if connections <= effort.most_connections:
                    result.append(Configuration(workload, count, connections))
    return result
