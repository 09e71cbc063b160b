/* The state word of a coroutine, and every transition of it.
 *
 *     bits 0–2   phase
 *     bit  3     NOTIFIED   a waker came between "registered" and "committed" (RUNNING only)
 *     bit  4     KILLABLE   weft_kill may end this wait (WAITING only)
 *     bit  5     TIMED      the coroutine's deadline may end this wait (WAITING only)
 *     bits 8–63  ticket     number of this wait; grows by one with every dispatch, never reset
 *
 *              dispatch            begin exit
 *      NEW ───────────────▶ RUNNING ────────▶ DONE ──▶ FREE ──▶ NEW (another coroutine, same ticket sequence)
 *                            │  ▲
 *             yield          │  │ dispatch (ticket + 1)
 *      READY ◀───────────────┤  │
 *        ▲ │                 │  │
 *        │ └─────────────────┼──┘
 *        │ claim             │ commit wait
 *        └───────── WAITING ◀┘
 *
 * Who may make which:
 *   RUNNING → anything      only the worker that runs it (yield, done: plain stores; commit: CAS, since a waker may be
 *                           setting NOTIFIED)
 *   RUNNING → +NOTIFIED     a waker that holds the ticket (wf_state_wake), e.g. a completion
 *   WAITING → READY         exactly one of: a waker, weft_kill, the timer, the end of a deadlock, the commit step itself.
 *                           All by CAS on the exact word, so exactly one wins, and none wins twice: the ticket has moved on by then
 *   READY, NEW → RUNNING    the worker that took it from a queue; nobody else may touch the word then: plain store
 *
 * Whoever makes WAITING → READY owns the coroutine until it has queued it: it writes wake_value first.
 *
 * Registering. A waker must know whom to wake. Either it finds the coroutine on a list whose lock the coroutine holds until
 * after the commit: then it claims under that lock. Or it was given (coroutine, ticket) beforehand: then it calls
 * wf_state_wake, which also succeeds when the commit has not happened yet. A coroutine that registered its ticket and then
 * does not suspend calls wf_state_abandon.
 *
 * Kill is a flag of its own (wf_coro.killed), so that dispatch and yield stay plain stores. Setting it and looking at the
 * state, against committing and looking at the flag, is a store-load pair. Every suspension commits, and few coroutines are
 * killed, so the fence between is light on the one side and heavy on the other (core/fence.h).
 * The model of all this is tests/model/model_state.c.
 */
#ifndef WF_SCHED_STATE_H
#define WF_SCHED_STATE_H

#include "core/fence.h"
#include "sched/coro.h"

enum {
    WF_PHASE_FREE = 0,
    WF_PHASE_NEW = 1,
    WF_PHASE_READY = 2,
    WF_PHASE_RUNNING = 3,
    WF_PHASE_WAITING = 4,
    WF_PHASE_DONE = 5,
    WF_PHASE_MASK = 7,

    WF_STATE_NOTIFIED = 1 << 3,
    WF_STATE_KILLABLE = 1 << 4,
    WF_STATE_TIMED = 1 << 5,
    WF_STATE_TICKET_SHIFT = 8,
};

/* What the commit step must do next. */
enum wf_commit {
    WF_COMMIT_PARKED,   /* it waits; whoever claims it will queue it */
    WF_COMMIT_NOTIFIED, /* it was woken meanwhile: the committer queues it, wake_value is the waker's */
    WF_COMMIT_KILLED,   /* it was killed meanwhile: the committer queues it with -ECANCELED */
};

WF_INLINE uint64_t wf_state_make(uint64_t ticket, unsigned bits)
{
    return ticket << WF_STATE_TICKET_SHIFT | bits;
}

WF_INLINE unsigned wf_state_phase(uint64_t state)
{
    return (unsigned)(state & WF_PHASE_MASK);
}

/* The ticket of the wait that the running coroutine may begin now. */
WF_INLINE uint64_t wf_state_ticket(wf_coro *self)
{
    /* relaxed: only the running coroutine itself changes its ticket. */
    return wf_load_relaxed(&self->state) >> WF_STATE_TICKET_SHIFT;
}

/* NEW, READY → RUNNING, with a fresh ticket. By the worker that took it from a queue. */
WF_INLINE void wf_state_dispatch(wf_coro *coro)
{
    /* relaxed: the queue it came from ordered everything; wakers compare the whole word, and an old one never matches. */
    uint64_t ticket = (wf_load_relaxed(&coro->state) >> WF_STATE_TICKET_SHIFT) + 1;
    wf_store_relaxed(&coro->state, wf_state_make(ticket, WF_PHASE_RUNNING));
}

