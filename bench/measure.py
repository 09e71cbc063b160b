"""Running one program once, on the CPUs it is to have.

A repetition comes back as a dictionary: what the program (or the load generator) printed, and `real_time` and
`cpu_time`, nanoseconds per operation. One that failed raises Failed.
"""

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time

import programs

TIMEOUT = 300  # seconds: a program that takes longer hangs
START_TIMEOUT = 20  # seconds, for a server


# The kernel counts the memory of the process that a program was started from to the program's own maximum (ru_maxrss
# survives exec). So it is started from one that has next to none, and not from this interpreter.
LAUNCHER = ("unshare", "--fork", "--kill-child", "--") if shutil.which("unshare") else ()


class Failed(Exception):
    """The program gave no result; the text says why."""


def on_cpus(cpus):
    """What a child does before it becomes the program: its CPUs, and all the descriptors that it may have."""

    def prepare():
        os.sched_setaffinity(0, cpus)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return prepare


def parse(text, who):
    """The last line of what a program printed."""
    try:
        return json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise Failed(f"{who} printed no result: {text.strip()[-200:]!r}") from None


def run_to_end(argv, cpus):
    try:
        done = subprocess.run(
            [*LAUNCHER, *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            preexec_fn=on_cpus(cpus),
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{argv[0]}: no result within {TIMEOUT} s") from None
    except OSError as error:
        raise Failed(f"{argv[0]}: {error.strerror}") from None
    if done.returncode != 0:
        why = done.stderr.strip() or done.stdout.strip()
        raise Failed(f"{argv[0]}: exit status {done.returncode}: {why[-500:]}")
    return parse(done.stdout, argv[0])


def finish(result):
    if not result.get("checked"):
        raise Failed("the result of the work was wrong")
    if result["ops"] <= 0:
        raise Failed("no operation was completed")
    result["real_time"] = result["seconds"] / result["ops"] * 1e9
    return result


def arguments(program, configuration, repetition):
    argv = [*program.argv, "--workers", str(configuration.workers), "--repetition-id", str(repetition)]
    return argv + (["--mode", configuration.mode] if configuration.mode else [])


def run_cpu(program, configuration, repetition, effort, cpus):
    """A program that works by itself: its workers on as many CPUs, and the CPUs that it needs beside."""
    workload = configuration.workload
    argv = arguments(program, configuration, repetition)
    argv += ["--ops", str(max(1000, workload.operations(effort) // program.share))]
    if effort.name == "quick":
        argv.append("--quick")
    cpus_of_its_own = set(cpus[: configuration.workers + workload.spare])
    if not workload.server:
        return timed(argv, cpus_of_its_own)
    server_argv = [str(programs.BUILD / "bench" / workload.server)]
    with serving(server_argv, {cpus[-1]}) as (_, port):
        return timed([*argv, "--port", str(port)], set(cpus[: configuration.workers]))


def timed(argv, cpus):
    """One run, and its CPU time. That is of the whole process, start and warm-up included: an estimate, but one that
    needs nothing of the program."""
    began, cpu_before = time.monotonic(), cpu_of_children()
    result = finish(run_to_end(argv, cpus))
    busy = (cpu_of_children() - cpu_before) / (time.monotonic() - began)
    result.setdefault("cpu_time", result["real_time"] * busy)
    return result


def cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def memory_of(pid):
    """Resident memory of a process, page tables included, in bytes."""
    total = 0
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith(("VmRSS:", "VmPTE:")):
                total += int(line.split()[1]) * 1024
    return total


@contextlib.contextmanager
def serving(argv, cpus):
    """A server that runs meanwhile: its process and its port."""
    with tempfile.TemporaryFile("w+") as errors:
        server = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            preexec_fn=on_cpus(cpus),
        )
        try:
            if not select.select([server.stdout], [], [], START_TIMEOUT)[0]:
                raise Failed(f"{argv[0]}: did not begin to listen within {START_TIMEOUT} s")
            yield server, parse(server.stdout.readline(), argv[0])["port"]
            if server.poll() is not None:
                raise Failed(f"{argv[0]}: the server ended by itself with status {server.returncode}")
        except Failed as failure:
            errors.seek(0)
            raise Failed(f"{failure} {errors.read().strip()[-500:]}".strip()) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            server.stdout.close()


def run_server(program, configuration, repetition, effort, rate, cpus):
    """A server on the first CPUs, the load generator on the last. rate 0: the closed phase only."""
    argv = arguments(program, configuration, repetition)
    with serving(argv, set(cpus[: configuration.workers])) as (server, port):
        result = finish(run_to_end(load(server, port, configuration, effort, rate), {cpus[-1]}))
        result["rss_bytes"] = memory_of(server.pid)
    result["cpu_us_per_request"] = result.pop("server_cpu_us")
    result["cpu_time"] = result["cpu_us_per_request"] * 1e3
    return result


def load(server, port, configuration, effort, rate):
    """The command line of the load generator."""
    argv = [str(programs.BUILD / "bench" / "loadgen"), "--port", str(port), "--server", str(server.pid)]
    argv += ["--connections", str(configuration.connections), *configuration.workload.load]
    argv += ["--warmup", str(effort.server_warmup), "--closed", str(effort.server_seconds)]
    if rate:
        argv += ["--open", str(effort.server_seconds), "--rate", str(rate)]
    return argv
