/* Leaving one coroutine for the next, and the commit step: what is done with the coroutine that was left.
 *
 * A coroutine that leaves has noted in its worker what is to become of it (enum wf_leave). It picks the next one itself and
 * switches straight to it; the worker's own stack is used only when nothing is runnable. The commit step runs first thing on
 * the stack that was switched to, whichever that is: another coroutine coming back from its own wf_leave, a new one in its
 * entry, or the worker. Only then are the registers of the one that left saved, so only then may others see it.
 *
 * The worker pointer travels through the switch as its value: whoever comes back may be on another thread than the one on
 * which it left, so nothing that was read from thread-local storage before the switch is used after it.
 */
#include <errno.h>

#include "core/context.h"
#include "core/fiber.h"
#include "sched/suspend.h"
#include "sched/worker.h"

/* The commit step. On the stack switched to, before anything else. */
static void commit(wf_worker *self)
{
    wf_coro *left = self->left;
    enum wf_leave leave = self->leave;
    self->leave = WF_LEAVE_NONE;
    switch (leave) {
    case WF_LEAVE_NONE:
        break;
    case WF_LEAVE_YIELD:
        wf_state_yield(left);
        wf_queue_put(self, left, false);
        break;
    case WF_LEAVE_WAIT: {
        wf_lock *lock = self->leave_lock;
        wf_count(&self->suspends, 1);
        enum wf_commit result = wf_state_commit_wait(left, self->leave_bits);
        /* PARKED: `left` may be running elsewhere by now and must not be touched. The lock is the object's: whoever ends the
         * wait takes it first, so the object is still there. */
        if (lock != NULL)
            wf_unlock(lock);
        if (result == WF_COMMIT_KILLED)
            left->wake_value = -ECANCELED;
        if (result != WF_COMMIT_PARKED)
            wf_queue_put(self, left, false);
        break;
    }
    case WF_LEAVE_EXIT:
        wf_coro_retire(self, left);
        break;
    }
}

/* First entry of every coroutine, on its own fresh stack. */
static void enter(void *arg, void *value)
{
    wf_coro *coro = arg;
    wf_worker *self = value;
    wf_fiber_arrive(coro->stack->sanitizer);
    commit(self);
    wf_coro_main(coro);
}

bool wf_coro_bind(wf_worker *self, wf_coro *coro)
{
    wf_stack *stack = wf_stack_new(&self->stacks, coro->stack_class);
    if (stack == NULL)
        return false;
    wf_fiber_bind(stack->sanitizer, stack->base, stack->top);
    coro->stack = stack;
    coro->sp = wf_context_make(stack->top, enter, coro);
    return true;
}

/* What is known of a stack when switching from or to it; NULL coroutine: the worker's own. */
typedef struct side {
    void **sp;
    void **sanitizer;
    const void *base;
    size_t size;
} side;

static inline side side_of(wf_worker *self, wf_coro *coro)
{
    if (coro == NULL)
        return (side){&self->sp, self->sanitizer, self->stack_base, self->stack_size};
    wf_stack *stack = coro->stack;
    return (side){&coro->sp, stack->sanitizer, stack->base, (size_t)(stack->top - stack->base)};
}

/* From `from` to `to`; either may be NULL for the worker's own stack. */
WF_SWITCHES_STACKS static void switch_stacks(wf_worker *self, wf_coro *from, wf_coro *to, bool ends)
{
    side here = side_of(self, from);
    side there = side_of(self, to);
    wf_store_relaxed(&self->current, to); /* relaxed: for this thread, and as a hint for the monitor */
    wf_fiber_leave(here.sanitizer, there.sanitizer, there.base, there.size, ends);
    self = wf_context_switch(here.sp, *there.sp, self);
    wf_fiber_arrive(here.sanitizer);
    commit(self);
}

/* Take it from a queue: from here on it is RUNNING on this worker. */
static inline void dispatch(wf_worker *self, wf_coro *coro)
{
    wf_state_dispatch(coro);
    wf_store_relaxed(&coro->worker, self->index); /* relaxed: a hint for others */
    wf_count(&self->dispatches, 1);
}

void wf_leave(wf_coro *coro, enum wf_leave leave, unsigned bits, wf_lock *lock)
{
    wf_worker *self = wf_worker_self();
    wf_coro *next = lock == NULL ? wf_queue_next(self) : wf_queue_next_quick(self);
    if (next == NULL && leave == WF_LEAVE_YIELD) {
        wf_count(&self->dispatches, 1); /* nobody else to run: it is next itself, and not stuck */
        return;
    }
    self->left = coro;
    self->leave = leave;
    self->leave_bits = bits;
    self->leave_lock = lock;
    if (next != NULL)
        dispatch(self, next);
    if (coro->flags & WF_CORO_FPENV) {
        wf_fpenv_save(coro->extra->fpenv);
        wf_fpenv_load(wf_rt.fpenv);
    }
    switch_stacks(self, coro, next, false);
    if (coro->flags & WF_CORO_FPENV)
        wf_fpenv_load(coro->extra->fpenv);
}

wf_coro *wf_leave_for_good(wf_coro *coro)
{
    wf_worker *self = wf_worker_self();
    if (coro->flags & WF_CORO_FPENV)
        wf_fpenv_load(wf_rt.fpenv);
    wf_coro *next = wf_queue_next_for(self, coro);
    if (next != NULL && next->stack == NULL) {
        /* The stack changes hands: nothing of the old coroutine is left on it above this frame's callers. */
        next->stack = coro->stack;
        coro->stack = NULL;
        dispatch(self, next);
        wf_store_relaxed(&self->current, next); /* relaxed: as in switch_stacks */
        wf_coro_retire(self, coro);
        return next;
    }
    self->left = coro;
    self->leave = WF_LEAVE_EXIT;
    if (next != NULL)
        dispatch(self, next);
    switch_stacks(self, coro, next, true);
    __builtin_unreachable();
}

void wf_dispatch(wf_worker *self, wf_coro *coro)
{
    self->leave = WF_LEAVE_NONE;
    dispatch(self, coro);
    switch_stacks(self, NULL, coro, false);
}
