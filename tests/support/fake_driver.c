/* See fake_driver.h.
 *
 * An operation lies in the frame of its coroutine and on the list of the source in which it was started. Whoever takes it off
 * that list holds the source's lock, and the completion wakes its coroutine before it lets the lock go; so the frame is there for
 * as long as anybody looks at it: the coroutine takes the lock once more before it returns.
 */
#include "fake_driver.h"

#include <errno.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/futex.h"
#include "core/list.h"
#include "core/lock.h"
#include "sched/suspend.h"
#include "sched/worker.h"

typedef struct operation {
    wf_list node;
    wf_coro *coro;
    uint64_t ticket;
    int64_t due_ns;
    int result;
} operation;

typedef struct fake_source {
    wf_lock lock;
    wf_list operations;      /* lock */
    _Atomic(uint32_t) woken; /* any (atomic): futex */
} fake_source;

static _Atomic(uint32_t) waits;

unsigned wt_fake_waits(void)
{
    return wf_load_relaxed(&waits); /* relaxed: a counter */
}

/* ---- operations ---- */

int wt_fake_operation(int64_t ns, int result)
{
    wf_coro *self = wf_self_coro();
    fake_source *source = wf_worker_self()->source;
    operation op = {.coro = self, .ticket = wf_state_ticket(self), .due_ns = wf_clock_now() + ns, .result = result};
    int error = wf_check(self);
    if (error != 0)
        return error;
    wf_lock_take(&source->lock);
    wf_list_push_back(&source->operations, &op.node);
    wf_unlock(&source->lock);
    error = wf_wait_ticket(self, WF_WAIT_IO, NULL, WEFT_NEVER);
    wf_lock_take(&source->lock);
    bool completed = !wf_list_is_linked(&op.node);
    if (!completed)
        wf_list_remove(&op.node);
    wf_unlock(&source->lock);
    return completed ? result : error;
}

/* Complete what is due. The earliest of the others goes to *next. */
static int complete(fake_source *source, int64_t *next)
{
    int count = 0;
    int64_t now = wf_clock_now();
    wf_lock_take(&source->lock);
    for (wf_list *node = source->operations.next, *after; node != &source->operations; node = after) {
        operation *op = wf_container_of(node, operation, node);
        after = node->next;
        if (op->due_ns <= now) {
            wf_list_remove(node);
            wf_wake(op->coro, op->ticket, op->result);
            count++;
        } else if (op->due_ns < *next) {
            *next = op->due_ns;
        }
    }
    wf_unlock(&source->lock);
    return count;
}

/* ---- the driver ---- */

static int open_source(wf_worker *worker, const weft_config *config, char *why, size_t why_size)
{
    (void)config;
    fake_source *source = wf_alloc(sizeof(*source));
    if (source == NULL) {
        snprintf(why, why_size, "no memory for an event source");
        return -ENOMEM;
    }
    wf_list_init(&source->operations);
    worker->source = source;
    return 0;
}

static int enter_source(wf_worker *worker)
{
    (void)worker;
    return 0;
}

static void close_source(wf_worker *worker)
{
    wf_free(worker->source);
    worker->source = NULL;
}

static int poll_source(wf_worker *worker)
{
    int64_t next = INT64_MAX;
    return complete(worker->source, &next);
}

static int wait_in_source(wf_worker *worker, int64_t deadline_ns)
{
    fake_source *source = worker->source;
    int64_t until = deadline_ns;
    wf_fetch_add_relaxed(&waits, 1); /* relaxed: a counter */
    int count = complete(source, &until);
    if (count == 0)
        wf_futex_wait(&source->woken, 0, until);
    /* relaxed: what the waker made runnable was published by the parking word (sched/idle.h). */
    wf_store_relaxed(&source->woken, 0);
    return count != 0 ? count : complete(source, &until);
}

static bool is_busy(wf_worker *worker)
{
    fake_source *source = worker->source;
    wf_lock_take(&source->lock);
    bool busy = !wf_list_is_empty(&source->operations);
    wf_unlock(&source->lock);
    return busy;
}

static void wake_source(wf_worker *target, wf_worker *self)
{
    (void)self;
    fake_source *source = target->source;
    wf_store_relaxed(&source->woken, 1); /* relaxed: as in wait_in_source */
    wf_futex_wake(&source->woken, 1);
}

const struct wf_driver wt_fake_driver = {
    .name = "fake",
    .open = open_source,
    .enter = enter_source,
    .close = close_source,
    .poll = poll_source,
    .wait = wait_in_source,
    .busy = is_busy,
    .wake = wake_source,
};
