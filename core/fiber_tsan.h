/* ThreadSanitizer: each bound stack is a fiber. Included by core/fiber.h only; see core/fiber_none.h for what each function is.
 * words[0] holds the fiber. The function that switches must not be instrumented: its frame would be pushed on one fiber and popped
 * from another. */
#ifndef WF_CORE_FIBER_TSAN_H
#define WF_CORE_FIBER_TSAN_H

#include <sanitizer/tsan_interface.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/fiber_side.h"

#define WF_SWITCHES_STACKS static __attribute__((noinline, unused, no_sanitize("thread")))
#define WF_NOT_INSTRUMENTED __attribute__((no_sanitize("thread")))

static inline void wf_fiber_bind(void **words, void *base, void *top)
{
    (void)base, (void)top;
    words[0] = __tsan_create_fiber(0);
}

static inline void wf_fiber_unbind(void **words)
{
    __tsan_destroy_fiber(words[0]);
    words[0] = NULL;
}

static inline void wf_fiber_thread(void **words)
{
    words[0] = __tsan_get_current_fiber();
}

/* Not instrumented either, lest it enter on one fiber and return on another. */
__attribute__((no_sanitize("thread"))) static inline void wf_fiber_leave(void **from, void **to, const void *to_base,
                                                                         size_t to_size, bool ends)
{
    (void)from, (void)to_base, (void)to_size, (void)ends;
    __tsan_switch_to_fiber(to[0], 0);
}

static inline void wf_fiber_arrive(void **words)
{
    (void)words;
}

static inline void wf_fiber_here(wf_fiber_side *side)
{
    side->words[0] = __tsan_get_current_fiber();
}

static inline void wf_fiber_arrive_from(void **words, wf_fiber_side *side)
{
    (void)words, (void)side;
}

#endif
