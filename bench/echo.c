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

static void *listen_and_accept(void *arg)
{
    int listener = weft_tcp_listen("127.0.0.1:0", 4096);

    (void)arg;
    if (listener < 0)
        bench_die("weft_tcp_listen", listener);
    bench_announce_port(weft_tcp_port(listener));
    for (;;) {
        int fd = weft_accept(listener, NULL, NULL);
        int error = fd < 0 ? fd : weft_go(serve, (void *)(intptr_t)fd);

        if (error < 0)
            bench_die("weft_accept", error);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    bench b;

    bench_init(&b, argc, argv, 1);
    bench_run(&b, listen_and_accept, NULL);
    return 1;
}
