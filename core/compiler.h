/* Hints to the compiler, for fast paths: those that are measured in single instructions. */
#ifndef WF_CORE_COMPILER_H
#define WF_CORE_COMPILER_H

#include <stdint.h>

#define wf_likely(x) __builtin_expect(!!(x), 1)
#define wf_unlikely(x) __builtin_expect(!!(x), 0)

/* A step of a fast path: it has a name of its own, and costs no call. */
#define WF_INLINE static inline __attribute__((always_inline))

/* What a fast path leaves out: it must not grow its frame. */
#define WF_SLOW __attribute__((noinline, cold))

/* Have the cache lines of an object brought in: to be read, or written. */
#define WF_PREFETCH(p) __builtin_prefetch((p), 0)
#define WF_PREFETCH_TO_WRITE(p) __builtin_prefetch((p), 1)

/* Where the object 8 places behind `next` on a list most likely is: those that hang on a list one after the other were mostly made one
 * after the other, at one distance. Only to be prefetched: following the links there means to wait for each of them in turn. */
static inline const char *wf_further_on(const void *object, const void *next)
{
    return (const char *)((uintptr_t)next + 8 * ((uintptr_t)next - (uintptr_t)object));
}

#endif
