/* What a coroutine that suspends keeps locked until its commit step: the lock of the object it waits on, or the joiners of the
 * coroutine that it joins; tagged by its lowest bit. Zero: nothing, it waits by ticket.
 */
#ifndef WF_SCHED_HELD_H
#define WF_SCHED_HELD_H

#include "core/biased.h"
#include "sched/joiners.h"

typedef uintptr_t wf_held;

enum { WF_HELD_JOINERS = 1 };

WF_INLINE wf_held wf_held_object(wf_biased *lock)
{
    return (wf_held)lock;
}

WF_INLINE wf_held wf_held_joiners(wf_coro *target)
{
    return (wf_held)target | WF_HELD_JOINERS;
}

/* Whose joiners. */
WF_INLINE wf_coro *wf_held_target(wf_held held)
{
    return (wf_coro *)(held - WF_HELD_JOINERS);
}

/* From the same OS thread that took it. Not for zero. */
WF_INLINE void wf_held_release(wf_held held)
{
    if (wf_likely(!(held & WF_HELD_JOINERS))) {
        wf_biased_leave((wf_biased *)held);
    } else {
        wf_coro *target = wf_held_target(held);
        /* relaxed: under the lock */
        wf_joiners_unlock(target, wf_load_relaxed(&target->joiners) & ~WF_JOINERS_LOCKED);
    }
}

#endif
