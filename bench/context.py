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
        if index.startswith("index") and size.endswith("K"):
            result.append(
                {
                    "type": read(f"{folder}/{index}/type").strip(),
                    "level": int(read(f"{folder}/{index}/level") or 0),
                    "size": int(size[:-1]) * 1024,
                    "num_sharing": read(f"{folder}/{index}/shared_cpu_map").count("1"),
                }
            )
    return result


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
    result["liburing"] = output_of("pkg-config", "--modversion", "liburing")
    for peer in PEERS:
        result[peer.name] = result.get(peer.name) or peer.version()
    return {name: version for name, version in result.items() if version}


def weft_environment():
    """Variables that change what weft does."""
    return {name: value for name, value in os.environ.items() if name.startswith("WEFT_")}


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
        "library_build_type": "release",
        # ours
        "cpu_model": cpu_field("model name", "Model") or platform.machine(),
        "machine": platform.machine(),
        "virtual": "hypervisor" in cpu_field("flags", "Features").split(),
        "kernel": f"{platform.system()} {platform.release()} {platform.version()}",
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "affinity": cpus,
        "governor": governor or "none",
        "compiler": compiler,
        "flags": flags,
        "versions": versions(),
        "environment": weft_environment(),
        "commit": output_of("git", "rev-parse", "HEAD") or "none",
        "dirty": bool(output_of("git", "status", "--porcelain")),
    }
