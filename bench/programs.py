"""The programs to run: weft's, the limits', the peers'; where they are, how they are built, why one is absent.

A peer has a folder under bench/peers. One whose toolchain is not installed is absent and said to be so; `--setup-peers`
installs what Debian has for it.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"  # --build-dir names another


@dataclass(frozen=True)
class Program:
    label: str  # "weft", "limit", "limit-uring", "go" …
    argv: tuple
    share: int = 1  # it does one share'th of the operations: it is too slow for all


@dataclass(frozen=True)
class Peer:
    name: str
    variants: dict = field(default_factory=dict)  # workload -> names of several programs; the best one counts
    shares: dict = field(default_factory=dict)  # workload -> Program.share
    workloads: tuple = ()  # those it takes part in; () = all that weft has
    tool: str = ""  # command that builds it; "" = CMake does
    package: str = ""  # Debian package that has the tool
    version: tuple = ()  # command that prints the version

    def argv(self, workload, variant):
        folder = BUILD / "bench"
        if self.name == "weft":
            return (str(folder / workload),)
        if self.name == "limit":
            return (str(folder / "_".join(filter(None, ("limit", workload, variant)))),)
        if self.tool:
            return (str(folder / "peers" / self.name), workload)
        return (str(folder / "peers" / f"{self.name}_{workload}"),)

    def programs(self, workload):
        """Those of one workload, and the reason why there is none."""
        if self.workloads and workload not in self.workloads:
            return [], "does not take part"
        found = []
        for variant in self.variants.get(workload, ("",)):
            argv = self.argv(workload, variant)
            if os.access(argv[0], os.X_OK):
                label = f"{self.name}-{variant}" if variant else self.name
                found.append(Program(label, argv, self.shares.get(workload, 1)))
        if found:
            return found, ""
        if self.tool and not shutil.which(self.tool):
            return [], f"no {self.tool} (./run bench --setup-peers installs {self.package})"
        return [], "not built"

    def build(self):
        """Build what CMake does not. True unless it failed."""
        if not self.tool or not shutil.which(self.tool):
            return True
        target = BUILD / "bench" / "peers" / self.name
        target.parent.mkdir(parents=True, exist_ok=True)
        return run_quietly([self.tool, "build", "-o", str(target), "."], ROOT / "bench" / "peers" / self.name)


PEERS = (
    Peer("weft"),
    Peer("limit", variants={"echo": ("epoll", "uring"), "file_read": ("pread", "uring")}),
    Peer(
        "pthread",
        shares={"yield": 20, "spawn_join": 100, "pingpong": 100},
        workloads=("yield", "spawn_join", "pingpong", "echo"),
    ),
    Peer(
        "go",
        shares={"yield": 4, "spawn_join": 5, "pingpong": 5},
        workloads=("yield", "spawn_join", "pingpong", "echo"),
        tool="go",
        package="golang-go",
        version=("go", "version"),
    ),
)


def find(name):
    for peer in PEERS:
        if peer.name == name:
            return peer
    return None


def run_quietly(command, folder=ROOT):
    """Run it; print its output only when it fails."""
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        print(f"failed: {' '.join(map(str, command))}", file=sys.stderr)
    return done.returncode == 0


def build_all():
    """Bring all programs up to date. What fails to build is absent, and what failed has been printed. True if all went
    well."""
    good = True
    if not (BUILD / "CMakeCache.txt").exists():
        good = run_quietly(["cmake", "-S", str(ROOT), "--preset", "release"])
    if good:
        jobs = str(os.cpu_count() or 1)
        # -k 0: a program that does not build must not take the others with it.
        build = ["cmake", "--build", str(BUILD), "--target", "weft_bench", "--parallel", jobs, "--", "-k", "0"]
        good = run_quietly(build)
    for peer in PEERS:
        good = peer.build() and good
    return good


def setup_peers():
    """Install the toolchains that peers lack. Returns the exit status."""
    missing = [p.package for p in PEERS if p.tool and not shutil.which(p.tool)]
    if missing:
        command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            print("install them with\nsudo " + " ".join(command), file=sys.stderr)
            return 2
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        print("installing " + " ".join(missing), file=sys.stderr)
        if not (run_quietly(["apt-get", "update", "-q"]) and run_quietly(command)):
            return 1
    good = True
    for peer in PEERS:
        good = peer.build() and good
        if peer.tool:
            print(f"{peer.name}: {'ready' if os.access(peer.argv('', '')[0], os.X_OK) else 'not built'}")
    return 0 if good else 1
