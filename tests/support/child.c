/* See child.h. */
#include "child.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANGS_AFTER_S = 60 };

static void must(int holds, const char *what)
{
    if (holds)
        return;
    perror(what);
    abort();
}

static void be_child(int (*fn)(void), int to)
{
    struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(to, STDERR_FILENO);
    close(to);
    alarm(HANGS_AFTER_S);
    int result = fn();
    fflush(NULL);
    _exit(result);
}

/* All that comes, though only so much of it is kept: the child must not wait for us. */
static void read_all(int from, char *said, size_t size)
{
    char dropped[256];
    size_t length = 0;
    for (;;) {
        size_t room = size - 1 - length;
        ssize_t n = room > 0 ? read(from, said + length, room) : read(from, dropped, sizeof dropped);
        if (n <= 0)
            break;
        length += room > 0 ? (size_t)n : 0;
    }
    said[length] = '\0';
}

int wt_in_child(int (*fn)(void), char *said, size_t size)
{
    int fds[2], status;
    fflush(NULL);
    must(pipe(fds) == 0, "pipe");
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        close(fds[0]);
        be_child(fn, fds[1]);
    }
    close(fds[1]);
    read_all(fds[0], said, size);
    close(fds[0]);
    must(waitpid(child, &status, 0) == child, "waitpid");
    return status;
}
