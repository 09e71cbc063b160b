/* Running operations: start, wait, give up, complete. The word and the argument are in io/op_word.h. */
#include "io/op.h"

#include <errno.h>

#include "io/ring.h"

/* Submit when so many entries are prepared, else when the worker looks at its ring (every 61st dispatch) or runs out
 * of work. 16 share one system call of some 200 ns; more saves next to nothing and only makes the first of them wait.
 *  */
enum { BATCH = 16 };

/* wf_coro.wait_data[1] of a coroutine in wf_op_poll; on the ring's thread only. */
enum { POLL_LEFT = 0xffffffff };                         /* completions that have not come yet */
static const uint64_t POLL_ENDED = UINT64_C(1) << 32;    /* one has come: the others are being cancelled */
static const uint64_t POLL_BUILDING = UINT64_C(1) << 33; /* not all entries are prepared yet */

/* A cancel that travels to the ring that has the operation; in the frame of the coroutine that waits for it. */
struct cancel_message {
    wf_message message;
    wf_coro *coro;
};

static void count_started(wf_ring *ring)
{
    wf_store_relaxed(&ring->started, wf_load_relaxed(&ring->started) + 1); /* relaxed: only the owner writes it */
}

static uint64_t user_data_of(wf_coro *coro, unsigned kind)
{
    return (uint64_t)(uintptr_t)coro | (kind & WF_OP_POLL ? WF_RING_POLL : WF_RING_OP);
}

/* So that what comes of a cancel is taken for this very wait's: 16 bits of its ticket. */
static uint64_t cancel_data_of(wf_coro *coro, uint64_t word, unsigned kind)
{
    return (word >> WF_OP_TICKET_SHIFT) << 48 | (uint64_t)(uintptr_t)coro | kind;
}

