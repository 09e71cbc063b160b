/* What generators and symmetric coroutines have in common: bodies that run on stacks of their own as part of a coroutine or
 * a plain thread (core/strand.h). */
#ifndef WF_SCHED_STRANDS_H
#define WF_SCHED_STRANDS_H

#include "core/strand.h"
#include "sched/forks.h"
#include "sched/ready.h"

/* The stack class for a size that the program gave, 0: as for coroutines. -1: too large. */
int wf_strand_class(size_t size);

/* Where a stack comes from and goes to. */
WF_INLINE wf_stack_cache *wf_strand_cache(wf_worker *worker)
{
    return worker != NULL ? &worker->stacks : NULL;
}

/* The caller is about to enter a new body: give that its stack. False: there is none to be had. */
bool wf_strand_begins(wf_strand *strand, wf_caller caller);

/* The body has returned; `whose` is for the message if it left tasks behind. Returns who runs it now. */
wf_coro *wf_strand_ends(wf_strand *strand, const char *whose);

/* The running coroutine is about to be on another stack. */
WF_INLINE void wf_forks_switch(wf_worker *worker, wf_coro *self)
{
    if (wf_unlikely(worker != NULL && worker->forking))
        wf_forks_move_out_and_wake(worker, self);
}

#endif
