/* weft: coroutines: spawn, join, kill, sleep, yield, locals, cleanups. */
#ifndef WEFT_COROUTINE_H
#define WEFT_COROUTINE_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Options of weft_spawn_opt. Zero-initialise it; zero means the default everywhere. */
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

/* Spawn a coroutine that runs fn(arg). It is queued behind what is runnable already and starts when a worker gets to it. The
 * caller owns the handle until it joins, detaches or unreferences it. Starts the runtime from the environment if need be.
 * Never suspends. NULL with weft_last_error(): -ENOMEM, -ESHUTDOWN (the runtime is stopping), -EINVAL (fn is NULL), or the error of
 * weft_start. */
WEFT_API weft_t *weft_spawn(weft_fn *fn, void *arg);

/* As weft_spawn, with options (NULL = none). Also -EINVAL for a stack size over 8 MiB or a negative start_after. */
WEFT_API weft_t *weft_spawn_opt(const weft_spawn_options *options, weft_fn *fn, void *arg);

/* Spawn a detached coroutine: nobody can join it, its result is dropped. 0 or the error of weft_spawn. */
WEFT_API int weft_go(weft_fn *fn, void *arg);

/* Wait until t has ended, store its result (NULL when it was killed before it started) and give the handle back. The result of
 * a killed coroutine is what its body returned. May suspend.
 * Returns 0; -ESRCH for a stale handle (joined, detached or unreferenced before); -EDEADLK for oneself or a cycle of joins;
 * -ECANCELED when the caller was killed, and then the handle is still the caller's. */
WEFT_API int weft_join(weft_t *t, void **result);

/* As weft_join; -ETIMEDOUT when the deadline passes, and then the handle is still the caller's. */
WEFT_API int weft_join_until(weft_t *t, void **result, int64_t deadline);

/* Join all n. All or nothing: 0 when all have ended, and all handles are given back; on -ETIMEDOUT, -ECANCELED and -EDEADLK all
 * are still the caller's. -ESRCH when one is stale: none is given back. Results: weft_value before, or weft_join each. */
WEFT_API int weft_joinall(weft_t *const *ts, size_t n);
WEFT_API int weft_joinall_until(weft_t *const *ts, size_t n, int64_t deadline);

/* Wait until one of n has ended; returns its index (the lowest, when several have). No handle is given back: join it. May
 * suspend. -EINVAL (n is 0), -ESRCH, -EDEADLK, -ETIMEDOUT, -ECANCELED; -ENOMEM: it needs n small nodes. */
WEFT_API int weft_wait_any(weft_t *const *ts, size_t n);
WEFT_API int weft_wait_any_until(weft_t *const *ts, size_t n, int64_t deadline);

/* Give the handle back without waiting; the coroutine goes on. 0, -ESRCH. Never suspends. */
WEFT_API int weft_detach(weft_t *t);

/* Take another reference: the handle then has to be joined, detached or unreferenced once more. Returns t, NULL when stale. */
WEFT_API weft_t *weft_ref(weft_t *t);

/* As weft_detach. */
WEFT_API int weft_unref(weft_t *t);

/* Kill t: from now on each of its blocking calls returns -ECANCELED, the one it is in included; if it has not started it never
 * will. It ends when its body returns, so join it to know when. The handle stays the caller's. May kill itself. Never
 * suspends. 0 (also when it has ended already), -ESRCH. */
WEFT_API int weft_kill(weft_t *t);

/* Kill all n. 0, or -ESRCH when one was stale (the others are killed all the same). */
WEFT_API int weft_killall(weft_t *const *ts, size_t n);

/* The calling coroutine's handle, NULL on a plain thread. Borrowed: do not join or unreference it (weft_ref it first to keep it
 * beyond its end). */
WEFT_API weft_t *weft_self(void);

/* Let the others that are runnable on this worker run first. On a plain thread sched_yield. 0, -ECANCELED. */
WEFT_API int weft_yield(void);

/* Sleep for ns nanoseconds; at least one yield for ns <= 0. 0; -ECANCELED; -ETIMEDOUT when an enclosing weft_timeout ended it. */
WEFT_API int weft_sleep(int64_t ns);
WEFT_API int weft_sleep_until(int64_t deadline);

/* 0 when the caller may go on, -ECANCELED when it was killed, -ETIMEDOUT when an enclosing weft_timeout has expired. One load
 * and a branch when nothing of the kind is set: call it inside long computations. Never suspends. */
WEFT_API int weft_checkpoint(void);

/* Hold kills and enclosing timeouts off between begin and end, so that a clean-up can block. Nests. 0; end: -EINVAL without a begin. Never
 * suspend. */
WEFT_API int weft_shield_begin(void);
WEFT_API int weft_shield_end(void);

/* 1 when t has ended, 0 when not, -ESRCH. Never suspends. */
WEFT_API int weft_ready(weft_t *t);

/* The result of t if it has ended, NULL before. Never suspends, keeps the handle. */
WEFT_API void *weft_value(weft_t *t);

/* The error of t: what it gave to weft_set_error, 0 when nothing; -EAGAIN while it runs; -ESRCH. Never suspends. */
WEFT_API int weft_error(weft_t *t);

/* Mark the calling coroutine as failed with -errno. 0, -EINVAL for a positive error, -EPERM on a plain thread. */
WEFT_API int weft_set_error(int error);

/* The id of t, never used again for another coroutine; 0 when stale; NULL = the caller (0 on a plain thread). */
WEFT_API uint64_t weft_id(weft_t *t);

/* Copy the name of t (NULL = the caller), "" when it has none, into a buffer of `size` bytes, cut to fit and terminated. Returns its
 * full length, -ESRCH, -EINVAL. */
WEFT_API int weft_name(weft_t *t, char *buffer, size_t size);

/* Name the calling coroutine (31 bytes at most are kept). 0, -ENOMEM, -EPERM on a plain thread. */
WEFT_API int weft_set_name(const char *name);

/* Stay on the present worker until as many unpins. 0; -EPERM on a plain thread; unpin: -EINVAL when it is not pinned. */
WEFT_API int weft_pin(void);
WEFT_API int weft_unpin(void);

/* Run fn(arg) when the calling coroutine ends, or at the matching pop with run != 0. Last in, first out. They run on the
 * coroutine itself, under a shield, and may block. push: 0, -ENOMEM, -EINVAL (NULL), -EPERM on a plain thread. pop: 0, -EINVAL when
 * there is none. */
WEFT_API int weft_cleanup_push(void (*fn)(void *), void *arg);
WEFT_API int weft_cleanup_pop(int run);

/* Locals: a value per coroutine (and per plain thread) and key, NULL at first. The destructor runs when the coroutine ends
 * with a value that is not NULL, up to four rounds, as pthread_key_create. create: stores the key; 0, -EAGAIN (1024 in use),
 * -EINVAL. delete: 0, -EINVAL; destructors no longer run. set: 0, -EINVAL, -ENOMEM. Never suspend. */
typedef uint32_t weft_key;
WEFT_API int weft_key_create(weft_key *key, void (*destructor)(void *));
WEFT_API int weft_key_delete(weft_key key);
WEFT_API void *weft_key_get(weft_key key);
WEFT_API int weft_key_set(weft_key key, void *value);

#ifdef __cplusplus
}
#endif

#endif
