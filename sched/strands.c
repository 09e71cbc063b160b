/* Bodies on stacks of their own: how they begin and end. */
#include "sched/strands.h"

#include "sched/suspend.h"

/* From the environment, while no runtime is on: the class of stacks, plus one; 0: not looked yet. */
static _Atomic(uint32_t) usual;

/* What weft_start would set up of stacks. Whoever comes twice does the same twice. -1: the environment says why on stderr. */
static int class_without_runtime(void)
{
    uint32_t known = wf_load_relaxed(&usual); /* relaxed: nothing comes with the number */
    if (known != 0)
        return (int)known - 1;
    weft_config config;
    if (weft_config_from_env(&config) != 0 || wf_stack_init((enum wf_stack_guard)config.stack_guard) != 0)
        return -1;
    int stack_class = wf_stack_class(config.stack_size);
    wf_store_relaxed(&usual, (uint32_t)stack_class + 1); /* relaxed: as above */
    return stack_class;
}

int wf_strand_class(size_t size)
{
    /* ORDER(phase): pairs with weft_start: the class that it has set. A coroutine finds it set anyway. */
    bool is_on = wf_load_acquire(&wf_rt.phase) >= WF_RUNTIME_ON;
    int stack_class = is_on ? wf_rt.default_class : class_without_runtime();
    return size == 0 || stack_class < 0 ? stack_class : wf_stack_class(size);
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
