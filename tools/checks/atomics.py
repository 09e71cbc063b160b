"""Memory orders: each access that has one says ORDER(tag) and what it pairs with; each tag stands in at least two places."""
import collections
import re

ATOMICS = "core/atomics.h"
INLINED = "include/weft/fork.h"  # programs inline it, so it cannot include ours; it may load and store, relaxed
TAG = re.compile(r"\bORDER\(([\w, -]+)\)")
NEAR = 6  # lines above the access in which its comment may stand


def shipped(tree):
    return [s for s in tree.sources(".c", ".h", under=("include/", "core/", "sched/", "io/")) if s.path != ATOMICS]


def accesses(tree):
    """Name → True when it orders anything, for each atomic operation that the header defines."""
    names = re.findall(r"^#define (wf_\w+)\(", tree.source(ATOMICS).code, re.M)
    return {n: not n.endswith("_relaxed") for n in names if re.search(r"_(relaxed|acquire|release|acq_rel|seq_cst)$", n)}


def explanation(source, number):
    """The comments that may speak of the access in a line: above it, beside it, and over its function."""
    lines = source.comment_lines[max(0, number - NEAR):number + 1]
    for first, last in source.functions():
        if first <= number <= last:
            head = first
            while head > 0 and source.code_lines[head].strip() and not source.comment_lines[head].strip():
                head -= 1
            while head > 0 and source.comment_lines[head].strip() and not source.code_lines[head].strip():
                lines.append(source.comment_lines[head])
                head -= 1
    return "\n".join(lines)


def body_comments(source, number):
    for first, last in source.functions():
        if first <= number <= last:
            return "\n".join(source.comment_lines[first:last])
    return ""


def check_order(tree):
    known = accesses(tree)
    places = collections.defaultdict(list)
    for source in shipped(tree):
        for number, line in enumerate(source.comment_lines):
            for tags in TAG.findall(line):
                for tag in tags.split(","):
                    places[tag.strip()].append((source.path, number + 1))
        for number, line in enumerate(source.code_lines):
            for name in re.findall(r"\b(wf_\w+)\(", line):
                if name not in known:
                    continue
                said = explanation(source, number)
                if known[name] and not TAG.search(said):
                    yield source.path, number + 1, f"{name} without an ORDER comment"
                elif not known[name] and "relaxed" not in said + body_comments(source, number):
                    yield source.path, number + 1, f"{name} without the reason why nothing is published"
            if source.path == INLINED:
                line = re.sub(r"\b__atomic_(load|store)_n\(([^;|]*, )?__ATOMIC_RELAXED\)", "", line)
            if re.search(r"\batomic_\w+\(|\b__atomic_\w+\(|\b__sync_\w+\(", line):
                yield source.path, number + 1, f"an atomic operation that does not go through {ATOMICS}"
    for tag, where in places.items():
        if len(where) < 2:
            yield *where[0], f"ORDER({tag}) stands here only: what does it pair with?"
