/* Generators, as far as they need no scheduler: going into a body on its own stack, and coming back.
 *
 *                  start                  suspend
 *     NEW ───────────────────▶ RUNNING ─────────────▶ SUSPENDED
 *                                │ ◀───────────────────┘
 *                                │        resume
 *                                └──leave──▶ DONE
 *
 * `here` is where the one who runs the body (a coroutine, a plain thread) keeps which stack it is on: NULL for a thread's own.
 * Everything that must be known of the running stack (by the scheduler, when the body blocks; by dumps; by the report of an
 * overflow) goes by that, so a body is on an equal footing with the code around it.
 *
 * Who resumes may be another one each time. The body finds out by asking anew: nothing about who runs it is kept here over a
 * suspension but what the next resume writes.
 *
 * The two directions are one tail call each, where no sanitizer has to be told.
 */
#ifndef WF_CORE_GENERATOR_H
#define WF_CORE_GENERATOR_H

#include "core/context.h"
#include "core/fiber.h"
#include "core/stack.h"
#include "core/strand.h"

typedef struct wf_generator {
    wf_strand strand;
    void *sp;           /* SUSPENDED: the body's context */
    void *outer_sp;     /* RUNNING: the context of who resumed it */
    wf_stack *outer;    /* RUNNING: the stack that one was on */
    wf_fiber_side back; /* RUNNING: what a sanitizer wants to know of it */
} wf_generator;

/* Call entry(g, value) on its new stack, which has to begin with wf_generator_entered. Returns what wf_generator_suspend is
 * given, or what the function given to wf_generator_leave returns. */
WF_SWITCHES_STACKS int wf_generator_start(wf_generator *g, wf_stack **here, void (*entry)(void *g, void *value),
                                          void *value)
{
    wf_stack *stack = g->strand.stack;
    g->outer = *here;
    *here = stack;
    wf_fiber_here(&g->back);
    wf_fiber_leave(g->back.words, stack->sanitizer, stack->base, (size_t)(stack->top - stack->base), false);
    int result = (int)(intptr_t)wf_context_enter(&g->outer_sp, stack->top, entry, g, value);
    wf_fiber_arrive(g->back.words);
    return result;
}

WF_INLINE void wf_generator_entered(wf_generator *g)
{
    wf_fiber_arrive_from(g->strand.stack->sanitizer, &g->back);
}

/* Go on in the body: its wf_generator_suspend returns `value`. Returns as wf_generator_start. */
WF_SWITCHES_STACKS int wf_generator_resume(wf_generator *g, wf_stack **here, void *value)
{
    wf_stack *stack = g->strand.stack;
    g->outer = *here;
    *here = stack;
    wf_fiber_here(&g->back);
    wf_fiber_leave(g->back.words, stack->sanitizer, stack->base, (size_t)(stack->top - stack->base), false);
    int result = wf_context_hop_in(&g->outer_sp, g->sp, value);
    wf_fiber_arrive(g->back.words);
    return result;
}

/* From the body: back to who resumed it. Returns what the next resume is given; by then another one may run it. */
WF_SWITCHES_STACKS void *wf_generator_suspend(wf_generator *g, wf_stack **here, void *result)
{
    wf_stack *stack = g->strand.stack;
    *here = g->outer;
    wf_fiber_leave(stack->sanitizer, g->back.words, g->back.base, g->back.size, false);
    void *value = wf_context_hop_out(&g->sp, g->outer_sp, result);
    wf_fiber_arrive_from(stack->sanitizer, &g->back);
    return value;
}

/* From the first frame of the body, for good. `after` is called on the stack of who resumed it, may give the body's stack
 * back, and its result is what the resume returns. */
WF_SWITCHES_STACKS void wf_generator_leave(wf_generator *g, wf_stack **here, void *(*after)(void *g))
{
    *here = g->outer;
    wf_fiber_leave(g->strand.stack->sanitizer, g->back.words, g->back.base, g->back.size, true);
    wf_context_leave_through(g->outer_sp, after, g);
}

#endif
