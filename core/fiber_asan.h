/* AddressSanitizer: fake stacks and bounds change hands at every switch. Included by core/fiber.h only; see core/fiber_none.h for
 * what each function is. words[0] holds the fake stack of a stack that is not running. */
#ifndef WF_CORE_FIBER_ASAN_H
#define WF_CORE_FIBER_ASAN_H

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/compiler.h"
#include "core/fiber_side.h"

#define WF_SWITCHES_STACKS WF_INLINE
#define WF_NOT_INSTRUMENTED

static inline void wf_fiber_bind(void **words, void *base, void *top)
{
    words[0] = NULL;
    /* The frames of the coroutine that used it before never returned, so their red zones are still there. */
    __asan_unpoison_memory_region(base, (size_t)((char *)top - (char *)base));
}

static inline void wf_fiber_unbind(void **words)
{
    (void)words;
}

static inline void wf_fiber_thread(void **words)
{
    words[0] = NULL;
}

static inline void wf_fiber_leave(void **from, void **to, const void *to_base, size_t to_size, bool ends)
{
    (void)to;
    __sanitizer_start_switch_fiber(ends ? NULL : &from[0], to_base, to_size);
}

static inline void wf_fiber_arrive(void **words)
{
    __sanitizer_finish_switch_fiber(words[0], NULL, NULL);
}

static inline void wf_fiber_here(wf_fiber_side *side)
{
    (void)side;
}

static inline void wf_fiber_arrive_from(void **words, wf_fiber_side *side)
{
    __sanitizer_finish_switch_fiber(words[0], &side->base, &side->size);
}

#endif
