/* How long does fetching the pages take one thread with nothing but epoll? 500 connections, each a small state
 * machine. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/page.h"

typedef struct fetcher {
    int fd; /* -1: not connected */
    unsigned page;
    size_t come;
    char answer[PAGE_ANSWER_MAX];
} fetcher;

static struct sockaddr_in address;
static bool keep_alive;
static uint64_t pages;
static uint64_t next_page;
static uint64_t open_pages; /* asked for and not answered */
static uint64_t right_pages;
static int epoll;
static fetcher fetchers[PAGES_AT_A_TIME];

/* A connection on the loopback is there at once: the kernel of the server accepts it. */
static void dial(fetcher *f)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = f};

    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->fd < 0 || connect(f->fd, (const struct sockaddr *)&address, sizeof address) < 0)
        bench_die("connect", errno);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, f->fd, &event) < 0)
        bench_die("epoll_ctl", errno);
}

static void ask_next(fetcher *f)
{
    char request[PAGE_REQUEST_MAX];
    size_t size;

    if (next_page == pages) {
        if (f->fd >= 0)
            close(f->fd);
        return;
    }
    if (f->fd < 0)
        dial(f);
    f->page = (unsigned)next_page++;
    f->come = 0;
    open_pages++;
    size = page_ask(request, f->page, keep_alive);
    if (send(f->fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
        bench_die("send", errno);
}

static void take(fetcher *f)
{
    ssize_t n = recv(f->fd, f->answer + f->come, sizeof f->answer - f->come, 0);
    int state;

    if (n <= 0)
        bench_die("recv", n < 0 ? errno : ECONNRESET);
    f->come += (size_t)n;
    state = page_check(f->answer, f->come, f->page);
    if (state == 0)
        return;
    right_pages += state > 0;
    open_pages--;
    if (!keep_alive) {
        close(f->fd);
        f->fd = -1;
    }
    ask_next(f);
}

static void fetch_all(void)
{
    for (int i = 0; i < PAGES_AT_A_TIME; i++) {
        fetchers[i].fd = -1;
        ask_next(&fetchers[i]);
    }
    while (open_pages > 0) {
        struct epoll_event events[PAGES_AT_A_TIME];
        int n = epoll_wait(epoll, events, PAGES_AT_A_TIME, -1);

        for (int i = 0; i < n; i++)
            take(events[i].data.ptr);
    }
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
    epoll = epoll_create1(EPOLL_CLOEXEC);
    bench_begin(&b);
    fetch_all();
    bench_end(&b);
    page_add_wall(&b);
    return bench_report(&b, right_pages == pages);
}
