/* Iterators over coroutines, in the order in which they end.
 *
 * A node per coroutine on its ring of joiners (notify.c). The end of one hands its index to who waits, or puts it at the end of a
 * list. Locks are taken in this order: the ring of a coroutine, then the iterator.
 *
 *   init   hold each coroutine and put a node on its ring; one that has ended goes to the list at once
 *   told   (by an end, its ring locked) lock; somebody waits: claim and give it the index, else append to the list; unlock
 *   next   lock; nothing left to come: -ENOENT. The list has one: take it. Else wait in line
 *   fini   take the nodes off their rings: those for which that fails have been told, and the end is done with them
 *
 * Whoever takes the last index tells the others in line that there is none left for them.
 */
#include <stddef.h>

#include "core/alloc.h"
#include "sched/joiners.h"
#include "sched/life.h"
#include "sched/waiters.h"

typedef struct member {
    wf_joiner joiner;
    wf_list ended; /* lock of the iterator: on its list */
    wf_coro *target;
    struct iwait *it;
} member;

static_assert(sizeof(member) % 16 == 0, "each is aligned as the first");

struct iwait {
    wf_biased lock;
    wf_list ended; /* lock: members whose end nobody has asked for yet */
    wf_list line;  /* lock */
    member *members;
    size_t count;
    size_t left; /* lock: indices that may still be given out */
};

static_assert(sizeof(struct iwait) <= sizeof(weft_iwait), "fits the public object");
static_assert(_Alignof(struct iwait) <= _Alignof(weft_iwait), "is aligned as the public object");

enum { AT_INDEX = 0 }; /* in wait_data of who waits in line */

static struct iwait *open_iwait(weft_iwait *it)
{
    return (struct iwait *)(void *)it;
}

/* One of the indices goes out; with the last one the line is over. The lock is held. */
static void count_down(struct iwait *it, wf_list *over)
{
    if (--it->left == 0)
        wf_waiters_claim_all(&it->line, over);
}

void wf_iwait_told(wf_joiner *joiner)
{
    member *m = wf_container_of(joiner, member, joiner);
    struct iwait *it = m->it;
    wf_list over;
    wf_list_init(&over);
    wf_object_lock(&it->lock);
    wf_coro *waiter = it->left > 0 ? wf_waiters_claim(&it->line) : NULL;
    if (waiter != NULL) {
        waiter->wait_data[AT_INDEX] = (uint64_t)(m - it->members);
        count_down(it, &over);
    } else {
        wf_list_push_back(&it->ended, &m->ended);
    }
    wf_object_unlock(&it->lock);
    if (waiter != NULL)
        wf_ready(waiter, 0);
    wf_ready_all(&over, -ENOENT);
}

/* Hold the i-th and put its node on the ring. */
static int watch(struct iwait *it, size_t i, weft_t *t, wf_coro *self)
{
    member *m = &it->members[i];
    m->it = it;
    m->joiner.kind = WF_JOINER_ITER;
    m->target = wf_coro_hold_joinable(t);
    if (m->target == NULL)
        return wf_coro_is_joinable(t) ? -EAGAIN : -ESRCH;
    if (m->target == self)
        return -EDEADLK;
    if (!wf_notify_add(m->target, &m->joiner))
        wf_iwait_told(&m->joiner);
    return 0;
}

static void leave_all(struct iwait *it)
{
    for (size_t i = 0; i < it->count; i++) {
        member *m = &it->members[i];
        if (m->target == NULL)
            continue;
        wf_join_unlink(m->target, &m->joiner.node);
        wf_coro_release(wf_worker_self(), m->target);
    }
    wf_free(it->members);
    it->members = NULL;
    it->count = it->left = 0;
    wf_list_init(&it->ended);
}

int weft_iwait_init(weft_iwait *iterator, weft_t *const *ts, size_t n)
{
    if (iterator == NULL || (n > 0 && ts == NULL) || n > INT32_MAX)
        return -EINVAL;
    *iterator = (weft_iwait){{0}};
    struct iwait *it = open_iwait(iterator);
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    it->members = n > 0 ? wf_alloc(n * sizeof(member)) : NULL;
    if (n > 0 && it->members == NULL)
        return -ENOMEM;
    it->count = it->left = n;
    int error = 0;
    for (size_t i = 0; i < n && error == 0; i++)
        error = watch(it, i, ts[i], self);
    if (error != 0)
        leave_all(it);
    return error;
}

int weft_iwait_limit(weft_iwait *iterator, size_t count)
{
    if (iterator == NULL)
        return -EINVAL;
    struct iwait *it = open_iwait(iterator);
    wf_list over;
    wf_list_init(&over);
    wf_object_lock(&it->lock);
    if (count < it->left)
        it->left = count;
    if (it->left == 0)
        wf_waiters_claim_all(&it->line, &over);
    wf_object_unlock(&it->lock);
    wf_ready_all(&over, -ENOENT);
    return 0;
}

/* The next index that is there already; -EAGAIN: none yet. The lock is held. */
static int take(struct iwait *it, wf_list *over)
{
    if (it->left == 0)
        return -ENOENT;
    wf_list *node = wf_list_pop_front(&it->ended);
    if (node == NULL)
        return -EAGAIN;
    count_down(it, over);
    return (int)(wf_container_of(node, member, ended) - it->members);
}

int weft_iwait_next_until(weft_iwait *iterator, int64_t deadline)
{
    if (iterator == NULL)
        return -EINVAL;
    wf_coro *self;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    struct iwait *it = open_iwait(iterator);
    wf_list over;
    wf_list_init(&over);
    wf_object_lock(&it->lock);
    int index = take(it, &over);
    if (index == -EAGAIN) {
        int result = wf_wait_in_line(self, &it->line, WF_WAIT_ITER, it, deadline, &it->lock);
        return result == 0 ? (int)self->wait_data[AT_INDEX] : result;
    }
    wf_object_unlock(&it->lock);
    wf_ready_all(&over, -ENOENT);
    return index;
}

int weft_iwait_next(weft_iwait *iterator)
{
    return weft_iwait_next_until(iterator, WEFT_NEVER);
}

int weft_iwait_fini(weft_iwait *iterator)
{
    if (iterator == NULL)
        return -EINVAL;
    struct iwait *it = open_iwait(iterator);
    wf_object_lock(&it->lock);
    bool busy = !wf_list_is_empty(&it->line);
    wf_object_unlock(&it->lock);
    if (busy)
        return -EBUSY;
    leave_all(it);
    return 0;
}
