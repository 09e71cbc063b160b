/* weft: scopes: coroutines that do not outlive the block in which they were spawned.
 *
 *     weft_scope scope;
 *     weft_scope_open(&scope);
 *     weft_scope_spawn(&scope, fetch, &first);
 *     weft_scope_spawn(&scope, fetch, &second);
 *     int error = weft_scope_close(&scope);     both have ended; if one failed the other one was cancelled
 *
 * For all of them
 *   - From coroutines and plain threads; not from signal handlers. Linux: nothing beyond what weft_start needs.
 *   - -EINVAL: NULL, or the scope is not open (all zero, or closed).
 */
#ifndef WEFT_SCOPE_H
#define WEFT_SCOPE_H

#include "weft/base.h"
#include "weft/coroutine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's, usually on its stack, where it stays until it is closed. */
typedef struct weft_scope {
    uint64_t opaque[10];
} weft_scope;

/* Open it. The caller is its owner, and the only one who may close it; every path out of the block must do so. Scopes
 * nest: open one within another, or in a child of another. Never suspends. 0; -EINVAL; -ENOMEM on a plain thread that
 * calls weft for the first time. */
WEFT_API int weft_scope_open(weft_scope *scope);

/* As weft_spawn and weft_spawn_opt, into a scope; by anybody, its children included, until close returns. The handle is
 * the scope's, and valid until close returns: look at it with weft_ready, weft_value and weft_error, kill it, link it,
 * weft_ref it to keep it. It may be joined once without that; it is stale then. A child costs some 300 bytes until the
 * close, also when it has ended. NULL with weft_last_error(): -ECANCELED (the scope was cancelled), -EINVAL, and the
 * errors of weft_spawn; spawn_opt then has called options->cleanup. */
WEFT_API weft_t *weft_scope_spawn(weft_scope *scope, weft_fn *fn, void *arg);
WEFT_API weft_t *weft_scope_spawn_opt(weft_scope *scope, const weft_spawn_options *options, weft_fn *fn, void *arg);

/* The same without a handle: the child leaves nothing behind when it ends, so that a scope may have any number of them
 * one after the other. 0 or the errors above. */
WEFT_API int weft_scope_go(weft_scope *scope, weft_fn *fn, void *arg);

/* Kill all children, and let no more in. By anybody, any number of times. A child's -ECANCELED is no failure from then
 * on. Never suspends. 0, -EINVAL. */
WEFT_API int weft_scope_cancel(weft_scope *scope);

/* Wait until all children have ended, those that they spawn meanwhile included. When one ends with an error
 * (weft_set_error), here or before, the others are killed. If the owner is killed, or a deadline passes, its own or an
 * enclosing weft_timeout, the children are killed, and waited for all the same: no child outlives the scope. Returns
 * the error of the first child that failed; else -ECANCELED or -ETIMEDOUT when the children were killed for that, or
 * -EDEADLK when nothing else could end the wait (weft_config.deadlock) and they were killed for that; else 0. In all
 * these cases the scope is closed and its handles are given back. May suspend. -EINVAL; -EPERM: the caller is
 * not the owner, and the scope stays open. */
WEFT_API int weft_scope_close(weft_scope *scope);
WEFT_API int weft_scope_close_until(weft_scope *scope, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
