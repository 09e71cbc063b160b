/* How long does it take to fetch 2,000 pages that each come 50 ms after they were asked for, 500 at a time? As many
 * coroutines fetch one page after the other, on a connection that stays or, with the mode new, on a new one for each.
 * 200 ms is what cannot be saved; one operation is one page. */
#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/page.h"
#include "bench/runtime.h"

static struct sockaddr_in address;
static bool keep_alive;
static uint64_t pages;
static atomic_uint_least64_t next_page;
static atomic_uint_least64_t right_pages;

static int dial(void)
{
    int fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? fd : weft_connect(fd, (const struct sockaddr *)&address, sizeof address);

    if (error < 0)
        bench_die("weft_connect", error);
    return fd;
}

static bool fetch(int fd, unsigned page)
{
    char request[PAGE_REQUEST_MAX];
    char answer[PAGE_ANSWER_MAX];
    size_t size = page_ask(request, page, keep_alive);
    size_t come = 0;
    int state = 0;

    if (weft_send(fd, request, size, 0) != (ssize_t)size)
        return false;
    while (state == 0) {
        ssize_t n = weft_recv(fd, answer + come, sizeof answer - come, 0);

        if (n <= 0)
            return false;
        come += (size_t)n;
        state = page_check(answer, come, page);
    }
    return state > 0;
}

static void *fetch_pages(void *arg)
{
    int fd = -1;
    uint64_t page;

    (void)arg;
    while ((page = atomic_fetch_add_explicit(&next_page, 1, memory_order_relaxed)) < pages) {
        if (fd < 0)
            fd = dial();
        if (fetch(fd, (unsigned)page))
            atomic_fetch_add_explicit(&right_pages, 1, memory_order_relaxed);
        if (!keep_alive) {
            weft_close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        weft_close(fd);
    return NULL;
}

static void *body(void *arg)
{
    bench *b = arg;
    weft_t *fetchers[PAGES_AT_A_TIME];

    bench_begin(b);
    for (int i = 0; i < PAGES_AT_A_TIME; i++)
        fetchers[i] = bench_spawn(fetch_pages, NULL);
    for (int i = 0; i < PAGES_AT_A_TIME; i++)
        bench_join(fetchers[i]);
    bench_end(b);
    return NULL;
}

int main(int argc, char **argv)
{
    bench b;

    bench_init_modes(&b, argc, argv, PAGES, "new");
    if (b.port == 0) {
        fprintf(stderr, "%s: --port of bench/page_server.c is needed\n", argv[0]);
        return 2;
    }
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)b.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    keep_alive = !bench_mode_is(&b, "new");
    pages = b.ops;
    bench_run(&b, body, &b);
    page_add_wall(&b);
    return bench_report(&b, atomic_load(&right_pages) == pages);
}
