/* weft: coroutines: spawn, join, kill, sleep, yield, locals, cleanups.
 *
 * For all of them, unless their comment says otherwise
 *   - From coroutines and plain threads; not from signal handlers. With or without a running runtime.
 *   - They never suspend, and do what they do also for a killed coroutine and under any timeout. "May suspend": the
 *     coroutine waits and its worker runs others; afterwards it may be on another thread, unless it is pinned. A plain
 *     thread sleeps in the kernel.
 *   - What may suspend returns -ECANCELED when its coroutine was killed, also where it would not have to wait;
 *     -ETIMEDOUT when it has to wait and its deadline or an enclosing weft_timeout has passed; -EDEADLK when it waits in a
 *     deadlock (weft/base.h; joins only if all else that waits is under shields); -ENOMEM on a plain thread that calls weft
 *     for the first time and has no memory for its own control block.
 *   - -ESRCH: the handle is stale or NULL; nothing was done. -EAGAIN from a call that takes a handle: 65,535 calls are
 *     at work on that coroutine at this moment, joins included.
 *   - Linux: nothing beyond what weft_start needs.
 */
#ifndef WEFT_COROUTINE_H
#define WEFT_COROUTINE_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Options of weft_spawn_opt. Zero-initialise it; zero means the default everywhere. The caller's, until the call
 * returns. */
typedef struct weft_spawn_options {
    const char *name;           /* copied, at most 31 bytes of it */
    size_t stack_size;          /* bytes of address space, rounded up to a power of two, at most 8 MiB */
    int64_t start_after;        /* start so many nanoseconds from now */
    bool pinned;                /* stays on the worker where it first runs */
    bool secret;                /* its stack is wiped with zeros when it ends */
    bool fpenv;                 /* has a floating-point environment (rounding, traps) of its own */
    void (*cleanup)(void *arg); /* destructor of arg: runs exactly once, after the body returned, or in its place when
                                     the coroutine was killed before it started or the spawn failed */
} weft_spawn_options;

/* Spawn a coroutine that runs fn(arg). It is queued behind what is runnable already and starts when a worker gets to
 * it; or sooner, when somebody joins it. The caller owns the handle until it joins, detaches or unreferences it; arg is whose the program says it is.
 * Starts the runtime from the environment if need be. Also by a killed coroutine: the new one is not killed with it.
 * NULL with weft_last_error(): -ENOMEM, -ESHUTDOWN (the runtime is stopping), -EINVAL (fn is NULL), or the error of
 * weft_start. Where there is no memory for its stack it is spawned all the same, and starts when others have ended. */
WEFT_API weft_t *weft_spawn(weft_fn *fn, void *arg);

/* As weft_spawn, with options (NULL = none). Also -EINVAL for a stack size over 8 MiB or a negative start_after. On an
 * error options->cleanup has been called with arg, by the caller's own thread. */
WEFT_API weft_t *weft_spawn_opt(const weft_spawn_options *options, weft_fn *fn, void *arg);

/* Spawn a detached coroutine: nobody can join it, its result is dropped. 0 or the error of weft_spawn. */
WEFT_API int weft_go(weft_fn *fn, void *arg);

/* Wait until t has ended, store its result (NULL when it was killed before it started) and give the handle back. The
 * result of a killed coroutine is what its body returned. May suspend. Returns 0; -ESRCH for a stale handle (joined,
 * detached or unreferenced before, or by somebody else while this call waited); -EDEADLK also for oneself or a cycle of
 * joins without deadlines; -ECANCELED, -ETIMEDOUT (an enclosing weft_timeout), -EAGAIN, -ENOMEM. On any error but
 * -ESRCH the handle is still the caller's. */
WEFT_API int weft_join(weft_t *t, void **result);

/* As weft_join; -ETIMEDOUT also when the deadline passes. May suspend. A circle of joins that has a deadline in it is
 * none. */
WEFT_API int weft_join_until(weft_t *t, void **result, int64_t deadline);

