/* Barrier: so many wait for each other, again and again.
 *
 *   wait      take the lock; one more has arrived. The last of the round? Start the next round, claim everybody in the line, let
 *             the lock go and queue them. Else stand in the line and suspend
 *   give up   (deadline, kill) take the lock. Still in the line? Leave it, one less has arrived. Else the round was completed, with
 *             this one, in the same moment: as if it had been woken
 *
 * Count and line change under one lock, so that `arrived` is always the number of those in the line: a waiter that gives up
 * counts as arrived until it has left the line. So a round begins with none, completes with all, and whoever was part of a
 * completed round returns 0.
 */
#include "sched/waiters.h"

struct barrier {
    wf_biased lock;
    uint32_t count;   /* fixed by init: how many wait for each other */
    uint32_t arrived; /* lock: in this round; as many stand in the line */
    wf_list waiters;  /* lock: the line */
};

static_assert(sizeof(struct barrier) <= sizeof(weft_barrier), "fits the public object");
static_assert(_Alignof(struct barrier) <= _Alignof(weft_barrier), "is aligned as the public object");

static struct barrier *open_barrier(weft_barrier *barrier)
{
    return (struct barrier *)(void *)barrier;
}

int weft_barrier_init(weft_barrier *barrier, unsigned count)
{
    if (barrier == NULL || count == 0)
        return -EINVAL;
    *barrier = (weft_barrier){{0}};
    open_barrier(barrier)->count = count;
    return 0;
}

int weft_barrier_fini(weft_barrier *barrier)
{
    if (barrier == NULL)
        return -EINVAL;
    struct barrier *b = open_barrier(barrier);
    wf_object_lock(&b->lock);
    bool busy = b->arrived != 0;
    wf_object_unlock(&b->lock);
    return busy ? -EBUSY : 0;
}

/* The last one has arrived. The lock is held on entry, not on return. */
static int complete(struct barrier *b)
{
    wf_list claimed;
    b->arrived = 0;
    wf_waiters_claim_all(&b->waiters, &claimed);
    wf_object_unlock(&b->lock);
    wf_ready_all(&claimed, 0);
    return 1;
}

/* The step `give up`; returns what the wait then is. */
static WF_SLOW int give_up(struct barrier *b, wf_coro *self, int error)
{
    wf_object_lock(&b->lock);
    bool linked = wf_list_is_linked(&self->wait_node);
    if (linked) {
        wf_list_remove(&self->wait_node);
        b->arrived--;
    }
    wf_object_unlock(&b->lock);
    return linked ? error : 0;
}

int weft_barrier_wait(weft_barrier *barrier)
{
    return weft_barrier_wait_until(barrier, WEFT_NEVER);
}

int weft_barrier_wait_until(weft_barrier *barrier, int64_t deadline)
{
    if (barrier == NULL)
        return -EINVAL;
    wf_coro *self;
    int result = wf_enter(&self);
    if (result != 0)
        return result;
    struct barrier *b = open_barrier(barrier);
    if (b->count == 0)
        return -EINVAL;
    wf_object_lock(&b->lock);
    if (++b->arrived == b->count)
        return complete(b);
    wf_list_push_back(&b->waiters, &self->wait_node);
    result = wf_wait_locked(self, WF_WAIT_BARRIER, b, deadline, &b->lock);
    return result == 0 ? 0 : give_up(b, self, result);
}
