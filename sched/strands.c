/* Bodies on stacks of their own: how they begin and end. */
#include "sched/strands.h"

#include "sched/suspend.h"

int wf_strand_class(size_t size)
{
    if (size != 0)
        return wf_stack_class(size);
    /* ORDER(phase): pairs with weft_start: the class that it has set. A coroutine finds it set anyway. */
    if (wf_load_acquire(&wf_rt.phase) >= WF_RUNTIME_ON)
        return wf_rt.default_class;
    weft_config config;
    weft_config_default(&config);
    return wf_stack_class(config.stack_size);
}

bool wf_strand_begins(wf_strand *strand, wf_caller caller)
{
    if (!wf_strand_bind(strand, wf_strand_cache(caller.worker)))
        return false;
    if (caller.worker == NULL)
        wf_thread_catch_overflows(caller.self);
    if (caller.self->flags & WF_CORO_SECRET)
        strand->secret = true;
    wf_forks_switch(caller.worker, caller.self);
    return true;
}

wf_coro *wf_strand_ends(wf_strand *strand, const char *whose)
{
    wf_caller caller = wf_caller_now();
    if (caller.worker != NULL && (caller.worker->forking || strand->stack->forks != 0))
        wf_forks_check_strand(caller.worker, caller.self, whose);
    return caller.self;
}
