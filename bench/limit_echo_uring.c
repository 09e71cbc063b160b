/* How many small requests can one thread answer with nothing but io_uring?
 *
 * One multishot accept, one multishot receive per connection into a shared ring of buffers, and a send straight out of
 * the buffer, which goes back to the ring when the send has completed. One system call starts what is queued and waits
 * for more.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/listen.h"
#include "bench/uring.h"

enum { SUBMISSIONS = 4096, COMPLETIONS = 16384 };

/* Kinds of completions; the number of a send is its buffer's. */
enum { ACCEPT = 1, RECEIVE = 2, SEND = 3 };

static uring ring;
static int listener;

static void start_send(int fd, unsigned buffer, unsigned length)
{
    struct io_uring_sqe *sqe = uring_next(&ring);

    io_uring_prep_send(sqe, fd, uring_buffer(&ring, buffer), length, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, uring_tag(SEND, fd, buffer));
}

static void received(int fd, int result, unsigned flags)
{
    if (result > 0)
        start_send(fd, flags >> IORING_CQE_BUFFER_SHIFT, (unsigned)result);
    else if (flags & IORING_CQE_F_BUFFER)
        uring_give(&ring, flags >> IORING_CQE_BUFFER_SHIFT);
    if (flags & IORING_CQE_F_MORE)
        return;
    if (result > 0 || result == -ENOBUFS)
        uring_receive(&ring, RECEIVE, fd);
    else
        close(fd);
}

static void complete(const struct io_uring_cqe *cqe)
{
    switch (uring_kind(cqe->user_data)) {
    case ACCEPT:
        if (cqe->res < 0)
            bench_die("accept", cqe->res);
        uring_receive(&ring, RECEIVE, cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            uring_accept(&ring, ACCEPT, listener);
        break;
    case RECEIVE:
        received(uring_fd(cqe->user_data), cqe->res, cqe->flags);
        break;
    default:
        uring_give(&ring, uring_number(cqe->user_data));
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
