/* weft: pools: groups of coroutines, of which at most so many are there at a time.
 *
 * A member is an ordinary coroutine that runs fn(arg); it is one from the spawn until its body has returned and its
 * cleanups have run, also when it is killed before it has begun.
 *
 *   - "May suspend" means: the coroutine waits and its worker runs others; afterwards it may be on another thread. A plain
 *     thread sleeps in the kernel instead. What never suspends may be called by a killed coroutine, and under any deadline.
 *   - A call that may suspend returns -ECANCELED when its coroutine has been killed, also where it would not have to wait;
 *     -ETIMEDOUT when it has to wait and its deadline or an enclosing weft_timeout has passed; -EDEADLK when it waits in a
 *     deadlock (weft/base.h); -ENOMEM on a plain thread that waits for the first time and has no memory for that. The members go on all the same.
 *   - -EINVAL for NULL.
 *   - Those that wait for room are served in the order in which they came; nobody overtakes.
 *   - Not from signal handlers. With or without a running runtime: the first spawn starts it. Linux: nothing beyond what
 *     weft_start needs.
 */
#ifndef WEFT_POOL_H
#define WEFT_POOL_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_pool weft_pool;

/* A pool for `size` members at a time; 0: any number, a mere group. NULL with weft_last_error(): -ENOMEM. The caller frees
 * it. Never suspends. */
WEFT_API weft_pool *weft_pool_new(size_t size);

/* Free it; NULL is fine. 0; -EBUSY while it has members, or somebody waits for it (nothing is freed then). Never suspends. */
WEFT_API int weft_pool_free(weft_pool *pool);

/* Spawn a member; waits while the pool is full. May suspend. The handle is the caller's, as one of weft_spawn: to be joined,
 * detached or unreferenced; arg is whose the program says it is. NULL with weft_last_error(): -ECANCELED, -ETIMEDOUT, -EINVAL
 * (pool or fn is NULL), and the errors of weft_spawn. try_spawn never suspends: -EAGAIN when it is full. */
WEFT_API weft_t *weft_pool_spawn(weft_pool *pool, weft_fn *fn, void *arg);
WEFT_API weft_t *weft_pool_spawn_until(weft_pool *pool, weft_fn *fn, void *arg, int64_t deadline);
WEFT_API weft_t *weft_pool_try_spawn(weft_pool *pool, weft_fn *fn, void *arg);

/* The same, detached: 0 or the error. Only the pool finds it, to join and to kill it. */
WEFT_API int weft_pool_go(weft_pool *pool, weft_fn *fn, void *arg);
WEFT_API int weft_pool_go_until(weft_pool *pool, weft_fn *fn, void *arg, int64_t deadline);
WEFT_API int weft_pool_try_go(weft_pool *pool, weft_fn *fn, void *arg);

/* How many members it has at this moment, those that are about to be spawned included; 0 for NULL. How many more there is
 * room for, at most INT_MAX, which is what an unbounded one has. Never suspend. */
WEFT_API size_t weft_pool_len(weft_pool *pool);
WEFT_API int weft_pool_free_count(weft_pool *pool);

/* Wait until there is room. May suspend. How much room there was, as weft_pool_free_count (somebody else may be faster);
 * -ECANCELED, -ETIMEDOUT, -EINVAL. */
WEFT_API int weft_pool_wait_available(weft_pool *pool);
WEFT_API int weft_pool_wait_available_until(weft_pool *pool, int64_t deadline);

/* Wait until it has no members. May suspend. 0; -EDEADLK for a member; -ECANCELED, -ETIMEDOUT, -EINVAL. */
WEFT_API int weft_pool_join(weft_pool *pool);
WEFT_API int weft_pool_join_until(weft_pool *pool, int64_t deadline);

/* Kill all members, also those that have not begun (their bodies never run) and those that are spawned while this call waits, and
 * wait until all have ended. May suspend. The errors of join; the members are killed all the same. A deadline in the
 * past: do not wait. A member kills itself too, and then does not wait (-ECANCELED). */
