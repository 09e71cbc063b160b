/* weft: waiting for some of many coroutines, in the order in which they end; killing and waiting.
 *
 * For all of them
 *   - From coroutines and plain threads; not from signal handlers. Linux: nothing beyond what weft_start needs.
 *   - What may suspend returns -ECANCELED when its coroutine was killed, -ETIMEDOUT when it has to wait and its deadline
 *     or an enclosing weft_timeout has passed; -ENOMEM on a plain thread without memory for its own control block.
 *   - -ESRCH: a handle is stale or NULL. -EAGAIN: 65,535 calls are at work on one of them. -EDEADLK: one is the caller; or
 *     nothing in the process could ever go on, and this wait was ended for that.
 *   - The arrays are the caller's. A handle that stands in one twice counts twice.
 */
#ifndef WEFT_WAIT_H
#define WEFT_WAIT_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WEFT_JOIN_FIRST_ERROR = 1 }; /* stop waiting at the first that ends with an error */

/* Wait until `count` of n have ended (SIZE_MAX, or any count over n: all), or the deadline has passed: which is no error
 * here. Returns how many have ended, and in done[i], unless done is NULL, which. With WEFT_JOIN_FIRST_ERROR in flags it
 * returns the weft_error of the first one that ends with one, as soon as it does, if that is before the count is full.
 * No handle is given back: join those that are done, or unreference them. May suspend. On -ECANCELED, on the -ETIMEDOUT
 * of an enclosing weft_timeout, and on the error of a coroutine done[] is filled in; on the others it is not: -EINVAL
 * (ts NULL with n > 0, n over 2^31 - 1, unknown flags), -ESRCH, -EDEADLK, -EAGAIN; -ENOMEM: it needs n small nodes. */
WEFT_API int weft_joinall_some(weft_t *const *ts, size_t n, size_t count, unsigned flags, bool *done, int64_t deadline);

/* An iterator over coroutines in the order in which they end. The object is the caller's, and must stay where it is from
 * init to fini. */
typedef struct weft_iwait {
    uint64_t opaque[10];
} weft_iwait;

/* Begin to watch n coroutines. Those that have ended already come first, in the order of the array. No handle is given
 * back, neither here nor later. Never suspends. 0; -EINVAL (NULL, or n over 2^31 - 1); -ESRCH; -EDEADLK; -EAGAIN;
 * -ENOMEM: unlike other objects it allocates, n small nodes. On an error there is nothing to finish. */
WEFT_API int weft_iwait_init(weft_iwait *it, weft_t *const *ts, size_t n);

/* At most `count` more indices from now on. Never suspends. 0, -EINVAL. */
WEFT_API int weft_iwait_limit(weft_iwait *it, size_t count);

/* The index of the next one that has ended, each once; waits until there is one. Several may call it at the same time,
 * and get different ones. May suspend. -ENOENT when all have been given out; -ETIMEDOUT and -ECANCELED take none;
 * -EINVAL for NULL. */
WEFT_API int weft_iwait_next(weft_iwait *it);
WEFT_API int weft_iwait_next_until(weft_iwait *it, int64_t deadline);

/* Stop watching, at any time: the coroutines go on. Never suspends. 0 (also for a second time), -EBUSY while somebody is
 * in next, -EINVAL for NULL. */
WEFT_API int weft_iwait_fini(weft_iwait *it);

/* weft_kill, then weft_join_until: 0 when it has ended, its result is stored and the handle given back. -ETIMEDOUT: it
 * goes on regardless, or cleans up; it stays killed, and the handle is the caller's. May suspend. A deadline in the past
 * kills and does not wait. Also -ESRCH, -ECANCELED, -EAGAIN; -EDEADLK (nobody was killed). */
WEFT_API int weft_kill_join(weft_t *t, void **result, int64_t deadline);

/* weft_killall, then weft_joinall_until: all or nothing, as there. Also -EINVAL; -EDEADLK (the caller is one of them;
 * nobody was killed). */
WEFT_API int weft_killall_join(weft_t *const *ts, size_t n, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
