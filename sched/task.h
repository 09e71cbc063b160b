/* The state of a forked task, and every transition of it.
 *
 *     NONE     not forked, or synced: a sync is an error
 *     slot     (an address) private to its coroutine, in that slot of the worker's deque
 *     AWAY     public in the deque; or a coroutine of its own has it, or will
 *     KEPT     in no queue: its coroutine runs it at the sync
 *     WAITED   AWAY, and its coroutine waits for it: that one's block, and which wait
 *     ENDED    it ended elsewhere, and was not synced
 *
 *               fork           expose, move         end of its coroutine
 *       NONE ─────────▶ slot ─────────────────▶ AWAY ────────────────▶ ENDED ──▶ NONE
 *        ▲               │ ▲                     │  ▲                     ▲   sync
 *        └───────────────┘ └────────────────────┘   │ give up             │
 *        ▲   sync: called       take back       wait ▼                     │
 *        └────── KEPT                            WAITED ───────────────────┘
 *
 * Who may make which: NONE, slot and KEPT are seen by the coroutine alone: plain stores. So is AWAY until the task is published,
 * by wf_split_expose or by a run queue, and again once it has been taken back. AWAY → WAITED → AWAY: its coroutine, by CAS.
 * AWAY, WAITED → ENDED: the task's own coroutine, by CAS; it touches the task no more, which may be gone with its frame.
 *
 * The one that ends must know the ticket of the wait that it ends (sched/state.h). It reads task->ticket between reading WAITED
 * and the CAS to ENDED; the two waits of a sync (the second after a kill or a timeout, until the task has really ended) have
 * different words, and a word never comes back. So if the CAS succeeds, the ticket is that of this wait.
 *
 * task->child tells whom to kill: a seed while the task has no coroutine (small; what that one inherits), then its handle. Whoever
 * wants to kill it before marks the seed, and whoever gives it a coroutine then finds the mark.
 *
 * Model: tests/model/model_task.c.
 */
#ifndef WF_SCHED_TASK_H
#define WF_SCHED_TASK_H

#include "sched/coro.h"

enum {
    WF_TASK_NONE = 0,
    WF_TASK_AWAY = 1,
    WF_TASK_KEPT = 2,
    WF_TASK_ENDED = 3,
    WF_TASK_WAITED = 4,       /* above it the block, which is 64-byte aligned */
    WF_TASK_WAITED_AGAIN = 5, /* as above, the second wait */
    WF_TASK_KIND = 7,

    WF_TASK_SEED_KILL = 1 << 0,
    WF_TASK_SEED_SECRET = 1 << 1,
    WF_TASK_SEED_CLASS_SHIFT = 2,
    WF_TASK_SEED_END = 1 << 12, /* handles are larger: their generation begins at bit 28 */
};

/* The public type has no atomic members, since it is C++ too. */
#define WF_TASK_STATE(task) ((_Atomic(void *) *)&(task)->state)
#define WF_TASK_CHILD(task) ((_Atomic(uintptr_t) *)&(task)->child)
#define WF_TASK_TICKET(task) ((_Atomic(uint64_t) *)&(task)->ticket)

static inline uintptr_t wf_task_state(weft_task *task)
{
    /* ORDER(task-end): pairs with wf_task_end: ENDED is seen with all that the task wrote. */
    return (uintptr_t)wf_load_acquire(WF_TASK_STATE(task));
}

/* By its coroutine, while nobody else knows it: NONE, KEPT, AWAY or a slot. */
static inline void wf_task_set(weft_task *task, uintptr_t state)
{
    wf_store_relaxed(WF_TASK_STATE(task), (void *)state); /* relaxed: whatever passes it on publishes it */
}

/* AWAY, for others; by its coroutine, which publishes it afterwards. */
static inline void wf_task_offer(weft_task *task, uintptr_t seed)
{
    wf_store_relaxed(WF_TASK_CHILD(task), seed); /* relaxed: as in wf_task_set */
    wf_task_set(task, WF_TASK_AWAY);
}

/* It has a coroutine now, which does not run yet. Returns the seed. */
static inline uintptr_t wf_task_name_child(weft_task *task, uintptr_t handle)
{
    /* ORDER(task-child): pairs with wf_task_mark: the block that the handle names is initialised. */
    return wf_exchange_release(WF_TASK_CHILD(task), handle);
}

/* Its coroutine is to be killed. Returns the handle; 0: it has none yet, and whoever gives it one will kill it. */
static inline uintptr_t wf_task_mark(weft_task *task)
{
    /* ORDER(task-child): pairs with wf_task_name_child. */
    uintptr_t child = wf_load_acquire(WF_TASK_CHILD(task));
    while (child < WF_TASK_SEED_END)
        /* ORDER(task-child): as above. */
        if (wf_cas_acquire(WF_TASK_CHILD(task), &child, child | WF_TASK_SEED_KILL))
            return 0;
    return child;
}

/* AWAY → WAITED, before the coroutine waits with this ticket. False: it has ended. */
static inline bool wf_task_wait(weft_task *task, wf_coro *waiter, uint64_t ticket, unsigned which)
{
    void *away = (void *)WF_TASK_AWAY;
    wf_store_relaxed(WF_TASK_TICKET(task), ticket); /* relaxed: the CAS publishes it */
    /* ORDER(task-wait): publishes the ticket; pairs with wf_task_end. ORDER(task-end): acquire what ended. */
    return wf_cas_acq_rel(WF_TASK_STATE(task), &away, (char *)waiter + which);
}

/* WAITED → AWAY, after the first wait was ended by something else. False: it has ended. */
static inline bool wf_task_give_up(weft_task *task, wf_coro *waiter)
{
    void *waited = (char *)waiter + WF_TASK_WAITED;
    /* ORDER(task-end): pairs with wf_task_end. */
    return wf_cas_acquire(WF_TASK_STATE(task), &waited, (void *)WF_TASK_AWAY);
}

/* AWAY, WAITED → ENDED, by the task's coroutine, its last access. Returns who waits, with the ticket, or NULL. */
static inline wf_coro *wf_task_end(weft_task *task, uint64_t *ticket)
{
    /* ORDER(task-wait): pairs with wf_task_wait: the ticket. */
    void *state = wf_load_acquire(WF_TASK_STATE(task));
    do {
        *ticket = wf_load_relaxed(WF_TASK_TICKET(task)); /* relaxed: used if the CAS succeeds, see above */
        /* ORDER(task-end): publishes what the task wrote; pairs with wf_task_state. ORDER(task-wait): as above. */
    } while (!wf_cas_acq_rel(WF_TASK_STATE(task), &state, (void *)WF_TASK_ENDED));
    return (wf_coro *)((uintptr_t)state & ~(uintptr_t)(WF_CACHE_LINE - 1));
}

/* By its coroutine: wait until a task that is AWAY has ended, however long it takes. 0; -ECANCELED, -ETIMEDOUT,
 * -EDEADLK: the wait was ended, and the task's coroutine killed (or it ended at that moment). */
int wf_task_wait_for(weft_task *task, wf_coro *self);

/* By the task's coroutine, at its end. */
void wf_task_publish(weft_task *task);

#endif
