/* wf_coro.joiners: those that wait for the end of a coroutine, in one word.
 *
 *     bit 0  LOCKED   a spin lock, for some instructions, or from a joiner's linking itself until its commit step
 *     bit 1  CLOSED   the coroutine has ended, or the block is free: nobody may link itself any more
 *     above           the first node of a ring of waiters (core/list.h)
 *
 * The word is changed by whoever holds LOCKED; while it is CLOSED, by the spawn that opens it for the next coroutine in the block. So
 * who comes with a stale handle may take the lock of a stranger, but takes it properly; it looks at the generation under the
 * lock and goes away again.
 */
#ifndef WF_SCHED_JOINERS_H
#define WF_SCHED_JOINERS_H

#include "sched/coro.h"

#define WF_JOINERS_LOCKED ((uintptr_t)1)
#define WF_JOINERS_CLOSED ((uintptr_t)2)
#define WF_JOINERS_BITS (WF_JOINERS_LOCKED | WF_JOINERS_CLOSED)

bool wf_joiners_lock_contended(wf_coro *target);

/* False: closed, and not locked. */
WF_INLINE bool wf_joiners_lock(wf_coro *target)
{
    uintptr_t word = wf_load_relaxed(&target->joiners); /* relaxed: the CAS decides */
    /* ORDER(joiners): pairs with wf_joiners_unlock: the ring. */
    if (wf_likely(!(word & WF_JOINERS_BITS)) && wf_cas_acq_rel(&target->joiners, &word, word | WF_JOINERS_LOCKED))
        return true;
    return wf_joiners_lock_contended(target);
}

/* The lock is held, for both. */
WF_INLINE wf_list *wf_joiners_first(wf_coro *target)
{
    return (wf_list *)(wf_load_relaxed(&target->joiners) & ~WF_JOINERS_BITS); /* relaxed: under the lock */
}

/* With this ring from now on; or WF_JOINERS_CLOSED. */
WF_INLINE void wf_joiners_unlock(wf_coro *target, uintptr_t word)
{
    wf_store_release(&target->joiners, word); /* ORDER(joiners): pairs with wf_joiners_lock. */
}

#endif
