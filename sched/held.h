/* What a coroutine that suspends keeps locked until its commit step: the lock of the object it waits on, the joiners of the
 * coroutine that it joins, or all the channels of a select; tagged by its lowest bits. Zero: nothing, it waits by ticket.
 */
#ifndef WF_SCHED_HELD_H
#define WF_SCHED_HELD_H

#include "core/biased.h"
#include "sched/joiners.h"
#include "sched/select.h"

typedef uintptr_t wf_held;

enum { WF_HELD_JOINERS = 1, WF_HELD_SELECT = 2, WF_HELD_TAGS = 3 };

WF_INLINE wf_held wf_held_object(wf_biased *lock)
{
    return (wf_held)lock;
}

WF_INLINE wf_held wf_held_joiners(wf_coro *target)
{
    return (wf_held)target | WF_HELD_JOINERS;
}

WF_INLINE wf_held wf_held_select(wf_select *select)
{
    return (wf_held)select | WF_HELD_SELECT;
}

/* Whose joiners. */
WF_INLINE wf_coro *wf_held_target(wf_held held)
{
    return (wf_coro *)(held - WF_HELD_JOINERS);
}

/* Nobody can end the wait but through what is held: not by ticket. A select may wait for descriptors, too. */
WF_INLINE bool wf_held_is_all(wf_held held)
{
    return held != 0 && !(held & WF_HELD_SELECT);
}

/* From the same OS thread that took it. Not for zero. */
WF_INLINE void wf_held_release(wf_held held)
{
    if (wf_likely(!(held & WF_HELD_TAGS))) {
        wf_biased_leave((wf_biased *)held);
    } else if (held & WF_HELD_JOINERS) {
        wf_coro *target = wf_held_target(held);
        /* relaxed: under the lock */
        wf_joiners_unlock(target, wf_load_relaxed(&target->joiners) & ~WF_JOINERS_LOCKED);
    } else {
        wf_select_unlock((const wf_select *)(held - WF_HELD_SELECT));
    }
}

#endif
