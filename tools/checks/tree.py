"""The files of the checkout, and C sources split into code and comments."""
import os
import re
import subprocess

# A comment, a string or a character constant; whatever stands between them is code.
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text):
    """As many lines and columns, with nothing in them."""
    return re.sub(r"[^\n]", " ", text)


class Source:
    """One file. `code` (without strings) and `comments` have the lines and columns of `text`, with all else blanked;
    `text_without_comments` keeps the strings."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        code, comments, end = [], [], 0
        self.text_without_comments = TOKEN.sub(lambda t: " " if t[0].startswith("/") else t[0], text)
        for token in TOKEN.finditer(text):
            between = text[end:token.start()]
            code += [between, blank(token[0])]
            comments += [blank(between), token[0] if token[0].startswith("/") else blank(token[0])]
            end = token.end()
        self.code = "".join(code) + text[end:]
        self.comments = "".join(comments) + blank(text[end:])
        self.code_lines = self.code.split("\n")
        self.comment_lines = self.comments.split("\n")

    def functions(self):
        """(first, last) line of each function body, counted from 0: braces that stand alone in column 0."""
        start = None
        for number, line in enumerate(self.code_lines):
            if line.rstrip() == "{":
                start = number
            elif line.startswith("}") and start is not None:
                yield start, number
                start = None

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1


class Tree:
    def __init__(self, root):
        self.root = root
        listed = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                check=True, capture_output=True, text=True).stdout
        self.paths = sorted(p for p in set(listed.split("\0")) if p and os.path.isfile(os.path.join(root, p)))
        self._sources = {}

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def matching(self, *suffixes, under=("",)):
        return [p for p in self.paths if p.endswith(suffixes) and p.startswith(tuple(under))]

    def source(self, path):
        if path not in self._sources:
            self._sources[path] = Source(path, self.read(path))
        return self._sources[path]

    def sources(self, *suffixes, under=("",)):
        return [self.source(p) for p in self.matching(*(suffixes or (".c", ".h", ".S")), under=under)]

    def scripts(self, interpreter):
        """Files whose first line names the interpreter."""
        for path in self.paths:
            with open(os.path.join(self.root, path), "rb") as file:
                first = file.readline(80)
            if first.startswith(b"#!") and re.search(rb"\b" + interpreter.encode() + rb"\b", first):
                yield path
