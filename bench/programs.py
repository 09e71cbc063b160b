"""The programs to run: weft's, the limits', the peers'; where they are, how they are built, why one is absent.

A peer has a folder under bench/peers. If it is not plain C, which CMake builds, the folder has a script `build` that makes
one executable file of it. What it needs comes from Debian packages: `--setup-peers` installs those of this machine, and
`--setup-peers=trixie` puts a Debian 13 with newer ones under build/peers/trixie. Once that is there, and the caller is
root, the peers are built and run inside it.
"""

import contextlib
import glob
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


# ---- systems: where a peer's packages are installed and its program runs ----


@dataclass(frozen=True)
class System:
    """This machine, or another Debian in a folder."""

    folder: Path = Path("/")

    def is_here(self):
        return self.folder == Path("/")

    def usable(self):
        """Only root may enter another root directory."""
        return self.is_here() or (self.folder.is_dir() and os.geteuid() == 0 and bool(shutil.which("unshare")))

    def command(self, *argv):
        """As it is called from here. The process stays the one that was started; it has a /proc that nobody else sees, and no
        TMPDIR, which need not be in there."""
        if self.is_here():
            return argv
        enter = ("unshare", "--mount", "--mount-proc=/proc", "--root", str(self.folder))
        return (*enter, "/usr/bin/env", "--unset=TMPDIR", *argv)

    def has(self, thing):
        """A command, or a pattern of a path."""
        if thing.startswith("/"):
            return bool(glob.glob(str(self.folder / thing[1:])))
        if self.is_here():
            return bool(shutil.which(thing))
        return any((self.folder / where / thing).exists() for where in ("usr/bin", "usr/sbin"))

    def programs(self):
        """Where built peers are, as seen from here."""
        return BUILD / "bench" / "peers" if self.is_here() else self.folder / "peers"

    def inside(self, path):
        """The same path as seen from within the system."""
        return "/" + str(path.relative_to(self.folder))


HERE = System()
TRIXIE = System(ROOT / "build" / "peers" / "trixie")

# ---- peers ----


