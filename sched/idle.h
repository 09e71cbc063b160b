/* Who is idle, who is searching, and whom to wake: the protocol by which no runnable coroutine is left lying while a worker
 * sleeps.
 *
 * A worker is working, searching (it has nothing and looks at the others' queues) or parked. One word counts the last two:
 *
 *     bits 0–15 searching, bits 16–31 idle (parked or about to be)
 *
 * Parking, by a worker that found nothing:
 *   1. it puts itself on the list of idle workers and counts itself idle, no longer searching (one seq_cst RMW)
 *   2. then it looks at all queues once more; if there is anything it takes itself off the list and goes on; somebody who
 *      took it off first has a wake on the way for it, which the parking word keeps
 *   3. it sleeps until its parking word says NOTIFIED
 *
 * Waking, by whoever made something runnable:
 *   1. it has published the item in a queue
 *   2. seq_cst fence; reads the word: nobody idle, or somebody searching -> done: the searcher will look at all queues again
 *      before it parks
 *   3. else takes one worker off the list, counts it searching, and wakes it
 *
 * A searcher that finds something and was the last one wakes the next (step 2 on its behalf): so a burst of work brings up workers
 * one after the other, without a storm.
 *
 * Why no wake-up is lost: step 1 of parking and the re-check (2), against publishing and the read of the word (2), form a
 * store-load pair, fenced on both sides: either the waker sees the idle worker, or the worker sees the item. When the waker
 * skips because somebody is searching, that searcher has yet to stop: either it parks, and its re-check sees the item, or it has
 * found something else, and being the last to stop it looks at the queues once more. A worker that is counted as a searcher must
 * therefore never run a coroutine without having stopped to be one.
 * Model: tests/model/model_idle.c.
 */
#ifndef WF_SCHED_IDLE_H
#define WF_SCHED_IDLE_H

#include "core/atomics.h"
#include "core/lock.h"

/* Where a worker sleeps, and whether it was told to get up. */
enum {
    WF_PARK_AWAKE = 0,
    WF_PARK_FUTEX = 1,    /* asleep, or about to be, in a futex on this word */
    WF_PARK_SOURCE = 2,   /* asleep, or about to be, in its event source */
    WF_PARK_NOTIFIED = 3, /* told to get up; stays so until the worker has seen it */
};

typedef struct wf_parking {
    _Atomic(uint32_t) word;
} wf_parking;

/* The worker announces where it will sleep. False: it was notified already and must not sleep. */
static inline bool wf_parking_begin(wf_parking *p, uint32_t where)
{
    uint32_t awake = WF_PARK_AWAKE;
    /* ORDER(parking): acquire what the notifier wrote before; pairs with wf_parking_notify. */
    return wf_cas_acq_rel(&p->word, &awake, where);
}

/* The worker is up again, for whatever reason. */
static inline void wf_parking_end(wf_parking *p)
{
    /* ORDER(parking): pairs with wf_parking_notify. */
    wf_exchange_acq_rel(&p->word, WF_PARK_AWAKE);
}

/* Tell a worker to get up. Returns where it sleeps (WF_PARK_FUTEX, WF_PARK_SOURCE: the caller must end that sleep), or
 * WF_PARK_AWAKE / WF_PARK_NOTIFIED when there is nothing to do. */
static inline uint32_t wf_parking_notify(wf_parking *p)
{
    /* ORDER(parking): release what was made runnable before; pairs with wf_parking_begin and wf_parking_end. */
    return wf_exchange_acq_rel(&p->word, WF_PARK_NOTIFIED);
}

#ifndef WF_IDLE_MAX
#define WF_IDLE_MAX 1024
#endif

typedef struct wf_idle {
    _Alignas(WF_CACHE_LINE) _Atomic(uint32_t) counts; /* any (atomic); the idle half changes only with the lock held */
    wf_lock lock;
    /* lock: */
    uint32_t sleepers;           /* entries of stack */
    uint16_t stack[WF_IDLE_MAX]; /* idle workers, the one that parked last on top: its caches are warmest */
    bool listed[WF_IDLE_MAX];
} wf_idle;

#define WF_IDLE_MASK 0xffff0000u