/* RUNNING → READY of a coroutine that is registered nowhere, after its registers were saved. */
WF_INLINE void wf_state_yield(wf_coro *coro)
{
    /* relaxed: the queue it goes to publishes it. */
    uint64_t ticket = wf_load_relaxed(&coro->state) >> WF_STATE_TICKET_SHIFT;
    wf_store_relaxed(&coro->state, wf_state_make(ticket, WF_PHASE_READY));
}

/* RUNNING → WAITING, after its registers were saved. `bits` is a set of KILLABLE and TIMED. */
static inline enum wf_commit wf_state_commit_wait(wf_coro *coro, unsigned bits)
{
    uint64_t ticket = wf_load_relaxed(&coro->state) >> WF_STATE_TICKET_SHIFT; /* relaxed: our own word */
    uint64_t running = wf_state_make(ticket, WF_PHASE_RUNNING);
    uint64_t waiting = wf_state_make(ticket, WF_PHASE_WAITING | bits);
    /* ORDER(state-wait): pairs with wf_state_claim, wf_state_wake and wf_state_kill, which then see the saved registers. */
    if (!wf_cas_acq_rel(&coro->state, &running, waiting)) {
        wf_state_yield(coro); /* only NOTIFIED can have been added */
        return WF_COMMIT_NOTIFIED;
    }
    if (!(bits & WF_STATE_KILLABLE))
        return WF_COMMIT_PARKED;
    wf_fence_light(); /* ORDER(state-kill): WAITING, then `killed`; pairs with wf_state_kill. */
    /* relaxed: the fence orders it, and nothing comes with it */
    if (wf_load_relaxed(&coro->killed)) {
        /* ORDER(state-wait): as wf_state_claim; if somebody was faster, the coroutine is theirs. */
        if (wf_cas_acq_rel(&coro->state, &waiting, wf_state_make(ticket, WF_PHASE_READY)))
            return WF_COMMIT_KILLED;
    }
    return WF_COMMIT_PARKED;
}

/* RUNNING → WAITING of a coroutine whose waker finds it on a list, after its registers were saved and with the list's lock held:
 * nobody has its ticket, so nobody sets NOTIFIED, and a store will do. */
WF_INLINE enum wf_commit wf_state_commit_locked(wf_coro *coro, unsigned bits)
{
    uint64_t ticket = wf_load_relaxed(&coro->state) >> WF_STATE_TICKET_SHIFT; /* relaxed: our own word */
    uint64_t waiting = wf_state_make(ticket, WF_PHASE_WAITING | bits);
    wf_store_release(&coro->state, waiting); /* ORDER(state-wait): as in wf_state_commit_wait. */
    if (!(bits & WF_STATE_KILLABLE))
        return WF_COMMIT_PARKED;
    wf_fence_light(); /* ORDER(state-kill): WAITING, then `killed`; pairs with wf_state_kill. */
    /* relaxed: the fence orders it, and nothing comes with it */
    if (wf_unlikely(wf_load_relaxed(&coro->killed)) &&
        /* ORDER(state-wait): as wf_state_claim; if somebody was faster, the coroutine is theirs. */
        wf_cas_acq_rel(&coro->state, &waiting, wf_state_make(ticket, WF_PHASE_READY)))
        return WF_COMMIT_KILLED;
    return WF_COMMIT_PARKED;
}

/* WAITING → READY by somebody who has it on a locked list. False: a timer or a kill was faster; leave it alone. */
WF_INLINE bool wf_state_claim(wf_coro *coro)
{
    /* ORDER(state-wait): pairs with wf_state_commit_wait. */
    uint64_t state = wf_load_acquire(&coro->state);
    while (wf_state_phase(state) == WF_PHASE_WAITING) {
        uint64_t ready = wf_state_make(state >> WF_STATE_TICKET_SHIFT, WF_PHASE_READY);
        if (wf_cas_acq_rel(&coro->state, &state, ready))
            return true;
    }
    return false;
}

/* What a waker that was given a ticket must do next. */
enum wf_wake {
    WF_WAKE_QUEUE, /* claimed: set wake_value, then queue it */
    WF_WAKE_NOTED, /* it had not committed yet and will not wait: wake_value is left as the waiter set it */
    WF_WAKE_STALE, /* that wait is over */
};

