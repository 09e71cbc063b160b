/* Condition variable: a line of waiters and nothing else.
 *
 *   wait    take the lock; stand in the line; unlock the mutex; suspend, and the commit step lets the lock go; lock the
 *           mutex
 *   signal  take the lock; claim the first in the line; let the lock go; queue it
 *
 * Why no signal is lost between the unlocking of the mutex and the sleep: the waiter has the lock of the line from
 * before it unlocks the mutex until it is WAITING. Whoever changes the condition does so after it got the mutex, and
 * its signal waits for the lock.
 *
 * So the mutex's own lock is taken inside the lock of the line, and nowhere the other way round. A coroutine that
 * waited for the mutex is queued there while the line is locked: a few dozen instructions.
 *
 * A signal that was used up by a waiter is reported by 0: one that returns an error was not claimed by
 * any signal, which then went to the next in the line.
 *
 * Rejected: moving the waiters of a broadcast to the line of the mutex instead of waking them (requeueing). Workers run
 * them one after the other, and each finds the mutex free unless somebody suspends with it; the saving is in threads,
 * where each wake is a switch by the kernel.
 */
#include "sched/mutex.h"
#include "sched/waiters.h"

struct cond {
    wf_biased lock;
    wf_list waiters; /* lock */
};

static_assert(sizeof(struct cond) <= sizeof(weft_cond), "fits the public object");
static_assert(_Alignof(struct cond) <= _Alignof(weft_cond), "is aligned as the public object");

static struct cond *open_cond(weft_cond *cond)
{
    return (struct cond *)(void *)cond;
}

int weft_cond_init(weft_cond *cond)
{
    if (cond == NULL)
        return -EINVAL;
    *cond = (weft_cond)WEFT_COND_INIT;
    return 0;
}

int weft_cond_fini(weft_cond *cond)
{
    if (cond == NULL)
        return -EINVAL;
    struct cond *c = open_cond(cond);
    wf_object_lock(&c->lock);
    bool busy = !wf_list_is_empty(&c->waiters);
    wf_object_unlock(&c->lock);
    return busy ? -EBUSY : 0;
}

int weft_cond_wait(weft_cond *cond, weft_mutex *mutex)
{
    return weft_cond_wait_until(cond, mutex, WEFT_NEVER);
}

int weft_cond_wait_until(weft_cond *cond, weft_mutex *mutex, int64_t deadline)
{
    if (cond == NULL || mutex == NULL)
        return -EINVAL;
    wf_coro *self = wf_self();
    if (!wf_mutex_is_held(mutex, self))
        return -EPERM;
    int result = wf_check(self);
    if (result != 0)
        return result;
    struct cond *c = open_cond(cond);
    wf_object_lock(&c->lock);
    uint32_t depth = wf_mutex_unlock_all(mutex);
    result = wf_wait_in_line(self, &c->waiters, WF_WAIT_COND, c, deadline, &c->lock);
    wf_mutex_lock_again(mutex, self, depth);
    return result;
}

int weft_cond_signal(weft_cond *cond)
{
    if (cond == NULL)
        return -EINVAL;
    struct cond *c = open_cond(cond);
    wf_object_lock(&c->lock);
    wf_coro *next = wf_waiters_claim(&c->waiters);
    wf_object_unlock(&c->lock);
    if (next != NULL)
        wf_ready(next, 0);
    return 0;
}

int weft_cond_broadcast(weft_cond *cond)
{
    if (cond == NULL)
        return -EINVAL;
    struct cond *c = open_cond(cond);
    wf_list claimed;
    wf_object_lock(&c->lock);
    wf_waiters_claim_all(&c->waiters, &claimed);
    wf_object_unlock(&c->lock);
    wf_ready_all(&claimed, 0);
    return 0;
}
