/* The server of crawl, the same for all clients: answers "GET /N" with "page N\n" 50 ms after the request has come, on
 * connections that stay or, with "Connection: close", do not. One thread, one epoll. All answers are delayed alike, so
 * those that wait form a queue. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/http.h"
#include "bench/listen.h"

enum { DELAY_NS = 50000000, EVENTS = 512, DESCRIPTORS = 1 << 16, QUEUE = 1 << 16 };

/* A request comes in one piece, and the next one after its answer: that is how the clients are written. */
typedef struct waiting {
    int fd;
    unsigned generation; /* of the connection: the number may be another one's by now */
    unsigned page;
    bool keep_alive;
    int64_t due_ns;
} waiting;

static int epoll;
static int listener;
static unsigned generations[DESCRIPTORS];
static waiting queue[QUEUE];
static unsigned first;
static unsigned count;

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (fd >= DESCRIPTORS)
        bench_die("connections", EMFILE);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll_ctl", errno);
}

static void hang_up(int fd)
{
    generations[fd]++;
    close(fd);
}

static void accept_all(void)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        watch(fd);
    if (errno != EAGAIN)
        bench_die("accept4", errno);
}

static void take_request(int fd)
{
    char text[HTTP_REQUEST_MAX + 1];
    ssize_t n = recv(fd, text, HTTP_REQUEST_MAX, 0);
    http_request request;
    unsigned page;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        hang_up(fd);
        return;
    }
    text[n] = '\0';
    if (!http_parse(text, (size_t)n, &request) || request.status != 200 || sscanf(text, "GET /%u ", &page) != 1 ||
        count == QUEUE) {
        hang_up(fd);
        return;
    }
    queue[(first + count++) % QUEUE] = (waiting){
        .fd = fd,
        .generation = generations[fd],
        .page = page,
        .keep_alive = request.keep_alive,
        .due_ns = bench_now_ns() + DELAY_NS,
    };
}

static void answer(const waiting *w)
{
    http_request request = {.status = 200, .keep_alive = w->keep_alive};
    char text[HTTP_ANSWER_MAX + 32];
    char body[32];
    int body_size = snprintf(body, sizeof body, "page %u\n", w->page);
    size_t size;

    if (w->generation != generations[w->fd])
        return;
    size = http_write_head(text, &request, (size_t)body_size);
    memcpy(text + size, body, (size_t)body_size);
    size += (size_t)body_size;
    if (send(w->fd, text, size, MSG_NOSIGNAL) != (ssize_t)size || !w->keep_alive)
        hang_up(w->fd);
}

/* Answer what is due; false when nothing waits, else *pause is how long nothing is due. */
static bool answer_all(struct timespec *pause)
{
    int64_t now_ns = bench_now_ns();

    while (count > 0 && queue[first].due_ns <= now_ns) {
        waiting w = queue[first];

        first = (first + 1) % QUEUE;
        count--;
        answer(&w);
    }
    if (count == 0)
        return false;
    *pause = (struct timespec){.tv_nsec = queue[first].due_ns - now_ns};
    return true;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    bench b;

    bench_init(&b, argc, argv, 1);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        bench_die("epoll_create1", errno);
    listener = bench_listen(SOCK_NONBLOCK);
    watch(listener);
    for (;;) {
        struct timespec pause;
        int n = epoll_pwait2(epoll, events, EVENTS, answer_all(&pause) ? &pause : NULL, NULL);

        if (n < 0 && errno != EINTR)
            bench_die("epoll_pwait2", errno);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all();
            else
                take_request(events[i].data.fd);
        }
    }
}
