/* Running operations in the ring: one at a time for each coroutine. Their life is in io/op_word.h. */
#ifndef WF_IO_OP_H
#define WF_IO_OP_H

#include <liburing.h>
#include <poll.h>

#include "io/op_word.h"
#include "sched/suspend.h"

struct wf_ring;

/* Run the operation that `entry` describes in the ring of the present worker and wait for its result: cqe->res, or
 * -ECANCELED or -ETIMEDOUT when a kill or a deadline ended it before it had done anything. On a coroutine only. `fd`
 * is for weft_dump. */
int wf_op_run(wf_coro *self, const struct io_uring_sqe *entry, int fd, int64_t deadline);

/* Wait until one of fds[0 … n - 1] (those that are not negative) may be ready: 0, or as wf_op_run. What has become
 * ready, poll(2) tells. */
int wf_op_poll(wf_coro *self, const struct pollfd *fds, nfds_t n, int64_t deadline);

/* The two halves of that, for who waits by itself in between, by the ticket of the next wait: begin it, and end it, whatever has
 * ended the wait. */
typedef struct wf_op_polling {
    uint64_t ticket;
    uint16_t home; /* in whose ring */
} wf_op_polling;

wf_op_polling wf_op_poll_begin(wf_coro *self, const struct pollfd *fds, nfds_t n);
void wf_op_poll_end(wf_coro *self, wf_op_polling polling, const struct pollfd *fds);

/* Cancel the operation that `coro` has in flight in this ring, or nothing. On the ring's thread, while the coroutine
 * is held. */
void wf_op_cancel_in(struct wf_ring *ring, wf_coro *coro);

/* For ring.c: a completion. */
void wf_op_complete(struct wf_ring *ring, wf_coro *coro, int result, unsigned flags);
void wf_op_complete_poll(struct wf_ring *ring, wf_coro *coro);
void wf_op_cancel_failed(struct wf_ring *ring, wf_coro *coro, uint16_t ticket, unsigned attempt, int result);

#endif