/* Join all n. The array is the caller's. May suspend. All or nothing: 0 when all have ended, and all handles are given
 * back (as often as they stand in the array); on any error all are still the caller's. -ESRCH when one is stale,
 * -EINVAL for a NULL array, and the errors of weft_join. n may be 0. Results: weft_ref and weft_value, or weft_join
 * each. */
WEFT_API int weft_joinall(weft_t *const *ts, size_t n);
WEFT_API int weft_joinall_until(weft_t *const *ts, size_t n, int64_t deadline);

/* Wait until one of n has ended; returns its index (the lowest, when several have). No handle is given back: join it.
 * The array is the caller's. May suspend. -EINVAL (n is 0 or over 2^31 - 1, or the array NULL), -ESRCH, -EDEADLK (also when
 * one is the caller), -ETIMEDOUT, -ECANCELED, -EAGAIN; -ENOMEM: it needs n small nodes. */
WEFT_API int weft_wait_any(weft_t *const *ts, size_t n);
WEFT_API int weft_wait_any_until(weft_t *const *ts, size_t n, int64_t deadline);

/* Give the handle back without waiting; the coroutine goes on, and nobody can join it. 0, -ESRCH. */
WEFT_API int weft_detach(weft_t *t);

/* Take another reference: the handle then has to be joined, detached or unreferenced once more. Returns t; NULL with
 * weft_last_error(): -ESRCH, -EAGAIN (it has 4,095). */
WEFT_API weft_t *weft_ref(weft_t *t);

/* As weft_detach, under the name that goes with weft_ref. 0, -ESRCH. */
WEFT_API int weft_unref(weft_t *t);

/* Kill t: from now on each of its blocking calls returns -ECANCELED, the one it is in included, but for those under a
 * shield; if it has not started its body never runs, though its end does (the cleanup of its argument). It ends when
 * its body returns, so join it to know when. The handle stays the caller's. May kill itself. 0 (also when it has ended
 * already, or was killed before), -ESRCH, -EAGAIN. */
WEFT_API int weft_kill(weft_t *t);

/* Kill all n. The array and the handles stay the caller's. 0; -ESRCH when one could not be killed (the others are all
 * the same); -EINVAL for a NULL array, unless n is 0. */
WEFT_API int weft_killall(weft_t *const *ts, size_t n);

/* The calling coroutine's handle, NULL on a plain thread. Borrowed: do not join or unreference it (weft_ref it first to
 * keep it beyond its end). */
WEFT_API weft_t *weft_self(void);

/* Let the others that are runnable on this worker run first; returns at once where there are none. On a plain thread
 * sched_yield. May suspend. 0, -ECANCELED; it takes no notice of timeouts. */
WEFT_API int weft_yield(void);

/* Sleep for ns nanoseconds, or until the deadline; never shorter. WEFT_NEVER: until a kill, a timeout or a deadlock. One yield
 * where there is nothing to wait for (ns <= 0, a deadline that has passed). May suspend. 0; -ECANCELED; -ETIMEDOUT when
 * an enclosing weft_timeout ended it, or has expired before; -ENOMEM. */
WEFT_API int weft_sleep(int64_t ns);
WEFT_API int weft_sleep_until(int64_t deadline);

/* 0 when the caller may go on, -ECANCELED when it was killed, -ETIMEDOUT when an enclosing weft_timeout has expired.
 * One load and a branch when nothing of the kind is set: call it inside long computations. It lets nobody else run:
 * weft_yield does. */
WEFT_API int weft_checkpoint(void);

/* Hold kills and the timeouts that were started outside off between begin and end, so that a clean-up can block;
 * timeouts that are started between the two count. Nests. A kill that came meanwhile ends the first blocking call after
 * the outermost end. 0; begin: -EOVERFLOW (255 deep), -ENOMEM; end: -EINVAL without a begin. */
WEFT_API int weft_shield_begin(void);
WEFT_API int weft_shield_end(void);

