"""What comments and documents name must exist: files, functions, macros, links."""
import ctypes
import fnmatch
import os
import re

FILE = re.compile(r"(?<![\w./<-])((?:[\w*.-]+/)+[\w*.-]*\.(?:c|h|S|md|py|cmake|map|in))\b(?!\()")
NAME = re.compile(r"\b((?:wf|weft|WF|WEFT)_\w*\w)(\*|_\*|…)?")
CALL = re.compile(r"(?<![\w.>-])([a-z_]\w*)\(\)")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
URL = re.compile(r"\bhttps?://\S+")
SYSTEM_FOLDERS = ("sys/", "linux/", "asm/", "netinet/", "arpa/", "net/", "bits/", "build/")
SYSTEM_TEXTS = ("/usr/include/liburing.h", "/usr/include/hwloc.h", "/usr/include/cmocka.h")


class Names:
    """Every identifier of the code, and what libc and our dependencies offer."""

    def __init__(self, tree):
        text = "\n".join(s.text_without_comments for s in tree.sources(".c", ".h", ".S", ".cpp"))
        other = tree.matching(".py", ".txt", ".cmake", ".in", ".json") + [p for p in tree.paths if "." not in p[1:]]
        text += "\n".join(tree.read(p) for p in other)
        self.words = set(re.findall(r"[A-Za-z_]\w*", text))
        self.libc = ctypes.CDLL(None)
        self.system = set()
        for path in SYSTEM_TEXTS:
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    self.system |= set(re.findall(r"[a-z_]\w*", file.read()))

    def begins(self, prefix):
        return any(word.startswith(prefix) for word in self.words)

    def has_call(self, name):
        return name in self.words or name in self.system or hasattr(self.libc, name)


def prose(tree):
    """(path, text) of all that is written for people, with code blanked."""
    for source in tree.sources(".c", ".h", ".S", ".cpp"):
        yield source.path, source.comments
    for path in tree.matching(".md"):
        yield path, tree.read(path)


def file_exists(tree, path, name):
    here = os.path.dirname(path)
    candidates = [os.path.normpath(os.path.join(base, name)) for base in ("", here, "include", "tests")]
    return any(fnmatch.filter(tree.paths, c) for c in candidates) or name.startswith(SYSTEM_FOLDERS)


def dead_in_line(tree, names, path, line):
    line = URL.sub("", line)
    for name in FILE.findall(line):
        if not file_exists(tree, path, name):
            yield f"no file '{name}'"
    line = FILE.sub("", line)
    for name, more in NAME.findall(line):
        open_ended = more or name.endswith("_")
        if not (names.begins(name) if open_ended else name in names.words):
            yield f"no '{name}' in the code"
    for name in CALL.findall(line):
        if not name.startswith(("wf_", "weft_")) and not names.has_call(name):
            yield f"no function '{name}'"
    if path.endswith(".md"):
        for target in LINK.findall(line):
            if not os.path.exists(os.path.join(tree.root, os.path.dirname(path), target)):
                yield f"a link to nowhere: '{target}'"


def check_references(tree):
    names = Names(tree)
    for path, text in prose(tree):
        for number, line in enumerate(text.split("\n"), 1):
            for what in dead_in_line(tree, names, path, line):
                yield path, number, what
