/* The submission and completion queues of a ring, and waiting for it.
 *
 * Entering the kernel. All goes through `enter`: it publishes the prepared entries, and on the way it may wait and has
 * deferred work run (DEFER_TASKRUN: completions are posted only then). A short count is no error: the kernel was
 * short of memory (EAGAIN) or wants completions taken out first (EBUSY), so the caller takes them out and tries again.
 *
 * Taking completions out, under drain_lock. Each is copied, and given back to the kernel, before it is handled: handling one may wake a
 * worker through this very ring (`wake`), and so come back here; the owner holds the lock already then.
 *
 * When it is stuck the monitor may take them out, which must not meet the owner where it looks at the completions without the lock: in
 * `wait`, before it sleeps. So the monitor does it only for a worker that runs a coroutine and has not dispatched since it was
 * seen to be stuck, and looks at that under the lock. A worker that comes to wait has left its coroutine first, and then been
 * in `poll`, that is, under the lock: the monitor came before, or sees that nothing runs.
 *
 * Waking a sleeper. From another worker by a message from that worker's ring, which costs the sleeper nothing; from a
 * plain thread by its eventfd. The eventfd is never read: a multishot poll completes once for each write, and an
 * eventfd counts to 2^64. A wake that comes before the wait has begun is a completion that is there already, or
 * `woken` when a poll in between took it out: in both cases the wait returns at once.
 */
#include "io/ring.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>

#include "core/syscall.h"
#include "io/offload.h"
#include "io/op.h"

/* The kernel's half of the queues is plain memory in liburing's structures. */
#define SHARED(p) ((_Atomic(uint32_t) *)(p))

static uint32_t sq_head(const wf_ring *ring)
{
    /* ORDER(ring-sq): pairs with the kernel's consumption of entries: what it has consumed may be written again. */
    return wf_load_acquire(SHARED(ring->uring.sq.khead));
}

uint32_t wf_ring_queued(const wf_ring *ring)
{
    return ring->sq_tail - sq_head(ring);
}

/* After an enter: does the kernel hold completions for which there was no room? The next look fetches them. */
static void note_overflow(wf_ring *ring)
{
    /* relaxed: a flag that is counted; the count is our own. */
    if (wf_load_relaxed(SHARED(ring->uring.sq.kflags)) & IORING_SQ_CQ_OVERFLOW)
        wf_store_relaxed(&ring->overflows, wf_load_relaxed(&ring->overflows) + 1);
}

/* Publish the prepared entries and enter the kernel. Returns as io_uring_enter: entries taken, or -errno. */
static int enter(wf_ring *ring, unsigned wait_for, unsigned flags, const void *arg, size_t arg_size)
{
    wf_ring_ready(ring);
    /* ORDER(ring-sq): pairs with the kernel's read of the tail, which then sees the entries. */
    wf_store_release(SHARED(ring->uring.sq.ktail), ring->sq_tail);
    int result = (int)wf_syscall6(SYS_io_uring_enter, ring->enter_fd, wf_ring_queued(ring), wait_for,
                                  flags | ring->enter_flags, (long)arg, (long)arg_size);
    note_overflow(ring);
    switch (result) {
    case -ETIME:
    case -EINTR:
    case -EAGAIN:
    case -EBUSY:
        return result;
    case -EBADR:
        wf_die(
            "worker %u: the kernel had no memory to keep completions and dropped some: coroutines would wait for ever; "
            "raise the memory limit, or WEFT_RING_ENTRIES",
            ring->worker->index);
    default:
        if (result < 0)
            wf_die("worker %u: io_uring_enter: %s", ring->worker->index, strerrordesc_np(-result));
        return result;
    }
}

