/* The way of a call on a coroutine. Plain threads: io/plain.c. */
#include "io/call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "core/clock.h"
#include "core/syscall.h"
#include "io/op.h"
#include "sched/waiters.h"

int wf_call_is_nonblocking(int fd)
{
    long flags = wf_syscall3(SYS_fcntl, fd, F_GETFL, 0);
    return flags < 0 ? (int)flags : (flags & O_NONBLOCK) != 0;
}

ssize_t wf_call_attempt(const wf_call *call)
{
    const long *a = call->args;
    return wf_syscall6(call->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Run one entry while standing in the descriptor's line. False: the descriptor is being closed. */
static bool run_in_line(const struct io_uring_sqe *sqe, wf_fd *entry, wf_coro *self, int fd, int64_t deadline,
                        int *result)
{
    if (wf_fd_join(entry, self) < 0)
        return false;
    *result = wf_op_run(self, sqe, fd, deadline);
    wf_fd_part(entry, self);
    return true;
}

/* The kernel gave up on waiting (it does after some retries), or will not wait for this kind of file: wait for it to
 * be ready. */
static bool wait_ready(const wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline, int *result)
{
    struct io_uring_sqe sqe = {0};
    io_uring_prep_poll_add(&sqe, call->fd, (unsigned short)call->events);
    return run_in_line(&sqe, entry, self, call->fd, deadline, result);
}

/* Ended before it did anything, by a kill, by a close, or by nobody who still wants it. */
static bool is_interrupted(int result)
{
    return result == -EINTR || result == -ECANCELED;
}

/* Through the ring, until it has a result that means something to the caller. */
static ssize_t run_in_ring(const wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline)
{
    for (;;) {
        int result;
        if (!run_in_line(&call->sqe, entry, self, call->fd, deadline, &result))
            return -ECANCELED;
        if (result == -EAGAIN) {
            if (!wait_ready(call, entry, self, deadline, &result))
                return -ECANCELED;
            if (result < 0 && !is_interrupted(result))
                return result;
        } else if (!is_interrupted(result)) {
            return result;
        }
        /* Was it killed? If not, try again; what is being closed is found to be so. */
        int error = wf_check(self);
        if (error < 0)
            return error;
    }
}

/* On a receive: is a look at the socket likely to find something? */
static bool is_promising(const wf_call *call, wf_fd *entry)
{
    return call->eager || (call->events == POLLIN && wf_load_relaxed(&entry->hint)); /* relaxed: a hint */
}

/* Note for the next receive whether this one left something behind. */
static void note_rest(const wf_call *call, wf_fd *entry, bool more)
{
    if (call->wanted != 0)
        wf_store_relaxed(&entry->hint, more); /* relaxed: a hint */
}

static bool has_passed(int64_t deadline)
{
    return deadline != WEFT_NEVER && deadline <= wf_clock_now();
}

static ssize_t run_on_coroutine(wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline)
{
    bool tries = call->kind == WF_CALL_DONTWAIT;
    if (tries && (call->dontwait || is_promising(call, entry) || has_passed(deadline))) {
        ssize_t result = wf_call_attempt(call);
        note_rest(call, entry, result > 0 && (size_t)result == call->wanted);
        if (result != -EAGAIN || call->dontwait)
            return result;
    }
    int nonblocking = wf_call_is_nonblocking(call->fd);
    if (nonblocking < 0)
        return nonblocking;
    if (nonblocking)
        return wf_call_attempt(call);
    ssize_t result = run_in_ring(call, entry, self, deadline);
    if (result > 0)
        note_rest(call, entry, self->wait_data[1] & IORING_CQE_F_SOCK_NONEMPTY);
    return result;
}

ssize_t wf_call_run(wf_call *call, int64_t deadline)
{
    wf_coro *self;
    wf_fd *entry;
    int error = wf_enter(&self);
    if (error == 0)
        error = wf_fd_enter(call->fd, &entry);
    if (error < 0)
        return error;
    ssize_t result = self->flags & WF_CORO_THREAD ? wf_plain_run(call, entry, self, deadline)
                                                  : run_on_coroutine(call, entry, self, deadline);
    wf_fd_leave(entry);
    return result;
}

ssize_t wf_call_run_detached(wf_call *call)
{
    wf_coro *self;
    int error = wf_enter(&self);
    if (error < 0)
        return error;
    if (self->flags & WF_CORO_THREAD)
        return wf_call_attempt(call);
    for (;;) {
        int result = wf_op_run(self, &call->sqe, call->fd, WEFT_NEVER);
        if (result != -EINTR)
            return result;
        error = wf_check(self);
        if (error < 0)
            return error;
    }
}
