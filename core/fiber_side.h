/* What a sanitizer has to be told of a stack that is not weft's own. Included by the core/fiber_*.h. */
#ifndef WF_CORE_FIBER_SIDE_H
#define WF_CORE_FIBER_SIDE_H

#include <stddef.h>

/* A stack of which only those who stand on it know whose it is, kept by who leaves it for another one. */
typedef struct wf_fiber_side {
    void *words[2];
    const void *base;
    size_t size;
} wf_fiber_side;

#endif
