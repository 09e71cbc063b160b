/* See uring.h. */
#include "bench/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bench/bench.h"

void uring_init(uring *u, unsigned submissions, unsigned completions)
{
    struct io_uring_params params = {.cq_entries = completions};
    int error;

    params.flags =
        IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;
    error = io_uring_queue_init_params(submissions, &u->ring, &params);
    if (error < 0)
        bench_die("io_uring_queue_init", error);
    io_uring_register_ring_fd(&u->ring);
}

void uring_init_buffers(uring *u)
{
    struct io_uring_buf_reg group = {.ring_entries = URING_BUFFERS, .bgid = URING_GROUP};
    int error;

    u->group = aligned_alloc(4096, URING_BUFFERS * sizeof(struct io_uring_buf));
    u->memory = aligned_alloc(4096, (size_t)URING_BUFFERS * URING_BUFFER_SIZE);
    if (u->group == NULL || u->memory == NULL)
        bench_die("buffers", ENOMEM);
    io_uring_buf_ring_init(u->group);
    group.ring_addr = (uintptr_t)u->group;
    error = io_uring_register_buf_ring(&u->ring, &group, 0);
    if (error < 0)
        bench_die("io_uring_register_buf_ring", error);
    for (unsigned i = 0; i < URING_BUFFERS; i++)
        uring_give(u, i);
}

struct io_uring_sqe *uring_next(uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    if (sqe == NULL) {
        io_uring_submit(&u->ring);
        sqe = io_uring_get_sqe(&u->ring);
    }
    if (sqe == NULL)
        bench_die("io_uring_get_sqe", EBUSY);
    return sqe;
}

void uring_accept(uring *u, uint64_t kind, int listener)
{
    struct io_uring_sqe *sqe = uring_next(u);

    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, uring_tag(kind, listener, 0));
}

void uring_receive(uring *u, uint64_t kind, int fd)
{
    struct io_uring_sqe *sqe = uring_next(u);

    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_GROUP;
    io_uring_sqe_set_data64(sqe, uring_tag(kind, fd, 0));
}

void uring_turn(uring *u, void (*complete)(const struct io_uring_cqe *cqe))
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned seen = 0;
    int error = io_uring_submit_and_wait(&u->ring, 1);

    if (error < 0 && error != -EINTR)
        bench_die("io_uring_submit_and_wait", error);
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        complete(cqe);
        seen++;
    }
    io_uring_cq_advance(&u->ring, seen);
}
