"""Each header compiles alone, and does no harm when it is included twice."""
import concurrent.futures
import os
import platform
import shutil
import subprocess

ARCHITECTURES = ("x86_64", "aarch64")
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wpointer-arith"]
INTERNAL = ["cc", "-std=gnu11", "-D_GNU_SOURCE", *WARNINGS, "-Wstrict-prototypes", "-I."]
# Users need not ask for anything beyond the standard.
PUBLIC_C = ["cc", "-std=c11", "-Wpedantic", *WARNINGS, "-Wstrict-prototypes"]
PUBLIC_CXX = ["c++", "-std=c++11", "-Wpedantic", *WARNINGS]


def jobs(tree):
    other = tuple(a for a in ARCHITECTURES if a != platform.machine())
    for path in tree.matching(".h", under=("include/", "core/", "sched/", "io/")):
        if any(a in path for a in other):
            continue
        if not path.startswith("include/"):
            yield path, path, INTERNAL
            continue
        name = path[len("include/"):]
        yield path, name, PUBLIC_C
        if shutil.which("c++"):
            yield path, name, PUBLIC_CXX


def compile_alone(tree, job):
    path, name, command = job
    language = "c++" if command[0] == "c++" else "c"
    run = subprocess.run([*command, "-Iinclude", "-fsyntax-only", "-x", language, "-"], cwd=tree.root,
                         input=f'#include "{name}"\n#include "{name}"\n', capture_output=True, text=True)
    if run.returncode == 0:
        return None
    error = next((line for line in run.stderr.split("\n") if "error:" in line), run.stderr.strip())
    return path, 1, f"does not compile alone as {language}: {error}"


def check_headers(tree):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [found for found in pool.map(lambda job: compile_alone(tree, job), jobs(tree)) if found]
