"""Is every public function documented, and called by a test?"""
import re

DECLARATION = re.compile(r"WEFT_API\b.*?\b(weft_\w+)\(", re.S)


def check_documented(tree):
    """Each stands under a comment, with at most other declarations between (no blank line), or has one behind it."""
    for source in tree.sources(".h", under=("include/",)):
        under_comment = False
        for number, line in enumerate(source.lines):
            if not line.strip():
                under_comment = False
            has_comment = bool(source.comment_lines[number].strip())
            under_comment = under_comment or has_comment
            if not source.code_lines[number].startswith("WEFT_API"):
                continue
            name = DECLARATION.match(source.code, sum(len(l) + 1 for l in source.code_lines[:number]))
            if name and not under_comment:
                yield source.path, number + 1, f"{name[1]} has no comment, nor belongs to a group that has one"


def check_tested(tree):
    tests = "\n".join(s.code for s in tree.sources(".c", under=("tests/unit/", "tests/runtime/", "tests/io/")))
    called = set(re.findall(r"\b(weft_\w+)\(", tests))
    for source in tree.sources(".h", under=("include/",)):
        for name in re.finditer(r"^WEFT_API [^;]*?\b(weft_\w+)\(", source.code, re.M):
            if name[1] not in called:
                yield source.path, source.line_of(name.start()), f"no test calls {name[1]}"
