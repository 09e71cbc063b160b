/* Timers of coroutines: one per control block, filed in the wheel of the worker on which it was armed.
 *
 * They are lazy. A coroutine that waits with a deadline sees to it that its timer fires at that time or earlier, and when the wait
 * is over it leaves the timer where it is: the next wait most likely has a later deadline, and a timer that fires too early
 * costs less than taking it out and filing it again for every call. A timer that fires looks at the coroutine's deadline of
 * that moment and files itself again if that is later.
 *
 *   arm    (the coroutine, before it suspends)   deadline := d;  filed for d or earlier: nothing to do, else file it for d
 *   fire   (a worker, under the wheel's lock)    when := NEVER;  s := state;  d := deadline;
 *                                                d NEVER: drop;  d in the future: file it for d;
 *                                                d passed: claim it, if s waits TIMED; else file it for a little later
 *   disarm (the coroutine, at its end)           deadline := NEVER;  under the lock: unlink
 *
 * Why no deadline is lost: arm writes the deadline and then reads `when` (what the timer is filed for, NEVER when it is not);
 * fire writes NEVER to `when` and then reads the deadline; all four seq_cst. So either arm sees that it must file it, or fire sees the
 * new deadline. A coroutine that does not wait when its deadline fires is looked at again, at growing distances, until it
 * waits or has no deadline any more.
 * Why fire ends the right wait: it reads the state before the deadline and claims that very state.
 * Why fire touches no control block that has moved on: a coroutine disarms before it ends, under the same lock, and what fire
 * does, it does under that lock.
 * The model is tests/model/model_timer.c.
 */
#include <errno.h>

#include "core/clock.h"
#include "sched/state.h"
#include "sched/suspend.h"
#include "sched/worker.h"

enum {
    BATCH = 32, /* timers fired before the lock is let go and the coroutines are queued */
};

#define RETRY_NS (WEFT_MILLISECOND)

/* The lock of `worker`'s wheel is held, and the timer is not filed. */
static void file(wf_worker *worker, wf_coro *coro, int64_t when_ns)
{
    /* This sets `when`, relaxed: wf_timer_arm that does not see it yet takes the lock and files it again. */
    wf_wheel_insert(&worker->wheel, &coro->timer, when_ns);
    if (when_ns < wf_load_relaxed(&worker->wheel_next)) /* relaxed: written under this lock only */
        wf_store_relaxed(&worker->wheel_next, when_ns); /* relaxed: a remote filer wakes the worker afterwards */
}

/* By the coroutine itself. The lock of the wheel that it is or was last filed in is held. */
static void unfile(wf_worker *worker, wf_coro *coro)
{
    wf_wheel_remove(&worker->wheel, &coro->timer);
    /* relaxed: without the lock only the coroutine itself reads it */
    wf_store_relaxed(&coro->timer.when_ns, WEFT_NEVER);
}

/* File it for when_ns in the calling worker's wheel (the first worker's for a plain thread), unless it is filed for an earlier
 * time already. */
static void refile(wf_coro *coro, int64_t when_ns)
{
    if (coro->flags & WF_CORO_TIMED) {
        wf_worker *old = wf_rt.workers[coro->timer_worker];
        wf_object_lock(&old->wheel_lock);
        /* relaxed: under the lock */
        bool early = wf_timer_is_linked(&coro->timer) && wf_load_relaxed(&coro->timer.when_ns) <= when_ns;
        if (!early)
            unfile(old, coro);
        wf_object_unlock(&old->wheel_lock);
        if (early)
            return;
    }
    wf_worker *self = wf_worker_self();
    wf_worker *worker = self != NULL ? self : wf_rt.workers[0];
    coro->timer_worker = worker->index;
    coro->flags |= WF_CORO_TIMED;
    if (self == NULL)
        wf_foreign_enter();
    wf_object_lock(&worker->wheel_lock);
    file(worker, coro, when_ns);
    wf_object_unlock(&worker->wheel_lock);
    if (self == NULL) {
        wf_worker_wake(worker, NULL); /* it may be asleep until later than this */
        wf_foreign_leave();
    }
}