static void cancel(wf_ring *ring, wf_coro *coro, uint64_t word, unsigned attempt)
{
    struct io_uring_sqe *sqe = wf_ring_entry(ring);
    io_uring_prep_cancel64(sqe, user_data_of(coro, word & WF_OP_POLL), word & WF_OP_POLL ? IORING_ASYNC_CANCEL_ALL : 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = cancel_data_of(coro, word, WF_RING_CANCEL + attempt);
    wf_ring_ready(ring);
}

void wf_op_cancel_in(wf_ring *ring, wf_coro *coro)
{
    uint64_t word = wf_load_relaxed(&coro->op); /* relaxed: a wrong guess cancels nothing */
    if ((word & WF_OP_PHASE) == WF_OP_IN_FLIGHT)
        cancel(ring, coro, word, 0);
}

/* Time for a thread of the kernel to heed a cancel. */
static void pause_before_next(wf_ring *ring, wf_coro *coro, uint64_t word, unsigned attempt)
{
    static struct __kernel_timespec pauses[WF_RING_ATTEMPTS] = {
        {.tv_nsec = 1000000},  {.tv_nsec = 2000000},  {.tv_nsec = 4000000},  {.tv_nsec = 8000000},
        {.tv_nsec = 16000000}, {.tv_nsec = 32000000}, {.tv_nsec = 64000000}, {.tv_nsec = 128000000},
    };
    struct io_uring_sqe *sqe = wf_ring_entry(ring);
    io_uring_prep_timeout(sqe, &pauses[attempt], 0, 0);
    sqe->user_data = cancel_data_of(coro, word, WF_RING_PAUSE + attempt);
    wf_ring_ready(ring);
}

/* A cancel that did not succeed, or the pause after it.
 *   -ENOENT    the operation is over, or between two states: at once again
 *   -EALREADY  a thread of the kernel runs it, and was sent an interruption, which is lost if it comes before the thread sleeps: again,
 *              later
 *   -ETIME     it is later */
void wf_op_cancel_failed(wf_ring *ring, wf_coro *coro, uint16_t ticket, unsigned attempt, int result)
{
    uint64_t word = wf_load_relaxed(&coro->op); /* relaxed: a wrong guess costs a look in vain */
    if ((word & WF_OP_PHASE) != WF_OP_IN_FLIGHT || (uint16_t)(word >> WF_OP_TICKET_SHIFT) != ticket)
        return;
    if (result == -ENOENT)
        cancel(ring, coro, word, attempt);
    else if (result == -EALREADY)
        pause_before_next(ring, coro, word, attempt);
    else if (result == -ETIME)
        cancel(ring, coro, word, attempt + 1 < WF_RING_ATTEMPTS ? attempt + 1 : attempt);
}

/* ---- completions, by whoever takes them out of the ring ---- */

/* It may go on, and end, as soon as its word says DONE. */
static void finish(wf_ring *ring, wf_coro *coro)
{
    uint64_t completed = wf_load_relaxed(&ring->completed); /* relaxed: under drain_lock */
    wf_store_release(&ring->completed, completed + 1);      /* ORDER(ring-completed): pairs with wf_ring_in_flight. */
    uint64_t ticket = wf_op_finish(&coro->op);
    if (ticket != 0)
        wf_wake(coro, ticket, 0);
}

void wf_op_complete(wf_ring *ring, wf_coro *coro, int result, unsigned flags)
{
    coro->wait_data[0] = (uint64_t)(int64_t)result;
    coro->wait_data[1] = flags;
    finish(ring, coro);
}

/* By the owner. */
void wf_op_complete_poll(wf_ring *ring, wf_coro *coro)
{
    uint64_t was = coro->wait_data[1]--;
    if ((was & POLL_LEFT) == 1) {
        finish(ring, coro);
    } else if (!(was & POLL_ENDED)) {
        coro->wait_data[1] |= POLL_ENDED;
        if (!(was & POLL_BUILDING))
            wf_op_cancel_in(ring, coro);
    }
}

static void cancel_here(wf_worker *worker, wf_message *message)
{
    wf_coro *coro = wf_container_of(message, struct cancel_message, message)->coro;
    uint64_t ticket;
    if (wf_op_cancel(&coro->op, &ticket))
        wf_op_cancel_in(worker->source, coro);
    else
        wf_wake(coro, ticket, 0);
}

/* ---- the call ---- */

/* The wait was ended by a kill or a deadline: see that the operation ends too, and wait for that. */
static void give_up(wf_coro *self, uint64_t ticket, uint16_t home, unsigned kind, void *object)
{
    wf_worker *worker = wf_worker_self();
    struct cancel_message cancel = {.message.run = cancel_here, .coro = self};
    bool remote = worker->index != home;
    if (!wf_op_give_up(&self->op, ticket, wf_state_ticket(self), kind, remote))
        return;
    if (remote)
        wf_worker_send(wf_rt.workers[home], &cancel.message);
    else
        wf_op_cancel_in(worker->source, self);
    wf_wait_ticket_firm(self, WF_WAIT_IO_CANCEL, object);
}

/* Wait for the operation that was started with this ticket in the ring of worker `home`. 0, or what ended the wait
 * early. */
static int await(wf_coro *self, uint64_t ticket, uint16_t home, unsigned kind, void *object, int64_t deadline)
{
    int ended = wf_wait_ticket(self, WF_WAIT_IO, object, deadline);
    if (ended != 0)
        give_up(self, ticket, home, kind, object);
    wf_op_take(&self->op);
    return ended;
}

/* What a thread of the kernel returns when a cancel interrupts it: EINTR, or a code that is for the kernel's own use and that some
 * calls (openat of a FIFO) do not translate. */
static bool was_interrupted(int result)
{
    enum { ERESTARTSYS = 512, ERESTART_RESTARTBLOCK = 516 };
    return result == -EINTR || (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK);
}

int wf_op_run(wf_coro *self, const struct io_uring_sqe *entry, int fd, int64_t deadline)
{
    wf_ring *ring = wf_ring_self();
    uint16_t home = ring->worker->index;
    uint64_t ticket = wf_state_ticket(self);
    wf_op_start(&self->op, ticket, 0);
    struct io_uring_sqe *sqe = wf_ring_entry(ring);
    *sqe = *entry;
    sqe->user_data = user_data_of(self, 0);
    count_started(ring);
    wf_ring_ready(ring);
    if (wf_ring_queued(ring) >= BATCH)
        wf_ring_submit(ring);
    int ended = await(self, ticket, home, 0, (void *)(intptr_t)fd, deadline);
    int result = (int)(int64_t)self->wait_data[0];
    if (was_interrupted(result))
        result = -EINTR;
    return ended != 0 && (result == -ECANCELED || result == -EINTR) ? ended : result;
}

static void prepare_poll(wf_ring *ring, wf_coro *self, const struct pollfd *fds, nfds_t n)
{
    for (nfds_t i = 0; i < n; i++) {
        if (fds[i].fd < 0)
            continue;
        struct io_uring_sqe *sqe = wf_ring_entry(ring);
        io_uring_prep_poll_add(sqe, fds[i].fd, (unsigned short)fds[i].events);
        sqe->user_data = user_data_of(self, WF_OP_POLL);
        wf_ring_ready(ring);
    }
}

wf_op_polling wf_op_poll_begin(wf_coro *self, const struct pollfd *fds, nfds_t n)
{
    wf_ring *ring = wf_ring_self();
    wf_op_polling polling = {.ticket = wf_state_ticket(self), .home = ring->worker->index};
    uint64_t count = 0;
    for (nfds_t i = 0; i < n; i++)
        count += fds[i].fd >= 0;
    wf_op_start(&self->op, polling.ticket, WF_OP_POLL);
    /* While the entries are prepared a full queue may be submitted, and the first of them complete. */
    self->wait_data[1] = count | POLL_BUILDING;
    count_started(ring);
    prepare_poll(ring, self, fds, n);
    self->wait_data[1] &= ~POLL_BUILDING;
    if (self->wait_data[1] & POLL_ENDED)
        wf_op_cancel_in(ring, self);
    return polling;
}

void wf_op_poll_end(wf_coro *self, wf_op_polling polling, const struct pollfd *fds)
{
    give_up(self, polling.ticket, polling.home, WF_OP_POLL, (void *)(uintptr_t)fds); /* does nothing when it is over */
    wf_op_take(&self->op);
}

int wf_op_poll(wf_coro *self, const struct pollfd *fds, nfds_t n, int64_t deadline)
{
    wf_op_polling polling = wf_op_poll_begin(self, fds, n);
    return await(self, polling.ticket, polling.home, WF_OP_POLL, (void *)(uintptr_t)fds, deadline);
}
