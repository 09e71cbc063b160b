/* No sanitizer follows the switches. Included by core/fiber.h only. */
#ifndef WF_CORE_FIBER_NONE_H
#define WF_CORE_FIBER_NONE_H

#include "core/compiler.h"
#include "core/fiber_side.h"
#include <stdbool.h>
#include <stddef.h>

#define WF_SWITCHES_STACKS WF_INLINE
#define WF_NOT_INSTRUMENTED

/* `words` belong to the stack. A stack begins to be used by a coroutine; ends being used. */
static inline void wf_fiber_bind(void **words, void *base, void *top)
{
    (void)words, (void)base, (void)top;
}

static inline void wf_fiber_unbind(void **words)
{
    (void)words;
}

/* The thread's own stack. */
static inline void wf_fiber_thread(void **words)
{
    (void)words;
}

/* Before the switch, on the stack that is left; `ends`: it will never be switched to again. */
static inline void wf_fiber_leave(void **from, void **to, const void *to_base, size_t to_size, bool ends)
{
    (void)from, (void)to, (void)to_base, (void)to_size, (void)ends;
}

/* First thing after the switch, on the stack that was switched to. */
static inline void wf_fiber_arrive(void **words)
{
    (void)words;
}

/* The stack that is about to be left, whichever it is: with this in place of its own words it can be left and gone back to. */
static inline void wf_fiber_here(wf_fiber_side *side)
{
    (void)side;
}

/* As wf_fiber_arrive; the stack that was left is `side`: note its bounds. */
static inline void wf_fiber_arrive_from(void **words, wf_fiber_side *side)
{
    (void)words, (void)side;
}

#endif
