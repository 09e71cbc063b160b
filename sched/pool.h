/* What mapping over a pool (sched/pool_map.c) needs of it beyond the public calls. */
#ifndef WF_SCHED_POOL_H
#define WF_SCHED_POOL_H

#include "sched/coro.h"

/* What is to be told of the end of a member. */
typedef struct wf_pool_job {
    /* On the member's coroutine, before it leaves the pool; the job is the callee's from here on. `error`: that of the
     * member, -ECANCELED when its body never ran. */
    void (*end)(struct wf_pool_job *job, void *result, int error);
} wf_pool_job;

/* As weft_pool_go_until; with a deadline in the past -EAGAIN where it would have to wait. On an error `end` is never called. */
int wf_pool_start(weft_pool *pool, weft_fn *fn, void *arg, wf_pool_job *job, int64_t deadline);
int wf_pool_try_start(weft_pool *pool, weft_fn *fn, void *arg, wf_pool_job *job);

/* Is the caller a member? */
bool wf_pool_is_member(const weft_pool *pool);

size_t wf_pool_size(const weft_pool *pool);

#endif
