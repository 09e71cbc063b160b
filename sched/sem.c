/* Counting semaphore: a count, and a line of those that found it at zero.
 *
 * One word: count << 1 | WAITERS. WAITERS: somebody stands in the line (it may be stale after a timeout, never
 * missing). The count is above zero only while nobody stands in the line: a post with somebody there hands over instead
 * of counting, so the line is served in order and nobody overtakes it.
 *
 *     take     count > 0: count - 1. Without the lock
 *     post     no WAITERS: count + 1. Without the lock, and the last thing that post does to the semaphore
 *     wait     count = 0: + WAITERS, and stand in the line. Under the lock
 *     hand     WAITERS: claim the first in the line, - WAITERS when it was the last. Under the lock. Nobody there after
 *              all: - WAITERS, let the lock go and post again
 *
 * Why no wake-up is lost: WAITERS is set by a compare-and-swap that fails unless the count is zero, and the waiter is
 * in the line before it lets the lock go. A post that comes earlier changes the count, and the waiter takes that; one
 * that comes later sees WAITERS and goes through the lock.
 *
 * Why the count never grows under the lock: who takes it may free the semaphore at once, while the poster would still
 * have to let the lock go.
 *
 * The model is tests/model/model_sem.c.
 */
#include <limits.h>

#include "sched/waiters.h"

enum { WAITERS = 1, ONE = 2 };

struct sem {
    _Atomic(uint64_t) word; /* any (atomic): see above */
    wf_biased lock;
    uint32_t limit;  /* fixed by init; 0: none but that of the type */
    wf_list waiters; /* lock: the line */
};

static_assert(sizeof(struct sem) <= sizeof(weft_sem), "fits the public object");
static_assert(_Alignof(struct sem) <= _Alignof(weft_sem), "is aligned as the public object");

static struct sem *open_sem(weft_sem *sem)
{
    return (struct sem *)(void *)sem;
}

/* Count one down. False: it is zero. */
static bool take(struct sem *s)
{
    uint64_t word = wf_load_relaxed(&s->word); /* relaxed: the CAS decides */
    while (word >= ONE) {
        /* ORDER(sem): pairs with weft_sem_post: whoever takes sees what was written before the post. */
        if (wf_cas_acquire(&s->word, &word, word - ONE))
            return true;
    }
    return false;
}

/* Under the lock. True: taken; false: WAITERS is set and the count is zero. */
static bool take_or_announce(struct sem *s)
{
    while (!take(s)) {
        uint64_t word = 0;
        /* relaxed: the flag publishes nothing; who acts on it takes the lock first. */
        if (wf_cas_relaxed(&s->word, &word, WAITERS) || word == WAITERS)
            return false;
    }
    return true;
}

/* The step `hand`. False: nobody was there after all. */
static bool hand_over(struct sem *s)
{
    wf_object_lock(&s->lock);
    wf_coro *next = wf_waiters_claim(&s->waiters);
    if (wf_list_is_empty(&s->waiters)) {
        uint64_t word = WAITERS;
        /* relaxed: publishes nothing. It fails when another post has done it already. */
        wf_cas_relaxed(&s->word, &word, 0);
    }
    wf_object_unlock(&s->lock);
    if (next == NULL)
        return false;
    wf_ready(next, 0);
    return true;
}

int weft_sem_init(weft_sem *sem, unsigned count)
{
    return weft_sem_init_bounded(sem, count, 0);
}

int weft_sem_init_bounded(weft_sem *sem, unsigned count, unsigned limit)
{
    if (sem == NULL || (limit != 0 && count > limit))
        return -EINVAL;
    *sem = (weft_sem){{0}};
    open_sem(sem)->limit = limit;
    wf_store_relaxed(&open_sem(sem)->word, (uint64_t)count * ONE); /* relaxed: nobody else knows it yet */
    return 0;
}

int weft_sem_fini(weft_sem *sem)
{
    if (sem == NULL)
        return -EINVAL;
    struct sem *s = open_sem(sem);
    wf_object_lock(&s->lock);
    bool busy = !wf_list_is_empty(&s->waiters);
    wf_object_unlock(&s->lock);
    return busy ? -EBUSY : 0;
}

int weft_sem_wait(weft_sem *sem)
{
    return weft_sem_wait_until(sem, WEFT_NEVER);
}

int weft_sem_wait_until(weft_sem *sem, int64_t deadline)
{
    if (sem == NULL)
        return -EINVAL;
    wf_coro *self;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    struct sem *s = open_sem(sem);
    if (take(s))
        return 0;
    wf_object_lock(&s->lock);
    if (take_or_announce(s)) {
        wf_object_unlock(&s->lock);
        return 0;
    }
    return wf_wait_in_line(self, &s->waiters, WF_WAIT_SEM, s, deadline, &s->lock);
}

int weft_sem_trywait(weft_sem *sem)
{
    if (sem == NULL)
        return -EINVAL;
    return take(open_sem(sem)) ? 0 : -EAGAIN;
}

int weft_sem_post(weft_sem *sem)
{
    if (sem == NULL)
        return -EINVAL;
    struct sem *s = open_sem(sem);
    uint64_t most = (uint64_t)(s->limit != 0 ? s->limit : UINT_MAX) * ONE;
    for (;;) {
        uint64_t word = wf_load_relaxed(&s->word); /* relaxed: the CAS decides, or the lock */
        if (word & WAITERS) {
            if (hand_over(s))
                return 0;
            continue;
        }
        if (word >= most)
            return -EOVERFLOW;
        /* ORDER(sem): pairs with take. */
        if (wf_cas_release(&s->word, &word, word + ONE))
            return 0;
    }
}

int weft_sem_value(weft_sem *sem)
{
    if (sem == NULL)
        return -EINVAL;
    uint64_t count = wf_load_relaxed(&open_sem(sem)->word) / ONE; /* relaxed: old by the time it is read */
    return count < INT_MAX ? (int)count : INT_MAX;
}
