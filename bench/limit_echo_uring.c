/* How many small requests can one thread answer with nothing but io_uring?
 *
 * One multishot accept, one multishot receive per connection into a shared ring of buffers, and a send straight out of
 * the buffer, which goes back to the ring when the send has completed. One system call starts what is queued and waits
 * for more.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/listen.h"

enum {
    SUBMISSIONS = 4096,
    COMPLETIONS = 16384,
    BUFFERS = 8192, /* a power of two, and more than connections that have a request on its way */
    BUFFER_SIZE = 1024,
    BUFFER_GROUP = 0
};

/* What a completion is about: its kind in the top byte of user_data, the descriptor and the buffer below. */
enum { ACCEPT = 1, RECEIVE = 2, SEND = 3 };

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *memory;
static int listener;

static uint64_t tag(uint64_t kind, int fd, unsigned buffer)
{
    return kind << 56 | (uint64_t)buffer << 32 | (unsigned)fd;
}

static struct io_uring_sqe *next_sqe(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    if (sqe == NULL)
        bench_die("io_uring_get_sqe", EBUSY);
    return sqe;
}

static void start_accept(void)
{
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag(ACCEPT, listener, 0));
}

static void start_receive(int fd)
{
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, tag(RECEIVE, fd, 0));
}

static void start_send(int fd, unsigned buffer, unsigned length)
{
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_send(sqe, fd, memory + (size_t)buffer * BUFFER_SIZE, length, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, tag(SEND, fd, buffer));
}

static void give_buffer(unsigned buffer)
{
    io_uring_buf_ring_add(buffers, memory + (size_t)buffer * BUFFER_SIZE, BUFFER_SIZE, (unsigned short)buffer,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void received(int fd, int result, unsigned flags)
{
    if (result > 0)
        start_send(fd, flags >> IORING_CQE_BUFFER_SHIFT, (unsigned)result);
    else if (flags & IORING_CQE_F_BUFFER)
        give_buffer(flags >> IORING_CQE_BUFFER_SHIFT);
    if (flags & IORING_CQE_F_MORE)
        return;
    if (result > 0 || result == -ENOBUFS)
        start_receive(fd);
    else
        close(fd);
}

static void complete(const struct io_uring_cqe *cqe)
{
    int fd = (int)(uint32_t)cqe->user_data;
    unsigned buffer = (cqe->user_data >> 32) & 0xffffff;

    switch (cqe->user_data >> 56) {
    case ACCEPT:
        if (cqe->res < 0)
            bench_die("accept", cqe->res);
        start_receive(cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            start_accept();
        break;
    case RECEIVE:
        received(fd, cqe->res, cqe->flags);
        break;
    default:
        give_buffer(buffer);
        break;
    }
}

static void set_up(void)
{
    struct io_uring_params params = {.cq_entries = COMPLETIONS};
    struct io_uring_buf_reg group = {.ring_entries = BUFFERS, .bgid = BUFFER_GROUP};
    int error;

    params.flags =
        IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;
    error = io_uring_queue_init_params(SUBMISSIONS, &ring, &params);
    if (error < 0)
        bench_die("io_uring_queue_init", error);
    io_uring_register_ring_fd(&ring);
    buffers = aligned_alloc(4096, BUFFERS * sizeof(struct io_uring_buf));
    memory = aligned_alloc(4096, (size_t)BUFFERS * BUFFER_SIZE);
    if (buffers == NULL || memory == NULL)
        bench_die("buffers", ENOMEM);
    io_uring_buf_ring_init(buffers);
    group.ring_addr = (uintptr_t)buffers;
    error = io_uring_register_buf_ring(&ring, &group, 0);
    if (error < 0)
        bench_die("io_uring_register_buf_ring", error);
    for (unsigned i = 0; i < BUFFERS; i++)
        give_buffer(i);
}

int main(int argc, char **argv)
{
    bench b;

    bench_init(&b, argc, argv, 1);
    set_up();
    listener = bench_listen(0);
    start_accept();
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned seen = 0;
        int error = io_uring_submit_and_wait(&ring, 1);

        if (error < 0 && error != -EINTR)
            bench_die("io_uring_submit_and_wait", error);
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            complete(cqe);
            seen++;
        }
        io_uring_cq_advance(&ring, seen);
    }
}
