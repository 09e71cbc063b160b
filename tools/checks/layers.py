"""Which file may include which, and where the preprocessor may stand."""
import re

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)

# Folder: what its quoted includes may begin with, and which libraries' headers it may use beside libc and the kernel's.
LAYERS = {
    "include/": (("weft/",), ()),
    "core/": (("core/",), ("hwloc.h", "hwloc/", "sanitizer/", "valgrind/")),
    "sched/": (("core/", "sched/", "weft.h", "weft/"), ()),
    "io/": (("core/", "sched/", "io/", "weft.h", "weft/"), ("liburing.h", "liburing/")),
}
# Programs of users: the public headers, and what lies in their own folder.
OUTSIDE = ("examples/", "bench/")
# It measures the bare switch, which no public function is.
BELOW_THE_INTERFACE = {("bench/switch.c", "core/context.h")}
INTERNAL = ("core/", "sched/", "io/")

LIBC = re.compile(r"(?:sys|linux|asm|netinet|arpa|net)/\w[\w/.-]*\.h|(?:"
                  "aio|alloca|assert|cet|complex|cpuid|ctype|dirent|dlfcn|elf|errno|error|execinfo|fcntl|features|fenv|float|"
                  "getopt|grp|ifaddrs|immintrin|inttypes|iso646|libgen|limits|link|locale|malloc|math|mntent|netdb|poll|"
                  "pthread|pty|pwd|regex|resolv|sched|search|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|"
                  r"stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|syscall|syslog|termios|time|ucontext|"
                  r"unistd|unwind|utime|wchar|wctype|x86intrin)\.h")


def includes(tree, path):
    # The name stands in a string, which is blanked in the code; so take the line from the text if its # is code.
    source = tree.source(path)
    for found in INCLUDE.finditer(source.text):
        hash_at = source.text.index("#", found.start())
        if source.code[hash_at] == "#":
            yield source.line_of(hash_at), found[1], found[2]


def check_layers(tree):
    for folder, (quoted, libraries) in LAYERS.items():
        for path in tree.matching(".c", ".h", ".S", under=(folder,)):
            for line, mark, name in includes(tree, path):
                if mark == '"' and not name.startswith(quoted) and name != "model_atomics.h":
                    yield path, line, f'{folder} may not include "{name}"'
                elif mark == "<" and not LIBC.fullmatch(name) and not name.startswith(libraries or ("\0",)):
                    yield path, line, f"{folder} may not include <{name}>"
    for path in tree.matching(".c", ".h", ".cpp", under=OUTSIDE):
        for line, mark, name in includes(tree, path):
            if name.startswith(INTERNAL) and (path, name) not in BELOW_THE_INTERFACE:
                yield path, line, f"a program of users may not include '{name}'"


def check_conditionals(tree):
    for source in tree.sources(".c", ".h", under=("include/", "core/", "sched/", "io/")):
        for first, last in source.functions():
            for number in range(first, last):
                if re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else)\b", source.code_lines[number]):
                    yield source.path, number + 1, "a conditional inside a function: one file per case instead"
