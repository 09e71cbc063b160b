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
#include "sched/forks.h"
#include "sched/ready.h"
#include "sched/suspend.h"
#include "sched/worker.h"

/* It waits from here on, unless it was woken or killed on the way. */
WF_INLINE void commit_wait(wf_worker *self, wf_coro *left)
{
    wf_held held = self->leave_held;
    wf_count(&self->suspends, 1);
    enum wf_commit result;
    if (wf_likely(wf_held_is_all(held)))
        result = wf_state_commit_locked(left, self->leave_bits);
    else
        result = wf_state_commit_wait(left, self->leave_bits);
    /* PARKED: `left` may be running elsewhere by now and must not be touched. What is held is the object's: whoever ends the wait
     * takes it first, so the object is still there (of a select: wf_select_unlock). */
    if (wf_likely(held != 0))
        wf_held_release(held);
    if (wf_likely(result == WF_COMMIT_PARKED))
        return;
    if (result == WF_COMMIT_KILLED)
        left->wake_value = -ECANCELED;
    wf_queue_put(self, left, false);
}

/* The commit step. On the stack switched to, before anything else. */
WF_INLINE void commit(wf_worker *self)
{
    wf_coro *left = self->left;
    enum wf_leave leave = self->leave;
    self->leave = WF_LEAVE_NONE;
    if (leave == WF_LEAVE_WAIT) {
        commit_wait(self, left);
    } else if (leave == WF_LEAVE_YIELD) {
        wf_state_yield(left);
        if (left->flags & WF_CORO_PINNED)
            wf_queue_put(self, left, false);
        else
            wf_ready_push(self, left);
    } else if (leave == WF_LEAVE_EXIT) {
        wf_coro_retire(self, left);
    }
}

bool wf_coro_bind(wf_worker *self, wf_coro *coro)
{
    wf_stack *stack = wf_stack_new(&self->stacks, coro->stack_class);
    if (wf_unlikely(stack == NULL))
        return false;
    wf_fiber_bind(stack->sanitizer, stack->base, stack->top);
    stack->strand = NULL;
    coro->stack = stack;
    coro->sp = NULL; /* it enters its stack anew */
    return true;
}

/* What is known of a stack when switching from or to it; NULL coroutine: the worker's own. */
typedef struct side {
    void **sp;
    void **sanitizer;
    const void *base;
    size_t size;
} side;

WF_INLINE side side_of(wf_worker *self, wf_coro *coro)
{
    if (coro == NULL)
        return (side){&self->sp, self->sanitizer, self->stack_base, self->stack_size};
    wf_stack *stack = coro->stack;
    return (side){&coro->sp, stack->sanitizer, stack->base, (size_t)(stack->top - stack->base)};
}

WF_NOT_INSTRUMENTED static void enter(void *arg, void *value);

/* From `from` to `to`; either may be NULL for the worker's own stack. */
WF_SWITCHES_STACKS void switch_stacks(wf_worker *self, wf_coro *from, wf_coro *to)
{
    side here = side_of(self, from);
    side there = side_of(self, to);
    wf_store_relaxed(&self->current, to); /* relaxed: for this thread, and as a hint for the monitor */
    wf_fiber_leave(here.sanitizer, there.sanitizer, there.base, there.size, false);
    void *sp = *there.sp;
    if (wf_likely(sp != NULL))
        self = wf_context_switch(here.sp, sp, self);
    else
        self = wf_context_enter(here.sp, to->stack->top, enter, to, self);
    wf_fiber_arrive(here.sanitizer);
    commit(self);
}

/* Take it from a queue: from here on it is RUNNING on this worker. */
WF_INLINE void dispatch(wf_worker *self, wf_coro *coro)
{
    self->began = coro->sp == NULL && self->lifo_runs == 0 ? coro : NULL; /* in its turn: not from the LIFO slot */
    wf_state_dispatch(coro);
    wf_store_relaxed(&coro->worker, self->index); /* relaxed: a hint for others */
    wf_count(&self->dispatches, 1);
}

/* Nothing is the common case, and cheap to find out. */
WF_INLINE void fpenv_out(wf_coro *coro)
{
    if (coro->flags & WF_CORO_FPENV) {
        wf_fpenv_save(coro->extra->fpenv);
        wf_fpenv_load(wf_rt.fpenv);
    }
}

WF_INLINE void fpenv_in(wf_coro *coro)
{
    if (coro->flags & WF_CORO_FPENV)
        wf_fpenv_load(coro->extra->fpenv);
}

