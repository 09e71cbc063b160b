"""Checks of files as text: format, unfinished work, scripts that parse."""
import ast
import os
import re
import subprocess

# Written so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|(?i:place" r"holder|not (?:yet )?imple" r"mented))\b")
ONE_MACHINE = re.compile(r"(?<![\w.$}*])/(home|root|work|srv|Users)/\w")
UPWARD = re.compile(r"(?<![\w.])((?:\.\./)+[\w./-]*)")
TABS_ARE_FINE = (".S", ".go", ".mod", ".patch", "Makefile", ".mk")


def check_format(tree):
    paths = tree.matching(".c", ".h", ".cpp")
    run = subprocess.run(["clang-format", "--dry-run", *paths], cwd=tree.root, capture_output=True, text=True)
    places = {}
    for path, line in re.findall(r"^(.+?):(\d+):\d+: (?:warning|error): ", run.stderr, re.M):
        places.setdefault(path, []).append(int(line))
    for path, lines in places.items():
        yield path, lines[0], f"not as clang-format writes it, in {len(set(lines))} places (clang-format -i mends it)"
    if run.returncode != 0:
        yield ".clang-format", 1, f"clang-format failed: {run.stderr.strip()[:200]}"


def check_text(tree):
    for path in tree.paths:
        try:
            text = tree.read(path)
        except UnicodeDecodeError:
            continue
        if text and not text.endswith("\n"):
            yield path, text.count("\n") + 1, "no newline at the end of the file"
        # Strings in a program, a URL to be resolved for one, may go up as far as they like.
        is_c = path.endswith((".c", ".h", ".cpp"))
        prose = tree.source(path).comments if is_c else text
        for number, (line, said) in enumerate(zip(text.split("\n"), prose.split("\n")), 1):
            yield from ((path, number, what) for what in findings_of_line(path, line))
            yield from ((path, number, what) for what in paths_out_of_the_tree(path, said))


def findings_of_line(path, line):
    if line != line.rstrip():
        yield "blanks at the end of the line"
    if "\t" in line and not path.endswith(TABS_ARE_FINE):
        yield "a tab"
    found = UNFINISHED.search(line)
    if found:
        yield f"unfinished: '{found[0]}'"
    found = ONE_MACHINE.search(line)
    if found:
        yield f"a path of one machine: '{found[0]}…'"


def paths_out_of_the_tree(path, line):
    for upward in UPWARD.findall(line):
        if os.path.normpath(os.path.join(os.path.dirname(path), upward)).startswith(".."):
            yield f"a path out of the tree: '{upward}'"


def check_scripts(tree):
    for shell in ("sh", "bash"):
        for path in tree.scripts(shell):
            run = subprocess.run([shell, "-n", path], cwd=tree.root, capture_output=True, text=True)
            if run.returncode != 0:
                yield path, 1, f"{shell} -n: {run.stderr.strip()}"
    for path in sorted(set(tree.matching(".py")) | set(tree.scripts("python3"))):
        try:
            ast.parse(tree.read(path), path)
        except SyntaxError as error:
            yield path, error.lineno or 1, f"Python: {error.msg}"
    for path in tree.paths:
        with open(os.path.join(tree.root, path), "rb") as file:
            is_script = file.read(3) == b"#!/"
        if is_script and not os.access(os.path.join(tree.root, path), os.X_OK):
            yield path, 1, "a script that is not executable"
