/* Sleeping on a 32-bit word. Private to the process; deadlines are absolute CLOCK_MONOTONIC nanoseconds. */
#ifndef WF_CORE_FUTEX_H
#define WF_CORE_FUTEX_H

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <time.h>

#include "core/atomics.h"
#include "core/syscall.h"

/* Sleep while *word is expected, until woken, until the deadline (INT64_MAX: none), or for no reason at all.
 * Returns 0, -EAGAIN (the word differed), -ETIMEDOUT or -EINTR; callers look at the word again whatever it says. */
static inline int wf_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline_ns)
{
    struct timespec at = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    struct timespec *until = deadline_ns == INT64_MAX ? NULL : &at;
    if (deadline_ns < 0)
        at = (struct timespec){0};
    /* FUTEX_WAIT_BITSET takes an absolute time, FUTEX_WAIT a relative one. */
    return (int)wf_syscall6(SYS_futex, (long)word, FUTEX_WAIT_BITSET_PRIVATE, (long)expected, (long)until, 0,
                            (long)FUTEX_BITSET_MATCH_ANY);
}

static inline void wf_futex_wake(_Atomic(uint32_t) *word, int waiters)
{
    wf_syscall3(SYS_futex, word, FUTEX_WAKE_PRIVATE, waiters);
}

#endif