/* Hand the worker over to `next`, which has been dispatched, or to its own stack. Returns when coro is dispatched again. */
WF_INLINE void leave_for(wf_worker *self, wf_coro *coro, wf_coro *next, enum wf_leave leave)
{
    self->left = coro;
    self->leave = leave;
    fpenv_out(coro);
    switch_stacks(self, coro, next);
    fpenv_in(coro);
}

/* The next one to run. NULL: the worker's own stack. */
WF_INLINE wf_coro *next_with_stack(wf_worker *self)
{
    wf_coro *next = wf_ready_take(self);
    if (wf_unlikely(next == NULL))
        return wf_queue_next(self);
    return wf_likely(next->stack != NULL) ? next : wf_queue_give_stack(self, next);
}

void wf_leave_to_yield(wf_coro *coro)
{
    wf_worker *self = wf_worker_self();
    wf_forks_leave(self, coro);
    wf_coro *next = next_with_stack(self);
    if (next == NULL) {
        wf_count(&self->dispatches, 1); /* nobody else to run: it is next itself, and not stuck */
        return;
    }
    dispatch(self, next);
    leave_for(self, coro, next, WF_LEAVE_YIELD);
}

/* As next_with_stack, with something held: nothing but pops. It joins `target`, or NULL. */
WF_INLINE wf_coro *next_held(wf_worker *self, wf_coro *target)
{
    wf_coro *next = target != NULL ? wf_ready_take_new(self, target) : NULL;
    if (next == NULL)
        next = wf_ready_take(self);
    return wf_likely(next != NULL && next->stack != NULL) ? next : wf_queue_next_locked(self, next);
}

void wf_leave_to_wait(wf_coro *coro, unsigned bits, wf_held held)
{
    wf_worker *self = wf_worker_self();
    wf_forks_leave(self, coro);
    wf_coro *target = held & WF_HELD_JOINERS ? wf_held_target(held) : NULL;
    wf_coro *next = held != 0 ? next_held(self, target) : next_with_stack(self);
    if (next != NULL) {
        dispatch(self, next);
        if (next == target)
            self->began = NULL; /* not in its turn */
    }
    wf_store_relaxed(&coro->wait_since_ms, wf_load_relaxed(&self->now_ms)); /* relaxed, both: for weft_dump */
    self->leave_bits = bits;
    self->leave_held = held;
    leave_for(self, coro, next, WF_LEAVE_WAIT);
}

/* coro has ended: who is next? It is made the current one; NULL: the worker's own stack. */
static wf_coro *succeed(wf_worker *self, wf_coro *coro)
{
    if (wf_unlikely(coro->flags & WF_CORO_FPENV))
        wf_fpenv_load(wf_rt.fpenv);
    wf_coro *next = wf_ready_take(self);
    if (next == NULL || next->stack == NULL)
        next = wf_queue_next_for(self, coro, next);
    if (next != NULL)
        dispatch(self, next);
    wf_store_relaxed(&self->current, next); /* relaxed: as in switch_stacks */
    return next;
}

/* Jump to the current coroutine or the worker's own stack, never to come back. Called last in the first frame of coro's stack. */
WF_SWITCHES_STACKS void leave_for_good(wf_worker *self, wf_coro *coro)
{
    wf_coro *next = wf_load_relaxed(&self->current); /* relaxed: this thread wrote it */
    side here = side_of(self, coro);
    side there = side_of(self, next);
    self->left = coro;
    self->leave = WF_LEAVE_EXIT;
    void *sp = *there.sp;
    if (wf_unlikely(sp == NULL)) /* new, and of another stack class: it enters its stack by a return, for once */
        sp = wf_context_make(next->stack->top, enter, next);
    wf_fiber_leave(here.sanitizer, there.sanitizer, there.base, there.size, true);
    wf_context_leave(sp, self);
}

/* The first frame of every coroutine, on its own stack. */
WF_NOT_INSTRUMENTED static void enter(void *arg, void *value)
{
    wf_coro *coro = arg;
    wf_worker *self = value;
    wf_fiber_arrive(coro->stack->sanitizer);
    commit(self);
    for (;;) {
        wf_coro_run(coro);
        self = wf_worker_self();
        wf_coro *next = succeed(self, coro);
        if (next == NULL || next->stack != NULL)
            break;
        /* The stack changes hands: nothing of the old coroutine is left on it above this frame. */
        next->stack = coro->stack;
        coro->stack = NULL;
        wf_coro_retire(self, coro);
        coro = next;
    }
    leave_for_good(self, coro);
}

void wf_dispatch(wf_worker *self, wf_coro *coro)
{
    self->leave = WF_LEAVE_NONE;
    dispatch(self, coro);
    switch_stacks(self, NULL, coro);
}