/* Deferred work is waiting in the kernel, or completions that did not fit. */
static bool has_deferred(const wf_ring *ring)
{
    /* relaxed: a hint; the kernel is entered to find out. */
    return wf_load_relaxed(SHARED(ring->uring.sq.kflags)) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static bool has_completions(const wf_ring *ring)
{
    /* ORDER(ring-cq): pairs with the kernel's write of the tail: the completions before it are written. */
    uint32_t tail = wf_load_acquire(SHARED(ring->uring.cq.ktail));
    return tail != wf_load_relaxed(SHARED(ring->uring.cq.khead)); /* relaxed: see above who may write it meanwhile */
}

static void wake_by_eventfd(wf_ring *ring)
{
    uint64_t one = 1;
    wf_syscall3(SYS_write, ring->wakeup_fd, &one, sizeof one);
}

static void handle(wf_ring *ring, uint64_t user_data, int result, unsigned flags)
{
    wf_coro *coro = (wf_coro *)(uintptr_t)(user_data & WF_RING_ADDRESS);
    switch (user_data & WF_RING_KINDS) {
    case WF_RING_OP:
        wf_op_complete(ring, coro, result, flags);
        break;
    case WF_RING_POLL:
        wf_op_complete_poll(ring, coro);
        break;
    case WF_RING_EVENTFD:
        ring->woken = true;
        ring->armed = flags & IORING_CQE_F_MORE;
        break;
    case WF_RING_WOKEN:
        ring->woken = true;
        break;
    case WF_RING_WAKE:
        ring->messages = false;
        wake_by_eventfd(wf_rt.workers[user_data >> 6]->source);
        break;
    case WF_RING_CANCEL ... WF_RING_CANCEL + WF_RING_ATTEMPTS - 1:
    case WF_RING_PAUSE ... WF_RING_PAUSE + WF_RING_ATTEMPTS - 1:
        wf_op_cancel_failed(ring, coro, (uint16_t)(user_data >> 48), user_data % WF_RING_ATTEMPTS, result);
        break;
    }
}

static wf_ring_event take_out(struct io_uring_cq *cq, uint32_t head)
{
    struct io_uring_cqe *cqe = &cq->cqes[head & cq->ring_mask];
    wf_ring_event event = {cqe->user_data, cqe->res, cqe->flags};
    /* ORDER(ring-cq): pairs with the kernel's read of the head: the slot was read and may be written again. */
    wf_store_release(SHARED(cq->khead), head + 1);
    return event;
}

/* Those that were taken out for the owner come first. */
static int handle_kept(wf_ring *ring)
{
    int count = 0;
    for (; ring->kept_count > 0; count++) {
        wf_ring_event event = ring->kept[0];
        ring->kept_count--;
        memmove(ring->kept, ring->kept + 1, ring->kept_count * sizeof event);
        handle(ring, event.user_data, event.result, event.flags);
    }
    return count;
}

static int drain_locked(wf_ring *ring)
{
    struct io_uring_cq *cq = &ring->uring.cq;
    int count = wf_unlikely(ring->kept_count > 0) ? handle_kept(ring) : 0;
    uint32_t head = *cq->khead; /* written under the lock only */
    /* ORDER(ring-cq): as in has_completions. */
    uint32_t tail = wf_load_acquire(SHARED(cq->ktail));
    for (; head != tail; head = *cq->khead) {
        if ((int32_t)(tail - head) < 0)
            break; /* a drain inside this one went further */
        wf_ring_event event = take_out(cq, head);
        handle(ring, event.user_data, event.result, event.flags);
        count++;
    }
    return count;
}

/* Handle the completions that are there. By the owner. Returns how many. */
static int drain(wf_ring *ring)
{
    if (ring->draining)
        return drain_locked(ring);
    wf_object_lock_on(ring->worker, &ring->drain_lock);
    ring->draining = true;
    int count = drain_locked(ring);
    ring->draining = false;
    wf_object_unlock(&ring->drain_lock);
    return count;
}

void wf_ring_submit(wf_ring *ring)
{
    while (wf_ring_queued(ring) > 0) {
        enter(ring, 0, 0, NULL, 0);
        if (wf_ring_queued(ring) == 0)
            return;
        /* Short of memory, or too many completions: make room, let others run, try again. */
        enter(ring, 0, IORING_ENTER_GETEVENTS, NULL, 0);
        drain(ring);
        sched_yield();
    }
}

struct io_uring_sqe *wf_ring_entry(wf_ring *ring)
{
    struct io_uring_sq *sq = &ring->uring.sq;
    if (ring->sq_tail - sq_head(ring) >= sq->ring_entries)
        wf_ring_submit(ring);
    return &sq->sqes[ring->sq_tail++ & sq->ring_mask];
}

static void arm(wf_ring *ring)
{
    if (ring->armed)
        return;
    ring->armed = true;
    struct io_uring_sqe *sqe = wf_ring_entry(ring);
    io_uring_prep_poll_multishot(sqe, ring->wakeup_fd, POLLIN);
    sqe->user_data = WF_RING_EVENTFD;
    wf_ring_ready(ring);
}

static int poll_ring(struct wf_worker *worker)
{
    wf_ring *ring = worker->source;
    int count = drain(ring);
    if (wf_ring_queued(ring) > 0 || has_deferred(ring)) {
        enter(ring, 0, IORING_ENTER_GETEVENTS, NULL, 0);
        count += drain(ring);
    }
    return count;
}

static int wait_ring(struct wf_worker *worker, int64_t deadline_ns)
{
    wf_ring *ring = worker->source;
    int64_t left = deadline_ns == INT64_MAX ? INT64_MAX : deadline_ns - weft_now();
    if (ring->woken || has_completions(ring) || left <= 0) {
        ring->woken = false;
        return poll_ring(worker);
    }
    arm(ring);
    struct __kernel_timespec timeout = {.tv_sec = left / WEFT_SECOND, .tv_nsec = left % WEFT_SECOND};
    struct io_uring_getevents_arg arg = {.ts = left == INT64_MAX ? 0 : (uint64_t)(uintptr_t)&timeout};
    enter(ring, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
    int count = drain(ring);
    ring->woken = false;
    return count;
}

static bool is_busy(struct wf_worker *worker)
{
    wf_ring *ring = worker->source;
    return wf_ring_in_flight(ring) > 0 || wf_ring_queued(ring) > 0;
}

static void wake_ring(struct wf_worker *target, struct wf_worker *self)
{
    wf_ring *sleeper = target->source;
    wf_ring *own = self == NULL ? NULL : self->source;
    if (own == NULL || !own->messages) {
        wake_by_eventfd(sleeper);
        return;
    }
    struct io_uring_sqe *sqe = wf_ring_entry(own);
    io_uring_prep_msg_ring(sqe, sleeper->uring.ring_fd, 0, WF_RING_WOKEN, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = (uint64_t)target->index << 6 | WF_RING_WAKE;
    wf_ring_ready(own);
    wf_ring_submit(own);
}

static uint64_t live(struct wf_worker *worker)
{
    return wf_ring_in_flight(worker->source);
}

/* ---- a worker that is stuck ---- */

/* Entries that are filled in and not submitted. The monitor sees roughly how many. */
static uint32_t count_ready(const wf_ring *ring)
{
    /* ORDER(ring-ready): pairs with wf_ring_ready. */
    return wf_load_acquire(&ring->sq_ready) - sq_head(ring);
}

static bool is_due(struct wf_worker *worker)
{
    const wf_ring *ring = worker->source;
    return count_ready(ring) > 0 || has_deferred(ring);
}

static void nudge(struct wf_worker *worker)
{
    wf_ring *ring = worker->source;
    uint32_t ready = count_ready(ring);
    /* ORDER(ring-sq): as in enter. What enter has published is ready, so the tail never goes back. */
    wf_store_release(SHARED(ring->uring.sq.ktail),
                     wf_load_relaxed(&ring->sq_ready)); /* relaxed: this thread wrote it */
    wf_syscall6(SYS_io_uring_enter, ring->enter_fd, ready, 0, IORING_ENTER_GETEVENTS | ring->enter_flags, 0, 0);
}

static int drain_for_others(wf_ring *ring)
{
    struct io_uring_cq *cq = &ring->uring.cq;
    int count = 0;
    /* ORDER(ring-cq): as in has_completions. */
    while (ring->kept_count < WF_RING_KEPT && wf_load_acquire(SHARED(cq->ktail)) != *cq->khead) {
        wf_ring_event event = take_out(cq, *cq->khead);
        if ((event.user_data & WF_RING_KINDS) == WF_RING_OP) {
            handle(ring, event.user_data, event.result, event.flags);
            count++;
        } else {
            ring->kept[ring->kept_count++] = event;
        }
    }
    return count;
}

static int relieve(struct wf_worker *worker, uint64_t dispatches)
{
    wf_ring *ring = worker->source;
    int count = 0;
    if (!has_completions(ring))
        return 0;
    wf_object_lock(&ring->drain_lock);
    /* relaxed, both: the lock orders them, see above. */
    if (wf_load_relaxed(&worker->current) != NULL && wf_load_relaxed(&worker->dispatches) == dispatches)
        count = drain_for_others(ring);
    wf_object_unlock(&ring->drain_lock);
    return count;
}

const struct wf_driver wf_ring_driver = {
    .name = "uring",
    .open = wf_ring_open,
    .enter = wf_ring_enter,
    .close = wf_ring_close,
    .abandon = wf_ring_abandon,
    .poll = poll_ring,
    .wait = wait_ring,
    .busy = is_busy,
    .wake = wake_ring,
    .live = live,
    .is_due = is_due,
    .nudge = nudge,
    .relieve = relieve,
    .stop = wf_offload_stop,
};
