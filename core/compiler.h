/* Hints to the compiler, for fast paths: those that are measured in single instructions. */
#ifndef WF_CORE_COMPILER_H
#define WF_CORE_COMPILER_H

#define wf_likely(x) __builtin_expect(!!(x), 1)
#define wf_unlikely(x) __builtin_expect(!!(x), 0)

/* A step of a fast path: it has a name of its own, and costs no call. */
#define WF_INLINE static inline __attribute__((always_inline))

/* What a fast path leaves out: it must not grow its frame. */
#define WF_SLOW __attribute__((noinline, cold))

#endif
