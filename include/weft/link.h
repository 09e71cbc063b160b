/* weft: links: functions that run when a coroutine ends, however it ends.
 *
 * For all of them
 *   - From coroutines and plain threads; not from signal handlers. They never suspend, and do what they do also for a
 *     killed coroutine and under any timeout. Linux: nothing beyond what weft_start needs.
 *   - A coroutine that was killed before it started has an end like any other: its links run.
 *   - What a link needs is allocated when it is made, so the end of a coroutine never fails for want of memory.
 *   - -ESRCH: the handle is stale or NULL. -EAGAIN: 65,535 calls and links are at work on that coroutine.
 */
#ifndef WEFT_LINK_H
#define WEFT_LINK_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a link runs. t has ended: ask weft_value and weft_error. It is the link's own reference, given back when the
 * function returns: do not join or unreference it (weft_ref it first to keep it; with 4,095 references already the link
 * has none, and t may be stale). */
typedef void weft_link_fn(weft_t *t, void *arg);

/* Run fn(t, arg) in a coroutine of its own when t has ended; at once if it has ended already. The links of one
 * coroutine are queued in the order in which they were made; over several workers they may overtake each other. The
 * handle stays the caller's, arg is whose the program says it is and must live until the link has run or was taken
 * back. The value form runs it only where t ends without an error (weft_set_error), the error form only where it ends
 * with one. A coroutine per link: until it has run it counts as a coroutine in weft_stats and stands in weft_dump.
 * 0; -EINVAL (fn is NULL); -ESRCH; -EAGAIN; -ENOMEM; -ESHUTDOWN (the runtime is stopping). */
WEFT_API int weft_link(weft_t *t, weft_link_fn *fn, void *arg);
WEFT_API int weft_link_value(weft_t *t, weft_link_fn *fn, void *arg);
WEFT_API int weft_link_error(weft_t *t, weft_link_fn *fn, void *arg);

/* The same in place: the end of t calls fn(t, arg) itself, before anything else runs on that worker; or this call does
 * if t has ended already. fn must not block (the process ends with a message if it tries); it may spawn, set events,
 * post, send with a try_ call, kill, and make links. 0; -EINVAL (fn is NULL); -ESRCH; -EAGAIN; -ENOMEM. */
WEFT_API int weft_link_raw(weft_t *t, weft_link_fn *fn, void *arg);

/* Take back the oldest link of t, of any kind, with this fn and arg. After 0 fn is not called for it; after -ENOENT there
 * is none, or t has ended, and fn has run or is about to. Also -ESRCH, -EAGAIN. */
WEFT_API int weft_unlink(weft_t *t, weft_link_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
