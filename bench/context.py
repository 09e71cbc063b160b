"""What the suite measured on: machine, kernel, compiler, versions. Figures without it mean nothing."""

import datetime
import json
import os
import platform
import re
import shlex
import socket
import subprocess

import programs
from programs import PEERS, ROOT


def output_of(*command):
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def cpu_field(*names):
    """The first of these fields of /proc/cpuinfo; architectures call things differently."""
    for name in names:
        found = re.search(rf"^{name}\s*:\s*(.+)$", read("/proc/cpuinfo"), re.MULTILINE)
        if found:
            return found.group(1)
    return ""


def caches():
    """Caches of the first CPU, as google/benchmark lists them."""
    result = []
    folder = "/sys/devices/system/cpu/cpu0/cache"
    for index in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        size = read(f"{folder}/{index}/size").strip()
        shared = int(read(f"{folder}/{index}/shared_cpu_map").strip().replace(",", "") or "0", 16)
        if index.startswith("index") and size.endswith("K"):
            result.append(
                {
                    "type": read(f"{folder}/{index}/type").strip(),
                    "level": int(read(f"{folder}/{index}/level") or 0),
                    "size": int(size[:-1]) * 1024,
                    "num_sharing": bin(shared).count("1"),
                }
            )
    return result


def chosen(path):
    """The chosen one of a list such as "always [madvise] never"; else the whole text."""
    text = read(path).strip()
    found = re.search(r"\[(\S+)\]", text)
    return found.group(1) if found else text or "unknown"


def cpu_quota():
    """CPUs that the control group may use, or None: no limit. A quota stops a process in the middle of what it does."""
    for line in read("/proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            words = read(f"/sys/fs/cgroup{line[3:]}/cpu.max").split() or read("/sys/fs/cgroup/cpu.max").split()
            if len(words) == 2 and words[0] != "max":
                return int(words[0]) / int(words[1])
    return None


class Disturbance:
    """What others did to the machine while the suite ran: load, and CPU time that a hypervisor gave to other guests."""

    def __init__(self):
        self.load = list(os.getloadavg())
        self.times = self.cpu_times()

    @staticmethod
    def cpu_times():
        return [int(word) for word in read("/proc/stat").split("\n", 1)[0].split()[1:9]]

    def facts(self):
        """At the end of the run. user … steal of /proc/stat: the eighth is what was stolen."""
        spent = [now - then for then, now in zip(self.times, self.cpu_times())]
        steal = 100 * spent[7] / sum(spent) if len(spent) == 8 and sum(spent) else 0.0
        return {"load_avg": self.load, "load_avg_after": list(os.getloadavg()), "steal_percent": round(steal, 2)}


def build_type():
    found = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", read(programs.BUILD / "CMakeCache.txt"), re.MULTILINE)
    return "release" if found and found.group(1).startswith("Rel") else "debug"


def compile_command():
    """Compiler and flags of weft's own programs, as they were really called."""
    try:
        commands = json.loads(read(programs.BUILD / "compile_commands.json") or "[]")
    except ValueError:
        return "", ""
    for entry in commands:
        if entry["file"].endswith("/bench/yield.c"):
            words = shlex.split(entry["command"])
            flags = [w for w in words[1:] if w.startswith("-") and w not in ("-o", "-c") and not w.startswith("-I")]
            version = output_of(words[0], "--version").splitlines()
            return version[0] if version else words[0], " ".join(flags)
    return "", ""


def weft_version():
    text = read(ROOT / "include" / "weft" / "base.h")
    parts = [re.search(rf"WEFT_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "PATCH")]
    return ".".join(p.group(1) for p in parts if p)


def versions():
    result = {"weft": weft_version(), "libc": " ".join(platform.libc_ver()), "python": platform.python_version()}
    for library in ("liburing", "hwloc"):
        result[library] = output_of("pkg-config", "--modversion", library)
    for peer in PEERS:
        result[peer.name] = result.get(peer.name) or peer.version()
    return {name: version for name, version in result.items() if version}


def weft_environment():
    """Variables that change what weft does."""
    return {name: value for name, value in os.environ.items() if name.startswith("WEFT_")}


# What the programs are made of: a result that lies beside them does not change them.
SOURCES = ("CMakeLists.txt", "CMakePresets.json", "cmake", "include", "core", "sched", "io", "bench")


def collect(cpus):
    compiler, flags = compile_command()
    mhz = cpu_field("cpu MHz")
    governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
    return {
        # google/benchmark's own
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "host_name": socket.gethostname(),
        "executable": str(ROOT / "bench" / "run.py"),
        "num_cpus": os.cpu_count(),
        "mhz_per_cpu": int(float(mhz)) if mhz else 0,
        "cpu_scaling_enabled": bool(governor) and governor != "performance",
        "caches": caches(),
        "load_avg": list(os.getloadavg()),
        "library_version": weft_version(),
        "library_build_type": build_type(),
        "json_schema_version": 1,
        # ours
        "cpu_model": cpu_field("model name", "Model") or platform.machine(),
        "machine": platform.machine(),
        "virtual": "hypervisor" in cpu_field("flags", "Features").split(),
        "kernel": f"{platform.system()} {platform.release()} {platform.version()}",
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "affinity": cpus,
        "cpu_quota": cpu_quota(),
        "governor": governor or "none",
        "thp": chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "smt": chosen("/sys/devices/system/cpu/smt/control"),
        "counters": chosen("/proc/sys/kernel/perf_event_paranoid"),
        "compiler": compiler,
        "flags": flags,
        "versions": versions(),
        "environment": weft_environment(),
        "commit": output_of("git", "rev-parse", "HEAD") or "none",
        "dirty": bool(output_of("git", "status", "--porcelain", "--", *SOURCES)),
    }
