/* weft: types, times and errors that every other header uses.
 *
 * Conventions of the whole library
 *   - A function returns >= 0 or -errno, and never sets errno. One that returns a pointer returns NULL only for want of
 *     memory or because the runtime is stopping; weft_last_error() tells which.
 *   - Times are int64_t nanoseconds. A deadline is an absolute CLOCK_MONOTONIC time from weft_now() or weft_after(). A
 *     deadline in the past means "try, do not wait".
 *   - A blocking call X has a twin X_until(…, deadline). It ends with -ETIMEDOUT when the deadline passes.
 *   - Every blocking call ends with -ECANCELED once its coroutine was killed, unless a shield is up.
 *   - Every blocking call without a deadline may end with -EDEADLK, unless a shield is up: nothing was left in the process
 *     that could ever have ended it (a deadlock), and all that wait are listed on stderr. What it waited for has not
 *     happened and nothing was taken, as after a timeout. Calls that wait for the end of a coroutine are not among them as
 *     long as others can be ended: they get that end. weft_config.deadlock: report only, or nothing of it. Where weft is
 *     not started, threads that wait for each other wait for ever.
 *   - Every function may be called from coroutines and from plain threads, unless its comment says why not. A plain
 *     thread that has to wait sleeps in the kernel; a coroutine that has to wait lets its worker run others.
 *   - After any call that may suspend, a coroutine may be on another thread. Do not keep the address of errno or of any
 *     thread-local variable across such a call (compilers do it behind your back: read errno at once).
 */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT_API __attribute__((visibility("default")))

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_NANOSECOND INT64_C(1)
#define WEFT_MICROSECOND INT64_C(1000)
#define WEFT_MILLISECOND INT64_C(1000000)
#define WEFT_SECOND INT64_C(1000000000)

/* The deadline that never comes. */
#define WEFT_NEVER INT64_MAX

/* A coroutine, as a handle. Never dereference it: it is a number with a generation, so that a stale handle is an error
 * (-ESRCH) and never somebody else's coroutine. */
typedef struct weft_coroutine weft_t;

/* The body of a coroutine. Its return value is the coroutine's result. */
typedef void *weft_fn(void *arg);

/* Now, on CLOCK_MONOTONIC, in nanoseconds. From anywhere, also from signal handlers. Never suspends. */
WEFT_API int64_t weft_now(void);

/* The deadline `ns` nanoseconds from now; WEFT_NEVER when the sum overflows or ns is WEFT_NEVER; the past for ns < 0.
 * Never suspends. */
WEFT_API int64_t weft_after(int64_t ns);

/* Why the last weft function that returned NULL in this coroutine (or plain thread) did so: -ENOMEM, -ESHUTDOWN,
 * -EINVAL, -EAGAIN …; 0 when none has; -ENOMEM on a plain thread without memory for a control block. Also what
 * weft_getaddrinfo and weft_getnameinfo mean by EAI_SYSTEM. Never suspends. */
WEFT_API int weft_last_error(void);

/* The version of the library, "0.1.0"; a constant string. WEFT_VERSION_… are those of the header. Never suspends. */
WEFT_API const char *weft_version(void);

#ifdef __cplusplus
}
#endif

#endif
