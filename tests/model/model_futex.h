/* core/futex.h for models: the same two functions, on the checker's futex. A model includes this before any source that
 * includes core/futex.h, whose guard it takes.
 */
#ifndef WF_CORE_FUTEX_H
#define WF_CORE_FUTEX_H

#include <errno.h>

#include "core/atomics.h"

#define wf_futex_wait(word, expected, deadline_ns) \
    ((void)(deadline_ns), \
     mc_futex_wait(MC_SITE("wf_futex_wait", #word, MC_FUTEX, MC_RELAXED, MC_RELAXED), (word), (expected)) ? 0 \
                                                                                                          : -EAGAIN)

#define wf_futex_wake(word, waiters) \
    mc_futex_wake(MC_SITE("wf_futex_wake", #word, MC_FUTEX, MC_RELAXED, MC_RELAXED), (word), (waiters))

#endif