/* 1 when t has ended, 0 when not, -ESRCH. The handle stays the caller's. */
WEFT_API int weft_ready(weft_t *t);

/* Where t is at this moment; old by the time it is read, but for WEFT_STATE_ENDED. -ESRCH. The handle stays the
 * caller's. */
enum weft_state {
    WEFT_STATE_NEW,     /* spawned, has not run yet */
    WEFT_STATE_READY,   /* could run, and waits for a worker */
    WEFT_STATE_RUNNING, /* a worker runs it */
    WEFT_STATE_WAITING, /* in a blocking call; or, with the option start_after, for its time to start */
    WEFT_STATE_ENDED
};
WEFT_API int weft_state(weft_t *t);

/* The result of t if it has ended; NULL before, when it was killed before it started, and for a stale handle. The
 * handle stays the caller's, the result is whose the program says it is. */
WEFT_API void *weft_value(weft_t *t);

/* The error of t: what it gave to weft_set_error last, 0 when nothing, also when it was killed; -EAGAIN while it runs;
 * -ESRCH. The handle stays the caller's. */
WEFT_API int weft_error(weft_t *t);

/* Mark the calling coroutine as failed with -errno, or with 0 as not failed. 0, -EINVAL for a positive error, -EPERM on
 * a plain thread. */
WEFT_API int weft_set_error(int error);

/* The id of t, never used again for another coroutine; 0 when stale; NULL = the caller (0 on a plain thread). */
WEFT_API uint64_t weft_id(weft_t *t);

/* Copy the name of t (NULL = the caller), "" when it has none, into a buffer of `size` bytes, cut to fit and
 * terminated. Returns its full length, -ESRCH (NULL on a plain thread too), -EINVAL (buffer NULL or size 0). */
WEFT_API int weft_name(weft_t *t, char *buffer, size_t size);

/* Name the calling coroutine; the string is copied, 31 bytes of it at most. 0, -EINVAL (NULL), -ENOMEM, -EPERM on a
 * plain thread. */
WEFT_API int weft_set_name(const char *name);

/* Stay on the present worker until as many unpins; the option `pinned` of the spawn counts as one. It cannot be stolen
 * then: where its worker is stuck, it waits. 0; -EPERM on a plain thread; pin: -EOVERFLOW (255 deep); unpin: -EINVAL
 * when it is not pinned. */
WEFT_API int weft_pin(void);
WEFT_API int weft_unpin(void);

/* Run fn(arg) when the calling coroutine ends, or at the matching pop with run != 0. Last in, first out. They run on
 * the coroutine itself, under a shield, and may block, spawn, and push others; timeouts of the body do not bound those
 * at its end. arg stays the caller's and must outlive the call. At the end come the cleanups, then the destructors of
 * locals, then that of the argument; what these push or set is run after them. push: 0, -ENOMEM, -EINVAL (NULL), -EPERM
 * on a plain thread. pop: may suspend if fn does; 0, -EINVAL when there is none. */
WEFT_API int weft_cleanup_push(void (*fn)(void *), void *arg);
WEFT_API int weft_cleanup_pop(int run);

/* Locals: a value per coroutine (and per plain thread) and key, NULL at first. The destructor runs when the coroutine
 * ends with a value that is not NULL, up to four rounds, as pthread_key_create. A value stays the program's until its
 * destructor gets it; that runs on the coroutine itself, under a shield, and may block and spawn. create: stores the
 * key; 0, -EAGAIN (1024 in use), -EINVAL (NULL). delete: 0, -EINVAL (not a key); destructors no longer run. get: the
 * value; NULL also for what is no key. set: 0, -EINVAL (not a key), -ENOMEM. */
typedef uint32_t weft_key;
WEFT_API int weft_key_create(weft_key *key, void (*destructor)(void *));
WEFT_API int weft_key_delete(weft_key key);
WEFT_API void *weft_key_get(weft_key key);
WEFT_API int weft_key_set(weft_key key, void *value);

#ifdef __cplusplus
}
#endif

#endif
