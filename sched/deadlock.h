/* Deadlocks: nothing in this process can ever run again. What is looked at, when, and why it is certain: sched/README.md.
 *
 * One word says whether the present quiet has been looked at. The monitor sets it before it looks; a plain thread that is about to
 * wait for good, and so may be what the quiet was waiting for, clears it. Store-load on both sides: either the look sees the thread
 * waiting, or the thread sees that there was one already, and asks for another. Model: tests/model/model_deadlock.c.
 */
#ifndef WF_SCHED_DEADLOCK_H
#define WF_SCHED_DEADLOCK_H

#include "core/atomics.h"
#include "sched/state.h"

typedef struct wf_quiet {
    _Atomic(uint32_t) looked; /* any (atomic) */
} wf_quiet;

/* Before a look. */
static inline void wf_quiet_look(wf_quiet *quiet)
{
    wf_store_relaxed(&quiet->looked, 1); /* relaxed: the fence orders it */
    wf_fence_seq_cst(); /* ORDER(quiet): looked, then the states of threads; pairs with wf_quiet_ends. */
}

/* Whatever was seen may be different now. */
static inline void wf_quiet_forget(wf_quiet *quiet)
{
    wf_store_relaxed(&quiet->looked, 0); /* relaxed: the monitor's own, and threads only clear it too */
}

static inline bool wf_quiet_is_looked_at(wf_quiet *quiet)
{
    return wf_load_relaxed(&quiet->looked) != 0; /* relaxed: the fence of the look that is asked for orders it */
}

/* A plain thread waits for good now; its state says so. True: it has to tell the monitor (wf_monitor_notice). */
static inline bool wf_quiet_ends(wf_quiet *quiet)
{
    wf_fence_seq_cst(); /* ORDER(quiet): its state, then looked; pairs with wf_quiet_look. */
    /* relaxed, both: the fence orders the load; if another look has begun since, that one sees the thread, and the store makes it
     * one look too many. */
    if (wf_load_relaxed(&quiet->looked) == 0)
        return false;
    wf_store_relaxed(&quiet->looked, 0);
    return true;
}

/* Threads that were found waiting for good, in one look at all of them. Tickets grow whenever one of them goes on. Two looks, one
 * after the other, that add up to the same have found the same waits, so at a moment between all of them waited. */
typedef struct wf_still {
    unsigned waiting;
    uint64_t tickets; /* the sum */
} wf_still;

/* False: this one does not wait, or has a deadline. */
static inline bool wf_still_add(wf_still *still, wf_coro *thread)
{
    /* ORDER(state-wait): pairs with wf_state_commit_wait: what it did before it waited, and whom it woke; and the second look comes
     * after the first. */
    uint64_t state = wf_load_acquire(&thread->state);
    if (wf_state_phase(state) != WF_PHASE_WAITING || (state & WF_STATE_TIMED))
        return false;
    still->waiting++;
    still->tickets += state >> WF_STATE_TICKET_SHIFT;
    return true;
}

static inline bool wf_still_is_same(wf_still a, wf_still b)
{
    return a.waiting == b.waiting && a.tickets == b.tickets;
}

enum wf_verdict {
    WF_VERDICT_STIRS, /* something runs, or is about to: look again soon */
    WF_VERDICT_LIVES, /* nothing waits, or something will come that wakes a worker; or all has been said. No need to look again */
    WF_VERDICT_MAYBE, /* a thread could do something, of which the monitor would not hear: look again some time */
    WF_VERDICT_DEAD,  /* a deadlock, which has been reported, and its waits ended if they are to be */
};

/* Before the monitor starts. */
void wf_deadlock_begin(void);

/* By the monitor, when all has been quiet for a while. */
enum wf_verdict wf_deadlock_look(void);

/* By a plain thread that is about to sleep without a deadline. */
void wf_deadlock_thread_waits(void);

#endif
