/* How many small requests can a server answer, and how soon? The plain way to write it: a coroutine per connection that
 * receives and sends. The load generator (bench/loadgen.c) asks the questions. */
#include "bench/bench.h"
#include "bench/runtime.h"

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[1024];
    ssize_t n;

    while ((n = weft_recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (weft_send(fd, buffer, (size_t)n, 0) != n)
            break;
    weft_close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    bench b;

    bench_init(&b, argc, argv, 1);
    bench_run(&b, bench_serve, serve);
    return 1;
}