WEFT_API int weft_pool_kill(weft_pool *pool);
WEFT_API int weft_pool_kill_until(weft_pool *pool, int64_t deadline);

/* The first error that a member has ended with (weft_set_error) since the last call, 0 when none has. A member that was
 * killed has none by that. Never suspends. */
WEFT_API int weft_pool_error(weft_pool *pool);

/* Run fn(arg) in the pool, wait for it, and store what it returned (`result` may be NULL). May suspend. A member runs it itself, in
 * place: it would wait for its own room. 0; what fn gave to weft_set_error, or -ECANCELED when it was killed before it
 * had begun; -ECANCELED, -ETIMEDOUT (fn may be running then, and goes on as a member; nothing is stored), -EINVAL, and
 * the errors of weft_spawn. */
WEFT_API int weft_pool_apply(weft_pool *pool, weft_fn *fn, void *arg, void **result);
WEFT_API int weft_pool_apply_until(weft_pool *pool, weft_fn *fn, void *arg, void **result, int64_t deadline);

/* Run fn on each of n arguments, as many at a time as there is room for, wait for all, and store what each returned in
 * `results`, in the order of the arguments (may be NULL). A member runs them itself, one after the other. May suspend. 0, or the first error in the order of the
 * arguments, as that of apply; the others have run, and their results are stored. On -ECANCELED and -ETIMEDOUT of the call itself,
 * and the errors of weft_spawn: those that were spawned go on as members, nothing is stored. */
WEFT_API int weft_pool_map(weft_pool *pool, weft_fn *fn, void *const *args, size_t n, void **results);
WEFT_API int weft_pool_map_until(weft_pool *pool, weft_fn *fn, void *const *args, size_t n, void **results,
                                 int64_t deadline);

/* Iterators over fn of each of a source's arguments: imap in their order, imap_unordered in the order in which they end.
 *
 * A source stores the next argument and returns 1; 0: there are no more; -errno: nor are there, and that is the error after
 * what came before. It is called by weft_pool_iter_next, and may suspend.
 *
 * At most maxsize arguments have been taken from the source and not been handed out as results; 0: as many as the pool has
 * room for, which on an unbounded pool is all, at the first next: an endless source needs a maxsize. So a slow caller
 * holds the members up, and they need not be held in memory. */
typedef int weft_pool_source(void *state, void **arg);
typedef struct weft_pool_iter weft_pool_iter;

/* NULL with weft_last_error(): -ENOMEM, -EINVAL (NULL). The caller frees it, before the pool; state and pool must live as
 * long. Nothing is spawned yet. Never suspend. */
WEFT_API weft_pool_iter *weft_pool_imap(weft_pool *pool, weft_fn *fn, weft_pool_source *source, void *state,
                                        size_t maxsize);
WEFT_API weft_pool_iter *weft_pool_imap_unordered(weft_pool *pool, weft_fn *fn, weft_pool_source *source, void *state,
                                                  size_t maxsize);

/* Spawn what there is room for, and wait for the next result. By one coroutine or thread at a time. May suspend. 1: it is in
 * *value (may be NULL); 0: that was all; an error of the member, as that of apply, in place of its result: the next call goes on
 * behind it; that of the source. -ECANCELED, -ETIMEDOUT, and errors of weft_spawn: nothing was lost, call again. In a
 * member of the pool fn runs in place, unless results are outstanding: then it waits for them. */
WEFT_API int weft_pool_iter_next(weft_pool_iter *it, void **value);
WEFT_API int weft_pool_iter_next_until(weft_pool_iter *it, void **value, int64_t deadline);

/* Free it; NULL is fine. What was spawned goes on as members; what they return is dropped. Never suspends. */
WEFT_API void weft_pool_iter_free(weft_pool_iter *it);

#ifdef __cplusplus
}
#endif

#endif