static inline enum wf_wake wf_state_wake(wf_coro *coro, uint64_t ticket)
{
    /* ORDER(state-wait): pairs with wf_state_commit_wait. */
    uint64_t state = wf_load_acquire(&coro->state);
    while (state >> WF_STATE_TICKET_SHIFT == ticket) {
        if (wf_state_phase(state) == WF_PHASE_WAITING) {
            if (wf_cas_acq_rel(&coro->state, &state, wf_state_make(ticket, WF_PHASE_READY)))
                return WF_WAKE_QUEUE;
        } else if (wf_state_phase(state) == WF_PHASE_RUNNING) {
            /* ORDER(state-wait): release, so that what the waker wrote before is seen by the coroutine once its commit
             * failed. */
            if (wf_cas_acq_rel(&coro->state, &state, state | WF_STATE_NOTIFIED))
                return WF_WAKE_NOTED;
        } else {
            return WF_WAKE_STALE;
        }
    }
    return WF_WAKE_STALE;
}

/* The running coroutine gave its ticket to a waker and does not suspend after all: later wakes with it are stale. */
static inline void wf_state_abandon(wf_coro *self)
{
    /* ORDER(state-wait): acquire what a waker that set NOTIFIED wrote before. */
    uint64_t state = wf_load_acquire(&self->state);
    uint64_t fresh;
    do {
        fresh = wf_state_make((state >> WF_STATE_TICKET_SHIFT) + 1, WF_PHASE_RUNNING);
    } while (!wf_cas_acq_rel(&self->state, &state, fresh));
}

/* WAITING and KILLABLE → READY of one that is marked as killed, or in a deadlock. True: the caller must queue it, with -ECANCELED or
 * -EDEADLK. */
static inline bool wf_state_claim_killable(wf_coro *coro)
{
    /* ORDER(state-wait): pairs with wf_state_commit_wait and wf_state_commit_locked. */
    uint64_t state = wf_load_acquire(&coro->state);
    while (wf_state_phase(state) == WF_PHASE_WAITING && (state & WF_STATE_KILLABLE)) {
        uint64_t ready = wf_state_make(state >> WF_STATE_TICKET_SHIFT, WF_PHASE_READY);
        if (wf_cas_acq_rel(&coro->state, &state, ready))
            return true;
    }
    return false;
}

/* Mark it as killed. The caller makes a heavy fence after this, for as many as it marks, and then claims each (one that was
 * found waiting before needs no fence: it was WAITING when it was marked). */
static inline void wf_state_mark_killed(wf_coro *coro)
{
    wf_store_relaxed(&coro->killed, 1); /* relaxed: the fence orders it */
}

/* Mark it killed. True: it was WAITING and KILLABLE, and the caller must queue it with -ECANCELED. */
static inline bool wf_state_kill(wf_coro *coro)
{
    wf_state_mark_killed(coro);
    if (wf_state_claim_killable(coro)) /* most are asleep, and need no fence */
        return true;
    /* ORDER(state-kill): `killed`, then the state; pairs with wf_state_commit_wait and wf_state_commit_locked: one of the two sees
     * the other's store. */
    wf_fence_heavy();
    return wf_state_claim_killable(coro);
}

/* WAITING and TIMED → READY, by a timer: of the very wait that `seen` is of. A timer reads the state first, then the deadline, and
 * passes that state: so the deadline it judged belongs to the wait it ends. */
static inline bool wf_state_expire(wf_coro *coro, uint64_t seen)
{
    if (wf_state_phase(seen) != WF_PHASE_WAITING || !(seen & WF_STATE_TIMED))
        return false;
    /* ORDER(state-wait): pairs with wf_state_commit_wait. */
    return wf_cas_acq_rel(&coro->state, &seen, wf_state_make(seen >> WF_STATE_TICKET_SHIFT, WF_PHASE_READY));
}

/* RUNNING → DONE, after the last instruction on its stack. */
static inline void wf_state_done(wf_coro *coro)
{
    uint64_t ticket = wf_load_relaxed(&coro->state) >> WF_STATE_TICKET_SHIFT; /* relaxed: our own word */
    /* ORDER(state-done): publishes the end and the result; pairs with has_ended in sched/join.c. */
    wf_store_release(&coro->state, wf_state_make(ticket + 1, WF_PHASE_DONE));
}

#endif
