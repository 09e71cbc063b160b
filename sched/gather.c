/* Waiting for some of many, and for those that were killed. Put together from iterators, kills and joins. */
#include <errno.h>

#include "sched/suspend.h"
#include "sched/worker.h"

/* ---- some of many ---- */

static bool has_failed(weft_t *t, int *error)
{
    *error = weft_error(t);
    return *error != 0 && *error != -ESRCH;
}

/* Until `count` have ended, or one has failed where that is asked for: its error, and *failed. Else 0, or why the wait ended. */
static int wait_for_some(weft_iwait *it, weft_t *const *ts, size_t count, bool *failed, int64_t deadline)
{
    bool is_asked = *failed;
    *failed = false;
    for (size_t ended = 0; ended < count; ended++) {
        int index = weft_iwait_next_until(it, deadline);
        int error;
        if (index < 0)
            return index;
        if (is_asked && has_failed(ts[index], &error)) {
            *failed = true;
            return error;
        }
    }
    return 0;
}

/* How many have ended, and which. */
static int take_stock(weft_t *const *ts, size_t n, bool *done)
{
    int ended = 0;
    for (size_t i = 0; i < n; i++) {
        bool has_ended = weft_ready(ts[i]) != 0; /* stale: another has joined it, so it has ended too */
        ended += has_ended;
        if (done != NULL)
            done[i] = has_ended;
    }
    return ended;
}

int weft_joinall_some(weft_t *const *ts, size_t n, size_t count, unsigned flags, bool *done, int64_t deadline)
{
    weft_iwait it;
    if (flags & ~(unsigned)WEFT_JOIN_FIRST_ERROR)
        return -EINVAL;
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    int error = wf_check(self);
    if (error == 0)
        error = weft_iwait_init(&it, ts, n);
    if (error != 0)
        return error;
    bool failed = flags & WEFT_JOIN_FIRST_ERROR;
    error = wait_for_some(&it, ts, count < n ? count : n, &failed, deadline);
    weft_iwait_fini(&it);
    int ended = take_stock(ts, n, done);
    /* Its own deadline is no error, an enclosing one is. */
    bool is_own = error == -ETIMEDOUT && !failed && wf_timeout_effective(self, WEFT_NEVER) >= deadline;
    return error == 0 || is_own ? ended : error;
}

/* ---- kill and join ---- */

static bool is_among(weft_t *t, weft_t *const *ts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ts[i] == t)
            return t != NULL;
    return false;
}

int weft_kill_join(weft_t *t, void **result, int64_t deadline)
{
    if (t != NULL && t == weft_self())
        return -EDEADLK;
    int error = weft_kill(t);
    return error != 0 ? error : weft_join_until(t, result, deadline);
}

int weft_killall_join(weft_t *const *ts, size_t n, int64_t deadline)
{
    if (n > 0 && ts == NULL)
        return -EINVAL;
    if (is_among(weft_self(), ts, n))
        return -EDEADLK;
    int error = weft_killall(ts, n);
    return error != 0 ? error : weft_joinall_until(ts, n, deadline);
}
