/* What the objects that coroutines wait on have in common: the entry of a blocking call, standing in a line, and waking
 * a whole line at once. All of it is sched/suspend.h, put together once instead of in every object.
 *
 * A line is a wf_list of wf_coro.wait_node, guarded by the lock of its object. A coroutine that was claimed is off its
 * line, and its wait_node is the waker's until wf_ready: so those that are woken together hang on a list of the waker's
 * own, and the object is not touched any more once its lock was let go. Whoever was woken may therefore free the
 * object.
 */
#ifndef WF_SCHED_WAITERS_H
#define WF_SCHED_WAITERS_H

#include <errno.h>

#include "sched/ready.h"
#include "sched/state.h"
#include "sched/suspend.h"
#include "sched/worker.h"

/* May it block? 0, -ENOMEM (a plain thread that cannot have a block), -ECANCELED. */
WF_INLINE int wf_may_block(wf_coro *self)
{
    return wf_likely(self != NULL) ? wf_check(self) : -ENOMEM;
}

/* The head of every blocking call: who calls, and may it block? */
WF_INLINE int wf_enter(wf_coro **self)
{
    *self = wf_self_fast();
    return wf_may_block(*self);
}

/* Wait in `line`, at its end. `lock` is held on entry and not on return. The waker's value, or -ETIMEDOUT, -ECANCELED or
 * -EDEADLK, and then self is off the line. */
WF_INLINE int wf_wait_in_line(wf_coro *self, wf_list *line, enum wf_wait_kind kind, void *object, int64_t deadline,
                              wf_biased *lock)
{
    wf_list_push_back(line, &self->wait_node);
    int result = wf_wait_locked(self, kind, object, deadline, lock);
    if (wf_unlikely(result < 0) && wf_wait_was_ended(result))
        wf_wait_unlink(self, lock);
    return result;
}

/* Claim everybody in `line`, in order, and hang them on `claimed`, the caller's own. The line's lock is held. */
static inline void wf_waiters_claim_all(wf_list *line, wf_list *claimed)
{
    wf_coro *coro;
    wf_list_init(claimed);
    while ((coro = wf_waiters_claim(line)) != NULL)
        wf_list_push_back(claimed, &coro->wait_node);
}

/* Queue all that were claimed, in order. No lock is held. */
static inline void wf_ready_all(wf_list *claimed, int value)
{
    wf_list *node;
    while ((node = wf_list_pop_front(claimed)) != NULL)
        wf_ready(wf_container_of(node, wf_coro, wait_node), value);
}

#endif
