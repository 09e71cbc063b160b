/* Suspend and wake. The steps, and why no wake-up is lost, are in sched/suspend.h. */
#include "sched/suspend.h"

#include <errno.h>

#include "core/clock.h"
#include "sched/ready.h"
#include "sched/worker.h"

wf_coro *wf_self_coro(void)
{
    wf_worker *worker = wf_worker_self();
    return worker != NULL ? wf_load_relaxed(&worker->current) : NULL; /* relaxed: this thread wrote it */
}

wf_coro *wf_self(void)
{
    return wf_self_fast();
}

/* Both kinds of caller come through here. */
WF_INLINE void sleep_on(wf_coro *self, enum wf_wait_kind kind, void *object, unsigned bits, wf_held held)
{
    /* relaxed: for weft_dump, and for the search for cycles, which looks again. */
    wf_store_relaxed(&self->wait_object, object);
    wf_store_relaxed(&self->wait_kind, (uint8_t)kind);
    if (wf_likely(!(self->flags & WF_CORO_THREAD)))
        wf_leave_to_wait(self, bits, held);
    else
        wf_thread_wait(self, bits, held);
    wf_store_relaxed(&self->wait_kind, WF_WAIT_NONE); /* relaxed: as above */
}

/* A wait that a kill and deadlines may end, by the long way. False: it was not begun, because its deadline has passed; the lock is let go. */
static WF_SLOW bool wait_bounded(wf_coro *self, enum wf_wait_kind kind, void *object, int64_t deadline, wf_held held)
{
    unsigned bits = self->shield == 0 ? WF_STATE_KILLABLE : 0;
    int64_t effective = wf_timeout_effective(self, deadline);
    if (effective != WEFT_NEVER) {
        if (effective <= wf_clock_now()) {
            wf_store_relaxed(&self->wait_object, object); /* relaxed: for who meets it in line until it leaves */
            if (held != 0)
                wf_held_release(held);
            return false;
        }
        bits |= WF_STATE_TIMED;
        if (self->flags & WF_CORO_THREAD)
            wf_store_relaxed(&self->deadline, effective); /* relaxed: only the thread itself looks at it */
        else
            wf_timer_arm(self, effective);
    }
    sleep_on(self, kind, object, bits, held);
    if (bits & WF_STATE_TIMED)
        wf_store_relaxed(&self->deadline, WEFT_NEVER); /* relaxed: a timer that misses it looks again later */
    return true;
}

/* The common case: no deadline of any kind. */
WF_INLINE bool is_unbounded(const wf_coro *self, int64_t deadline)
{
    return deadline == WEFT_NEVER && self->timeouts == NULL;
}

static WF_SLOW int timed_out(wf_coro *self, int64_t deadline)
{
    wf_timeout_mark_fired(self, deadline);
    return -ETIMEDOUT;
}

int wf_wait_held(wf_coro *self, enum wf_wait_kind kind, void *object, int64_t deadline, wf_held held)
{
    if (wf_likely(is_unbounded(self, deadline)))
        sleep_on(self, kind, object, self->shield == 0 ? WF_STATE_KILLABLE : 0, held);
    else if (!wait_bounded(self, kind, object, deadline, held))
        return timed_out(self, deadline);
    return wf_likely(self->wake_value != -ETIMEDOUT) ? self->wake_value : timed_out(self, deadline);
}

int wf_wait_locked_firm(wf_coro *self, enum wf_wait_kind kind, void *object, wf_biased *lock)
{
    sleep_on(self, kind, object, 0, wf_held_object(lock));
    return self->wake_value;
}

int wf_wait_ticket_held(wf_coro *self, enum wf_wait_kind kind, void *object, int64_t deadline, wf_held held)
{
    self->wake_value = 0;
    if (wf_likely(is_unbounded(self, deadline))) {
        sleep_on(self, kind, object, self->shield == 0 ? WF_STATE_KILLABLE : 0, held);
    } else if (!wait_bounded(self, kind, object, deadline, held)) {
        wf_state_abandon(self);
        return timed_out(self, deadline);
    }
    return wf_likely(self->wake_value != -ETIMEDOUT) ? self->wake_value : timed_out(self, deadline);
}

int wf_wait_ticket_firm(wf_coro *self, enum wf_wait_kind kind, void *object)
{
    self->wake_value = 0;
    sleep_on(self, kind, object, 0, 0);
    return self->wake_value;
}

bool wf_wait_unlink(wf_coro *self, wf_biased *lock)
{
    wf_object_lock(lock);
    bool linked = wf_list_is_linked(&self->wait_node);
    if (linked)
        wf_list_remove(&self->wait_node);
    wf_object_unlock(lock);
    return linked;
}

wf_coro *wf_waiters_claim(wf_list *waiters)
{
    for (;;) {
        wf_list *node = wf_list_pop_front(waiters);
        if (node == NULL)
            return NULL;
        wf_coro *coro = wf_container_of(node, wf_coro, wait_node);
        if (wf_state_claim(coro))
            return coro;
    }
}

void wf_ready(wf_coro *coro, int value)
{
    coro->wake_value = value;
    wf_ready_put_next(wf_worker_self(), coro);
}

void wf_ready_fifo(wf_coro *coro, int value)
{
    coro->wake_value = value;
    wf_queue_put(wf_worker_self(), coro, false);
}

bool wf_wake(wf_coro *coro, uint64_t ticket, int value)
{
    switch (wf_state_wake(coro, ticket)) {
    case WF_WAKE_QUEUE:
        wf_ready_fifo(coro, value);
        return true;
    case WF_WAKE_NOTED:
        return true;
    case WF_WAKE_STALE:
        break;
    }
    return false;
}
