/* How many HTTP requests can a server answer on connections that stay? A coroutine per connection receives, answers all
 * complete requests with "Hello, World!", and sends. */
#include <string.h>

#include "bench/bench.h"
#include "bench/http.h"
#include "bench/runtime.h"

/* Receives behind the `size` bytes that are there and answers what is complete. False: the connection is at its end. */
static bool take_turn(int fd, char *text, size_t *size)
{
    char answers[4096];
    bool goes_on = true;
    ssize_t n = weft_recv(fd, text + *size, HTTP_REQUEST_MAX - *size, 0);

    if (n <= 0)
        return false;
    *size += (size_t)n;
    while (goes_on) {
        size_t taken;
        size_t written = http_answer_all(text, *size, answers, sizeof answers, &taken, &goes_on);

        if (taken == 0)
            break;
        if (weft_send(fd, answers, written, 0) != (ssize_t)written)
            return false;
        *size -= taken;
        memmove(text, text + taken, *size);
    }
    return goes_on && *size < HTTP_REQUEST_MAX;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char text[HTTP_REQUEST_MAX];
    size_t size = 0;

    while (take_turn(fd, text, &size))
        ;
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
