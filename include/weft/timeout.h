/* weft: ambient timeouts: a bound on everything that a coroutine does between start and stop. Linux: nothing beyond what
 * weft_start needs. */
#ifndef WEFT_TIMEOUT_H
#define WEFT_TIMEOUT_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Caller-owned, usually on the stack; it must live until weft_timeout_stop. */
typedef struct weft_timeout {
    int64_t deadline;
    struct weft_timeout *outer;
    void *owner;
    uint8_t shield;
    bool fired;
} weft_timeout;

/* From now on every blocking call of this coroutine (or plain thread) ends with -ETIMEDOUT once `ns` nanoseconds are
 * over, also calls inside code that takes no deadline. They nest; the earliest counts. A timeout that expires while its
 * coroutine computes ends the next wait. ns WEFT_NEVER: never; ns <= 0: at once; calls that need not wait go on as
 * before. One that the body of a coroutine does not stop ends with the body. *t is the caller's, weft's until the stop.
 * From coroutines and plain threads, not from signal handlers. 0, -EINVAL (NULL or started already), -ENOMEM on a plain
 * thread. Never suspends. */
WEFT_API int weft_timeout_start(weft_timeout *t, int64_t ns);

/* End it, by who started it. Need not be the innermost; calls are bounded by the others from now on. 0; -EINVAL when it
 * was not started by this coroutine. Never suspends. */
WEFT_API int weft_timeout_stop(weft_timeout *t);

/* 1 when this timeout, and not another around or inside it, ended a call; else 0. Valid after stop too. -EINVAL for
 * NULL. */
WEFT_API int weft_timeout_fired(weft_timeout *t);

#ifdef __cplusplus
}
#endif

#endif
