/* weft: futures: a value, or an error, that somebody sets once and any number wait for.
 *
 * The object is the caller's; all zero is a valid one, not set. Set from anywhere, waited for from anywhere, by coroutines and
 * plain threads. It is set once: a second set is refused, so that whoever has got the value can rely on it.
 *
 *   - "May suspend" means: the coroutine waits and its worker runs others; afterwards it may be on another thread. A plain
 *     thread sleeps in the kernel instead. What never suspends may be called by a killed coroutine, and under any deadline.
 *   - A call that may suspend returns -ECANCELED when its coroutine has been killed, also where it would not have to wait;
 *     -ETIMEDOUT when it has to wait and its deadline or an enclosing weft_timeout has passed; -EDEADLK when it waits in a
 *     deadlock (weft/base.h); -ENOMEM on a plain thread that waits for the first time and has no memory for that. The future is unharmed.
 *   - -EINVAL for NULL.
 *   - It may be freed, without fini, as soon as a call has found it set (get, wait, ready, value, error): the one that has set it
 *     does not touch it any more.
 *   - Not from signal handlers. With or without a running runtime. Linux: nothing beyond what weft_start needs.
 */
#ifndef WEFT_FUTURE_H
#define WEFT_FUTURE_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_future {
    uint64_t opaque[8];
} weft_future;
/* clang-format off */
#define WEFT_FUTURE_INIT {{0}}
/* clang-format on */

WEFT_API int weft_future_init(weft_future *f); /* not set; 0 */
WEFT_API int weft_future_fini(weft_future *f); /* 0; -EBUSY while somebody waits, or a callback is linked */

/* Set it, to a value, or to an error (-errno); cancel sets it to -ECANCELED. Wakes all that wait, in the order in which they
 * came, and then calls what is linked. Who owns what the value points to is for the program to say. 0; -EALREADY when it
 * is set; set_error: -EINVAL for an error that is not negative. Never suspend. */
WEFT_API int weft_future_set(weft_future *f, void *value);
WEFT_API int weft_future_set_error(weft_future *f, int error);
WEFT_API int weft_future_cancel(weft_future *f);

/* Wait until it is set, and get the value (`value` may be NULL). May suspend. 0; the error that it was set to; -ECANCELED and
 * -ETIMEDOUT, which may also be what it was set to: ask weft_future_error. `value` is written with 0 only. */
WEFT_API int weft_future_get(weft_future *f, void **value);
WEFT_API int weft_future_get_until(weft_future *f, void **value, int64_t deadline);

/* Wait until it is set, to whatever. May suspend. 0, -ECANCELED, -ETIMEDOUT. */
WEFT_API int weft_future_wait(weft_future *f);
WEFT_API int weft_future_wait_until(weft_future *f, int64_t deadline);

/* Look, without waiting: is it set (1, 0)? Its value, NULL when it has none. Its error: -EAGAIN when it is not set, 0 when
 * it was set to a value. Never suspend. */
WEFT_API int weft_future_ready(weft_future *f);
WEFT_API void *weft_future_value(weft_future *f);
WEFT_API int weft_future_error(weft_future *f);

/* Call fn(arg) in a new, detached coroutine once it is set: at once when it is. Several are spawned in the order in which
 * they were linked. fn may use the future only if that is still there. Where there is no
 * memory for its coroutine when the future is set, or the runtime is stopping, the one that sets it calls fn itself.
 * unlink takes the first off that was linked with this fn and arg. Neither suspends. link: 0; -ENOMEM, or the error of
 * weft_go where the future is set (nothing is called). unlink: 0, -ENOENT. */
WEFT_API int weft_future_link(weft_future *f, weft_fn *fn, void *arg);
WEFT_API int weft_future_unlink(weft_future *f, weft_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
