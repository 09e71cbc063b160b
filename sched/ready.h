/* The fast paths of a worker's queues, inline for sched/switch.c: queueing a coroutine on the worker that runs, and taking the next
 * one when nothing is out of the ordinary. What the queues are and how they go together: sched/queue.c.
 */
#ifndef WF_SCHED_READY_H
#define WF_SCHED_READY_H

#include "sched/state.h"
#include "sched/worker.h"

/* Who calls? On a worker the coroutine that it runs; on a plain thread (no worker) that one's own block, NULL for want of memory. The
 * worker holds until something suspends. */
typedef struct wf_caller {
    wf_worker *worker;
    wf_coro *self;
} wf_caller;

WF_INLINE wf_caller wf_caller_now(void)
{
    wf_worker *worker = wf_worker_self();
    wf_coro *coro = worker != NULL ? wf_load_relaxed(&worker->current) : NULL; /* relaxed: this thread wrote it */
    return (wf_caller){worker, wf_likely(coro != NULL) ? coro : wf_thread_self()};
}

WF_INLINE wf_coro *wf_self_fast(void)
{
    return wf_caller_now().self;
}

enum {
    WF_READY_TURN =
        61, /* prime, so that it does not fall into step with loops of the program; as Go and Tokio found good */
    WF_READY_LIFO_RUNS = 3, /* times in a row that the LIFO slot goes first */
};

/* Behind all that is queued here. The coroutine may run on this worker, and is not pinned. */
WF_INLINE void wf_ready_push(wf_worker *self, wf_coro *coro)
{
    if (wf_unlikely(!wf_localq_push(&self->local, coro)))
        wf_queue_put_surplus(self, coro);
}

/* Before all that is queued here: it was just woken. */
WF_INLINE void wf_ready_push_next(wf_worker *self, wf_coro *coro)
{
    WF_PREFETCH(coro->sp); /* far apart as stacks are, its translation has to be looked up most of the time */
    wf_localq_enter(&self->local);
    wf_coro *displaced = wf_localq_replace(&self->local, coro);
    wf_localq_leave(&self->local);
    if (displaced != NULL)
        wf_ready_push(self, displaced);
}

/* Older ones are in the run queue, and none of them has been brought to the front of the own queue. */
WF_INLINE bool wf_ready_is_older_waiting(wf_worker *self)
{
    /* relaxed: a hint; who acts on it looks again, inside */
    return wf_load_relaxed(&self->local.front) == 0 && wf_runq_count(&self->runq) != 0;
}

/* Is there anything to look at beside the own queue? What other threads sent, pinned coroutines, the turn of the event source,
 * workers that search or sleep while more than one is queued here. Each of them is rare. */
WF_INLINE bool wf_ready_is_eventful(wf_worker *self)
{
    /* relaxed, all: hints; nothing is lost if one is seen at the next dispatch only. */
    uintptr_t sent = (uintptr_t)wf_load_relaxed(&self->arrivals) | (uintptr_t)wf_load_relaxed(&self->messages.head);
    bool is_turn = self->tick + 1 >= WF_READY_TURN;
    bool is_wanted = wf_load_relaxed(&wf_rt.idle.counts) != 0 && wf_localq_count(&self->local) > 1;
    return is_turn || is_wanted || wf_ready_is_older_waiting(self) || (sent | (uintptr_t)self->pinned_head) != 0;
}

/* The next coroutine of the own queue. NULL: there is none, or something is to be looked at first (wf_queue_next). */
WF_INLINE wf_coro *wf_ready_take(wf_worker *self)
{
    wf_localq *q = &self->local;
    wf_coro *coro = NULL;
    if (wf_unlikely(wf_ready_is_eventful(self)))
        return NULL;
    wf_localq_enter(q);
    if (self->lifo_runs < WF_READY_LIFO_RUNS)
        coro = wf_localq_replace(q, NULL);
    self->lifo_runs = coro != NULL ? self->lifo_runs + 1 : 0;
    if (coro == NULL)
        coro = wf_localq_pop(q);
    if (coro == NULL)
        coro = wf_localq_replace(q, NULL);
    wf_localq_leave(q);
    self->tick++;
    return coro;
}

/* This coroutine, if it is new and was put into the own queue lately: somebody joins it. So a tree of coroutines that join their
 * children is run depth first, each child on the warm stack of the last, and not in its whole breadth at once. When something else is
 * to be looked at first it is made the next one. Others have their turn after 10 ms (run_timers in sched/queue.c). */
WF_INLINE wf_coro *wf_ready_take_new(wf_worker *self, wf_coro *target)
{
    /* relaxed: a hint; if it is in our queue, it is new indeed. */
    if (wf_state_phase(wf_load_relaxed(&target->state)) != WF_PHASE_NEW)
        return NULL;
    wf_localq_enter(&self->local);
    bool found = wf_localq_take_out(&self->local, target);
    wf_localq_leave(&self->local);
    if (!found)
        return NULL;
    if (wf_unlikely(wf_ready_is_eventful(self))) {
        self->lifo_runs = 0;
        wf_ready_push_next(self, target);
        return NULL;
    }
    self->tick++;
    return target;
}

/* Queue a READY coroutine where it belongs; the common case of wf_queue_put(self, coro, true). */
WF_INLINE void wf_ready_put_next(wf_worker *self, wf_coro *coro)
{
    if (wf_likely(self != NULL && !(coro->flags & (WF_CORO_THREAD | WF_CORO_PINNED))))
        wf_ready_push_next(self, coro);
    else
        wf_queue_put(self, coro, true);
}

#endif
