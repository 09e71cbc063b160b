/* How long do small requests take while a few others want a millisecond of computing? As echo.c, but before it answers
 * a request whose first byte is 1 the coroutine computes for 1 ms. */
#include "bench/bench.h"
#include "bench/runtime.h"
#include "bench/stall.h"

enum { MESSAGE_SIZE = 64 };

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char message[MESSAGE_SIZE];

    while (weft_recv(fd, message, sizeof message, MSG_WAITALL) == MESSAGE_SIZE) {
        stall_if_asked(message);
        if (weft_send(fd, message, sizeof message, 0) != MESSAGE_SIZE)
            break;
    }
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
