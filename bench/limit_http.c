/* How many HTTP requests can one thread answer with nothing but io_uring? The ring is used as in limit_echo_uring.c; what
 * has come is copied behind what is left of the connection's last request, and its buffer goes back at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/http.h"
#include "bench/listen.h"
#include "bench/uring.h"

enum { SUBMISSIONS = 4096, COMPLETIONS = 16384, DESCRIPTORS = 1 << 16, ANSWERS = 4096, AHEAD = 32768 };
enum { ACCEPT = 1, RECEIVE = 2, SEND = 3 };

typedef struct connection {
    bool sending;
    bool goes_on;
    bool closing; /* as soon as nothing is sent any more */
    size_t size;
    size_t to_send;
    char text[AHEAD]; /* who sends more than this ahead of the answers is hung up on */
    char answers[ANSWERS];
} connection;

static uring ring;
static int listener;
static connection *connections[DESCRIPTORS];

static void open_connection(int fd)
{
    if (fd >= DESCRIPTORS)
        bench_die("connections", EMFILE);
    if (connections[fd] == NULL)
        connections[fd] = malloc(sizeof(connection));
    if (connections[fd] == NULL)
        bench_die("connections", ENOMEM);
    connections[fd]->sending = false;
    connections[fd]->goes_on = true;
    connections[fd]->closing = false;
    connections[fd]->size = 0;
    uring_receive(&ring, RECEIVE, fd);
}

/* Answer what is complete, unless the last answers are still on their way. False: too much has come that is not. */
static bool answer(int fd)
{
    connection *c = connections[fd];
    struct io_uring_sqe *sqe;
    size_t taken;

    if (c->sending || !c->goes_on)
        return true;
    c->to_send = http_answer_all(c->text, c->size, c->answers, ANSWERS, &taken, &c->goes_on);
    if (taken == 0)
        return c->size < HTTP_REQUEST_MAX;
    c->size -= taken;
    memmove(c->text, c->text + taken, c->size);
    c->sending = true;
    sqe = uring_next(&ring);
    io_uring_prep_send(sqe, fd, c->answers, c->to_send, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, uring_tag(SEND, fd, 0));
    return true;
}

static void received(int fd, int result, unsigned flags)
{
    connection *c = connections[fd];
    bool good = result > 0 || result == -ENOBUFS;

    if (flags & IORING_CQE_F_BUFFER) {
        unsigned buffer = flags >> IORING_CQE_BUFFER_SHIFT;
        size_t n = result > 0 ? (size_t)result : 0;

        good = good && n <= AHEAD - c->size;
        if (good) {
            memcpy(c->text + c->size, uring_buffer(&ring, buffer), n);
            c->size += n;
        }
        uring_give(&ring, buffer);
    }
    if (good && answer(fd)) {
        if (!(flags & IORING_CQE_F_MORE))
            uring_receive(&ring, RECEIVE, fd);
    } else if (flags & IORING_CQE_F_MORE) {
        shutdown(fd, SHUT_RDWR); /* the receive ends, and comes here once more */
    } else if (c->sending) {
        c->closing = true;
    } else {
        close(fd);
    }
}

static void sent(int fd, int result)
{
    connection *c = connections[fd];

    c->sending = false;
    if (c->closing)
        close(fd);
    else if (result != (int)c->to_send || !c->goes_on || !answer(fd))
        shutdown(fd, SHUT_RDWR);
}

static void complete(const struct io_uring_cqe *cqe)
{
    int fd = uring_fd(cqe->user_data);

    switch (uring_kind(cqe->user_data)) {
    case ACCEPT:
        if (cqe->res < 0)
            bench_die("accept", cqe->res);
        open_connection(cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            uring_accept(&ring, ACCEPT, listener);
        break;
    case RECEIVE:
        received(fd, cqe->res, cqe->flags);
        break;
    default:
        sent(fd, cqe->res);
        break;
    }
}

int main(int argc, char **argv)
{
    bench b;

    bench_init(&b, argc, argv, 1);
    uring_init(&ring, SUBMISSIONS, COMPLETIONS);
    uring_init_buffers(&ring);
    listener = bench_listen(0);
    uring_accept(&ring, ACCEPT, listener);
    for (;;)
        uring_turn(&ring, complete);
}
