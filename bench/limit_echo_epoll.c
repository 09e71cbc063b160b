/* How many small requests can one thread answer with nothing but epoll? */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/listen.h"

enum { EVENTS = 1024, BUFFER = 1024 };

static int epoll;

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll_ctl", errno);
}

static void accept_all(int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        watch(fd);
    if (errno != EAGAIN)
        bench_die("accept4", errno);
}

/* Messages are small and their senders wait for the answer, so the socket always has room for it. */
static void answer(int fd)
{
    char buffer[BUFFER];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);

    if (n > 0 && send(fd, buffer, (size_t)n, MSG_NOSIGNAL) == n)
        return;
    if (n < 0 && errno == EAGAIN)
        return;
    close(fd);
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    bench b;
    int listener;

    bench_init(&b, argc, argv, 1);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        bench_die("epoll_create1", errno);
    listener = bench_listen(SOCK_NONBLOCK);
    watch(listener);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        if (n < 0 && errno != EINTR)
            bench_die("epoll_wait", errno);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener);
            else
                answer(events[i].data.fd);
        }
    }
}