@dataclass(frozen=True)
class Peer:
    name: str
    variants: dict = field(default_factory=dict)  # workload -> names of several programs; the best one counts
    shares: dict = field(default_factory=dict)  # workload -> Program.share
    workloads: tuple = ()  # those it takes part in; () = all that weft has
    workers: int | None = None  # the most it can use
    needs: tuple = ()  # (command or path, Debian package) of all that it takes to build it; () = CMake builds it
    trixie: tuple = ()  # the same in Debian 13; () = the same packages
    only_trixie: bool = False
    serves: bool = False  # its package starts a service, which is not for us to do to this machine

    def system(self):
        """Where it is to be built and run."""
        if self.needs and TRIXIE.usable() and not self.missing(TRIXIE):
            return TRIXIE
        return HERE

    def missing(self, system):
        """[(thing, package)] that the system lacks."""
        needs = self.trixie or self.needs if system is TRIXIE else self.needs
        return [need for need in needs if not system.has(need[0])]

    def argv(self, workload, variant):
        folder = BUILD / "bench"
        if self.name == "weft":
            return (str(folder / workload),)
        if self.name == "limit":
            return (str(folder / "_".join(filter(None, ("limit", workload, variant)))),)
        if not self.needs:
            return (str(folder / "peers" / f"{self.name}_{workload}"),)
        system = self.system()
        return system.command(system.inside(self.executable()), workload)

    def executable(self):
        return self.system().programs() / self.name

    def is_there(self, argv):
        return os.access(self.executable() if self.needs else argv[0], os.X_OK)

    def programs(self, workload, workers=1):
        """Those of one workload, and the reason why there is none."""
        if self.workloads and workload not in self.workloads:
            return [], "does not take part"
        if self.workers and workers > self.workers:
            return [], f"has at most {self.workers} worker"
        absent = self.absent()
        if absent:
            return [], absent
        found = []
        for variant in self.variants.get(workload, ("",)):
            argv = self.argv(workload, variant)
            if self.is_there(argv):
                label = f"{self.name}-{variant}" if variant else self.name
                found.append(Program(label, argv, self.shares.get(workload, 1)))
        return found, "" if found else "not built"

    def absent(self):
        """Why it cannot be built here; "" if it can."""
        system = self.system()
        if self.only_trixie and system is HERE:
            return "not in Debian 12 (root: ./run bench --setup-peers=trixie fetches it)"
        missing = self.missing(system)
        if not missing:
            return ""
        if self.serves:
            return f"no {missing[0][0]} (apt-get install {missing[0][1]}, which starts a server; or --setup-peers=trixie)"
        return f"no {missing[0][0]} (./run bench --setup-peers installs {missing[0][1]})"

    def is_current(self):
        """Is the executable newer than all that it is made of?"""
        if not self.is_there(()):
            return False
        made = self.executable().stat().st_mtime
        return all(made > source.stat().st_mtime for source in (ROOT / "bench" / "peers" / self.name).rglob("*"))

    def build(self, anew=False):
        """Build what CMake does not; anew: even if no source has changed. True unless it failed."""
        if not self.needs or self.absent() or (self.is_current() and not anew):
            return True
        system = self.system()
        folder = system.programs() / "src" / self.name
        # A copy: some tools write beside what they read, and another system does not see this folder.
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "bench" / "peers" / self.name, folder)
        script = 'cd "$1" && exec sh ./build "$2"'
        arguments = (system.inside(folder), system.inside(self.executable()))
        return run_quietly(system.command("/bin/sh", "-c", script, "build", *arguments))

    def version(self):
        """What the peer says of its version; "" if it is not there."""
        if not self.needs or self.absent() or not self.is_there(()):
            return ""
        try:
            done = subprocess.run(self.argv("version", ""), stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


PEERS = (
    Peer("weft"),
    Peer("limit", variants={"echo": ("epoll", "uring"), "file_read": ("pread", "uring")}),
    Peer(
        "pthread",
        shares={"yield": 20, "spawn_join": 100, "spawn_batch": 50, "pingpong": 100, "chan_mpmc": 10, "mutex": 4},
        workloads=tuple("yield spawn_join spawn_batch pingpong chan_mpmc mutex echo".split()),
    ),
    Peer(
        "go",
        shares={"yield": 4, "spawn_join": 5, "spawn_batch": 2, "pingpong": 5, "ring": 5, "wake": 4},
        workloads=(
            *("yield spawn_join spawn_batch fork_fib spawn_fib skynet pingpong ring chan_mpmc mutex timers".split()),
            *("timers_cancel idle_memory wake echo stall_echo http bulk file_read crawl".split()),
        ),
        needs=(("go", "golang-go"),),
    ),
    Peer(
        "tokio",
        shares={"yield": 5, "spawn_join": 5, "spawn_batch": 2, "pingpong": 5, "ring": 5},
        workloads=(
            *("yield spawn_join spawn_batch fork_fib spawn_fib skynet pingpong ring chan_mpmc mutex timers".split()),
            *("timers_cancel idle_memory wake foreign_spawn echo stall_echo http file_read crawl".split()),
        ),
        needs=(
            ("cargo", "cargo"),
            ("/usr/share/cargo/registry/tokio-1*", "librust-tokio-dev"),
            ("/usr/share/cargo/registry/async-channel-1*", "librust-async-channel-dev"),
            ("/usr/share/cargo/registry/hyper-0.14*", "librust-hyper-dev"),
        ),
        trixie=(
            ("cargo", "cargo"),
            ("/usr/share/cargo/registry/tokio-1*", "librust-tokio-dev"),
            ("/usr/share/cargo/registry/async-channel-2*", "librust-async-channel-dev"),
            ("/usr/share/cargo/registry/hyper-1*", "librust-hyper-dev"),
            ("/usr/share/cargo/registry/hyper-util-*", "librust-hyper-util-dev"),
            ("/usr/share/cargo/registry/http-body-util-*", "librust-http-body-util-dev"),
        ),
    ),
    Peer(
        "boost",
        shares={"yield": 2, "spawn_join": 5, "spawn_batch": 2, "fork_fib": 20, "spawn_fib": 20, "pingpong": 5, "ring": 5},
        workloads=(
            *("yield spawn_join spawn_batch fork_fib spawn_fib skynet pingpong ring chan_mpmc mutex timers".split()),
            *("idle_memory echo".split()),
        ),
        needs=(("g++", "g++"), ("/usr/include/boost/fiber/all.hpp", "libboost-fiber-dev")),
    ),
    Peer(
        "gevent",
        shares={"yield": 200, "spawn_join": 200, "spawn_batch": 10, "pingpong": 200, "ring": 50, "chan_mpmc": 50}
        | {"mutex": 20, "idle_memory": 10, "file_read": 10},
        workloads=tuple("yield spawn_join spawn_batch pingpong ring chan_mpmc mutex idle_memory echo file_read crawl".split()),
        workers=1,
        needs=(("/usr/lib/python3/dist-packages/gevent", "python3-gevent"),),
    ),
    Peer(
        "nginx",
        workloads=("http", "bulk"),
        workers=1,
        needs=(("/usr/sbin/nginx", "nginx-light"),),
        serves=True,
    ),
    Peer(
        "java",
        shares={"yield": 5, "spawn_join": 5, "spawn_batch": 2, "pingpong": 5, "ring": 5, "chan_mpmc": 2, "mutex": 2}
        | {"idle_memory": 2},
        workloads=(
            *("yield spawn_join spawn_batch fork_fib spawn_fib skynet pingpong ring chan_mpmc mutex timers".split()),
            *("idle_memory wake foreign_spawn echo stall_echo file_read crawl".split()),
        ),
        needs=(("javac", "openjdk-25-jdk-headless"),),
        only_trixie=True,
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


# ---- --setup-peers ----


def setup_peers(where):
    """Install what peers lack and build them; where: "here" or "trixie". Returns the exit status."""
    system = TRIXIE if where == "trixie" else HERE
    if system is TRIXIE and not make_trixie():
        return 1
    if not install(system, lacking(system)):
        return 1
    good = True
    for peer in PEERS:
        good = peer.build(anew=True) and good
        if peer.needs:
            absent = peer.absent() or ("" if peer.is_there(()) else "not built")
            print(f"{peer.name:<10}{f'absent: {absent}' if absent else peer.version()}")
    return 0 if good else 1


def lacking(system):
    """The packages that the system's peers lack, each once."""
    packages = {}
    for peer in PEERS:
        if system is TRIXIE or not (peer.only_trixie or peer.serves):
            packages.update({package: None for _, package in peer.missing(system)})
    return list(packages)


def install(system, packages):
    """True if they are there at the end."""
    if not packages:
        return True
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print("install them with\nsudo " + " ".join(command), file=sys.stderr)
        return False
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    print("installing " + " ".join(packages), file=sys.stderr)
    good = run_quietly(system.command("apt-get", "update", "-q")) and run_quietly(system.command(*command))
    if not system.is_here():
        run_quietly(system.command("apt-get", "clean"))
    return good


def make_trixie():
    """A Debian 13 under build/peers, unless it is there. True if it is at the end."""
    if TRIXIE.folder.is_dir():
        return True
    if os.geteuid() != 0:
        print("--setup-peers=trixie needs root: its programs run in a root directory of their own", file=sys.stderr)
        return False
    if not shutil.which("debootstrap") and not install(HERE, ["debootstrap"]):
        return False
    # Under another name until it is complete, so that half of one is never taken for a whole.
    unfinished = TRIXIE.folder.with_suffix(".unfinished")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(unfinished)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    print(f"fetching Debian 13 from {mirror()}", file=sys.stderr)
    if not run_quietly(["debootstrap", "--variant=minbase", "trixie", str(unfinished), mirror()]):
        return False
    unfinished.rename(TRIXIE.folder)
    return True


def mirror():
    """The Debian mirror that this machine uses."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian", "Label: Debian"]
    done = subprocess.run(targets, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return (done.stdout.split() or ["http://deb.debian.org/debian"])[0].rstrip("/")
