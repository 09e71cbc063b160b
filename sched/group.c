/* Wait group: a count, and a line of those that wait for it to be zero.
 *
 *   wait   take the lock; zero? let it go and return; else stand in the line and suspend
 *   add    take the lock; change the count; if it is zero now, claim everybody in the line; let the lock go; queue them
 *
 * Count and line change under one lock, so a waiter either sees zero or is in the line when the count comes to it. The
 * count may grow again after that: those that were in the line have been woken all the same.
 *
 * No path without the lock, for the reason given in sched/event.c: a group mostly lives in the frame of the one that
 * waits for it, and is gone as soon as that returns.
 */
#include <limits.h>

#include "sched/waiters.h"

struct group {
    wf_biased lock;
    int32_t count;   /* lock */
    wf_list waiters; /* lock: empty while the count is zero */
};

static_assert(sizeof(struct group) <= sizeof(weft_group), "fits the public object");
static_assert(_Alignof(struct group) <= _Alignof(weft_group), "is aligned as the public object");

static struct group *open_group(weft_group *group)
{
    return (struct group *)(void *)group;
}

int weft_group_init(weft_group *group)
{
    if (group == NULL)
        return -EINVAL;
    *group = (weft_group)WEFT_GROUP_INIT;
    return 0;
}

int weft_group_fini(weft_group *group)
{
    if (group == NULL)
        return -EINVAL;
    struct group *g = open_group(group);
    wf_object_lock(&g->lock);
    bool busy = !wf_list_is_empty(&g->waiters);
    wf_object_unlock(&g->lock);
    return busy ? -EBUSY : 0;
}

/* Under the lock. 0 or why it cannot be; then nothing has changed. */
static int change(struct group *g, int n)
{
    int64_t count = (int64_t)g->count + n;
    if (count < 0)
        return -EINVAL;
    if (count > INT_MAX)
        return -EOVERFLOW;
    g->count = (int32_t)count;
    return 0;
}

int weft_group_add(weft_group *group, int n)
{
    if (group == NULL)
        return -EINVAL;
    struct group *g = open_group(group);
    wf_list claimed;
    wf_list_init(&claimed);
    wf_object_lock(&g->lock);
    int error = change(g, n);
    if (error == 0 && g->count == 0)
        wf_waiters_claim_all(&g->waiters, &claimed);
    wf_object_unlock(&g->lock);
    wf_ready_all(&claimed, 0);
    return error;
}

int weft_group_done(weft_group *group)
{
    return weft_group_add(group, -1);
}

int weft_group_wait(weft_group *group)
{
    return weft_group_wait_until(group, WEFT_NEVER);
}

int weft_group_wait_until(weft_group *group, int64_t deadline)
{
    if (group == NULL)
        return -EINVAL;
    wf_coro *self;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    struct group *g = open_group(group);
    wf_object_lock(&g->lock);
    if (g->count == 0) {
        wf_object_unlock(&g->lock);
        return 0;
    }
    return wf_wait_in_line(self, &g->waiters, WF_WAIT_GROUP, g, deadline, &g->lock);
}