void wf_timer_arm(wf_coro *coro, int64_t when_ns)
{
    /* ORDER(timer-deadline): store-load pair with fire: the deadline first, then `when`. */
    wf_store_seq_cst(&coro->deadline, when_ns);
    /* ORDER(timer-when): pairs with fire. All zero before the first filing, hence the flag. */
    if ((coro->flags & WF_CORO_TIMED) && wf_load_seq_cst(&coro->timer.when_ns) <= when_ns)
        return;
    refile(coro, when_ns);
}

void wf_timer_disarm(wf_coro *coro)
{
    if (!(coro->flags & WF_CORO_TIMED))
        return;
    wf_worker *worker = wf_rt.workers[coro->timer_worker];
    wf_store_relaxed(&coro->deadline, WEFT_NEVER); /* relaxed: the lock below orders it against fire */
    wf_object_lock(&worker->wheel_lock);
    unfile(worker, coro);
    wf_object_unlock(&worker->wheel_lock);
}

/* One timer has come out of the wheel. The lock is held. True: its coroutine was claimed. */
static bool fire(wf_worker *worker, wf_coro *coro, int64_t now_ns)
{
    wf_store_seq_cst(&coro->timer.when_ns, WEFT_NEVER); /* ORDER(timer-when): store-load pair with wf_timer_arm. */
    /* ORDER(state-wait): pairs with wf_state_commit_wait, so that the deadline read next is that of this wait or of a later one. */
    uint64_t state = wf_load_acquire(&coro->state);
    int64_t deadline = wf_load_seq_cst(&coro->deadline); /* ORDER(timer-deadline): pairs with wf_timer_arm. */
    if (deadline == WEFT_NEVER)
        return false;
    if (deadline <= now_ns) {
        if (wf_state_expire(coro, state))
            return true;
        /* It computes, or somebody else has just woken it. Look again, the later the longer it is overdue. */
        int64_t overdue = now_ns - deadline;
        deadline = now_ns + (overdue > RETRY_NS ? overdue : RETRY_NS);
    }
    file(worker, coro, deadline);
    return false;
}

/* Fire up to BATCH of those that are due. True: there may be more. */
static bool run_batch(wf_worker *self, wf_worker *worker, int64_t now_ns, int *fired)
{
    wf_coro *expired[BATCH];
    int count = 0;
    bool more = true;
    wf_object_lock(&worker->wheel_lock);
    /* Somebody who read the clock later may have been here already. What is due to the wheel has to be due to us: a timer that
     * it hands out and that we file again would come back at once, for ever. */
    if (now_ns < wf_wheel_now(&worker->wheel))
        now_ns = wf_wheel_now(&worker->wheel);
    while (more && count < BATCH) {
        wf_timer *timer = wf_wheel_expire(&worker->wheel, now_ns);
        more = timer != NULL;
        if (more) {
            wf_coro *coro = wf_container_of(timer, wf_coro, timer);
            if (fire(worker, coro, now_ns))
                expired[count++] = coro;
        }
    }
    wf_store_relaxed(&worker->wheel_next, wf_wheel_next(&worker->wheel)); /* relaxed: as in file */
    wf_object_unlock(&worker->wheel_lock);
    for (int i = 0; i < count; i++) {
        expired[i]->wake_value = -ETIMEDOUT;
        wf_queue_put(self, expired[i], false);
    }
    *fired += count;
    return more;
}

enum { SHARED_MOST = 4096 }; /* 400,000 timers a second of a worker that is stuck: the monitor comes every 10 ms */

/* Those that find the own queue full would be pushed out, to the shared queue, and others with them. So they stay in the wheel until
 * there is room, but for one batch: fewer than are dispatched until the next turn (WF_READY_TURN). */
static bool has_room(wf_worker *self)
{
    if (self == NULL)
        return wf_load_relaxed(&wf_rt.shared_count) < SHARED_MOST; /* relaxed: roughly */
    return wf_localq_count(&self->local) <= WF_LOCALQ_SIZE / 2;
}

int wf_timer_run(wf_worker *self, wf_worker *worker, int64_t now_ns)
{
    int fired = 0;
    while (run_batch(self, worker, now_ns, &fired) && has_room(self))
        continue;
    return fired;
}