enum { WF_IDLE_ONE_SEARCHING = 1, WF_IDLE_ONE_IDLE = 1 << 16 };

static inline uint32_t wf_idle_searching(uint32_t counts)
{
    return counts & 0xffff;
}

static inline uint32_t wf_idle_idle(uint32_t counts)
{
    return counts >> 16;
}

/* A working worker wants to search. At most half of the workers may: false when there are enough. */
static inline bool wf_idle_begin_search(wf_idle *idle, uint32_t workers)
{
    /* relaxed: too many or too few searchers for a moment do no harm */
    if (2 * wf_idle_searching(wf_load_relaxed(&idle->counts)) >= workers)
        return false;
    /* ORDER(idle-count): pairs with wf_idle_pick. */
    wf_fetch_add_seq_cst(&idle->counts, WF_IDLE_ONE_SEARCHING);
    return true;
}

/* A searcher has found something. True: it was the last, and must look at all queues on behalf of those who woke nobody because
 * it was searching, and call wf_idle_pick if there is anything. */
static inline bool wf_idle_end_search(wf_idle *idle)
{
    /* ORDER(idle-count): pairs with wf_idle_pick. */
    bool last = wf_idle_searching(wf_fetch_sub_seq_cst(&idle->counts, WF_IDLE_ONE_SEARCHING)) == 1;
    if (last)
        wf_fence_seq_cst(); /* ORDER(idle-park): no longer counted, then looks at the queues; pairs with wf_idle_pick. */
    return last;
}

/* Parking, step 1. The caller re-checks all queues after this. */
static inline void wf_idle_enter(wf_idle *idle, uint16_t worker, bool searching)
{
    wf_lock_take(&idle->lock);
    idle->stack[idle->sleepers++] = worker;
    idle->listed[worker] = true;
    /* ORDER(idle-park): store-load pair with wf_idle_pick: counted idle, then looks at the queues. */
    wf_fetch_add_seq_cst(&idle->counts, WF_IDLE_ONE_IDLE - (searching ? WF_IDLE_ONE_SEARCHING : 0));
    wf_unlock(&idle->lock);
    wf_fence_seq_cst(); /* ORDER(idle-park): before the re-check of the queues. */
}

/* Parking, step 2 or after the sleep: off the list. True: it was still on it, so nobody has picked it, and it is merely working
 * now. False: somebody picked it and counted it searching: it is a searcher from now on. */
static inline bool wf_idle_leave(wf_idle *idle, uint16_t worker)
{
    wf_lock_take(&idle->lock);
    bool listed = idle->listed[worker];
    if (listed) {
        uint32_t at = 0;
        while (idle->stack[at] != worker)
            at++;
        for (idle->sleepers--; at < idle->sleepers; at++)
            idle->stack[at] = idle->stack[at + 1];
        idle->listed[worker] = false;
        /* ORDER(idle-count): pairs with wf_idle_pick. */
        wf_fetch_sub_seq_cst(&idle->counts, WF_IDLE_ONE_IDLE);
    }
    wf_unlock(&idle->lock);
    return listed;
}

/* Waking, steps 2 and 3: the worker to wake, now counted as a searcher, or -1. */
static inline int wf_idle_pick(wf_idle *idle)
{
    wf_fence_seq_cst(); /* ORDER(idle-park): after the item was published, before the word is read. */
    /* relaxed: the fence orders it. */
    uint32_t counts = wf_load_relaxed(&idle->counts);
    if (wf_idle_idle(counts) == 0 || wf_idle_searching(counts) != 0)
        return -1;
    int picked = -1;
    wf_lock_take(&idle->lock);
    /* ORDER(idle-count): pairs with wf_idle_begin_search and wf_idle_end_search: read again under the lock. */
    counts = wf_load_seq_cst(&idle->counts);
    if (idle->sleepers > 0 && wf_idle_searching(counts) == 0) {
        picked = idle->stack[--idle->sleepers];
        idle->listed[picked] = false;
        wf_fetch_add_seq_cst(&idle->counts, WF_IDLE_ONE_SEARCHING - WF_IDLE_ONE_IDLE); /* ORDER(idle-count) */
    }
    wf_unlock(&idle->lock);
    return picked;
}

#endif
