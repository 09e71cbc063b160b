/* Joining: waiting for the end of coroutines.
 *
 * wf_coro.joiners (sched/joiners.h) is a lock and a ring of waiters. A waiter of one target is its own wait_node; a waiter of many has a
 * wf_joiner per target, and is woken by ticket. What else may stand there, and makes the end go a longer way, is notify.c's.
 *
 *   join     lock; closed? it has ended. The handle still names it? Link, and suspend; the commit step unlocks
 *   end      lock; result, DONE (release); take every waiter off the ring and claim it. One that joins gets the result, and the end
 *            takes its reference: it never looks at the block again. Closed
 *   give up  (deadline, kill, deadlock) lock; closed, or taken off: it has ended after all; else unlink, unlock
 *
 * No wake-up is lost: a waiter is on the ring and WAITING before it lets go of the lock; one that comes after the end sees closed.
 * No block is recycled under a joiner: as long as it has not been claimed its target has not got past the lock, and afterwards
 * it needs the target no more. What is read before the lock is held, from a block that may be a stranger's by then, is looked
 * at again under the lock or decided by a compare-and-swap on the life word.
 *
 * The model is tests/model/model_join.c.
 */
#include <errno.h>
#include <sched.h>

#include "core/alloc.h"
#include "sched/joiners.h"
#include "sched/life.h"
#include "sched/ready.h"
#include "sched/state.h"
#include "sched/suspend.h"
#include "sched/worker.h"

enum { SPINS_BEFORE_YIELD = 200 };

/* ---- the word ---- */

WF_SLOW bool wf_joiners_lock_contended(wf_coro *target)
{
    /* ORDER(joiners): pairs with wf_joiners_unlock: the ring; and once closed, the result. */
    uintptr_t word = wf_load_acquire(&target->joiners);
    for (int spins = 0;;) {
        if (word & WF_JOINERS_CLOSED)
            return false;
        /* ORDER(joiners): as above. */
        if (!(word & WF_JOINERS_LOCKED) && wf_cas_acq_rel(&target->joiners, &word, word | WF_JOINERS_LOCKED))
            return true;
        if (++spins % SPINS_BEFORE_YIELD == 0)
            sched_yield(); /* its holder may have been preempted */
        wf_spin_pause();
        word = wf_load_acquire(&target->joiners); /* ORDER(joiners): as above. */
    }
}

/* Take a node off. False: the target has ended meanwhile, and took it off. Then the block may belong to the next coroutine by now,
 * and have been locked here as such. */
bool wf_join_unlink(wf_coro *target, wf_list *node)
{
    if (!wf_joiners_lock(target))
        return false;
    wf_list *first = wf_joiners_first(target);
    bool linked = first == node || wf_list_is_linked(node);
    if (linked) {
        if (first == node)
            first = node->next == node ? NULL : node->next;
        wf_list_remove(node);
    }
    wf_joiners_unlock(target, wf_joiners_word(target, first));
    return linked;
}

/* ---- the end ---- */

/* A waiter of this coroutine alone, which is off the ring. The lock is held. */
WF_INLINE void tell(wf_coro *self, wf_coro *waiter)
{
    if (wf_unlikely(!wf_state_claim(waiter)))
        return; /* a kill or a deadline was faster */
    int result = 0;
    if (wf_likely(wf_plain_read(&waiter->wait_data[WF_JOIN_TAKES]) != WF_JOIN_WATCHES)) {
        result = wf_life_take_ref(self) == WF_LIFE_STALE ? -ESRCH : 0;
        wf_plain_write(&waiter->wait_data[WF_JOIN_RESULT],
                       (uintptr_t)wf_load_relaxed(&self->arg)); /* relaxed: our own */
    }
    waiter->wake_value = result;
    wf_worker *worker = wf_worker_self();
    if (worker->began == self) {
        /* One of a crowd, which ended as soon as it had its turn. Most likely the rest of the crowd is joined next: let that run
         * first, one after the other on the same stack, instead of going back and forth. */
        wf_queue_put(worker, waiter, false);
    } else {
        worker->lifo_runs = 0; /* it goes on where this one ends, depth first (sched/ready.h) */
        wf_ready_put_next(worker, waiter);
    }
}

void wf_join_tell(wf_coro *self, wf_coro *waiter)
{
    tell(self, waiter);
}

void wf_join_tell_any(wf_joiner *any)
{
    wf_coro *waiter = wf_plain_read(&any->waiter);
    if (wf_state_wake(waiter, any->ticket) == WF_WAKE_QUEUE)
        wf_ready(waiter, 0);
}

/* It is counted as ended before the joiners hear of it, so that whoever has joined all finds none alive. The worker's thread does
 * not end before the rest is done, so weft_stop may go on from there. */
void wf_join_publish(wf_coro *self)
{
    if (!wf_joiners_lock(self))
        wf_die("coroutine %p ended twice", (void *)self);
    if (wf_unlikely(wf_load_relaxed(&self->joiners) & WF_JOINERS_LINKED)) { /* relaxed: under the lock */
        wf_notify_publish(self);
        return;
    }
    wf_runtime_count_finished(wf_worker_self());
    wf_state_done(self);
    wf_list *first = wf_joiners_first(self);
    while (first != NULL) {
        wf_list *next = first->next == first ? NULL : first->next;
        wf_list_remove(first);
        /* Off the ring; from here on the waiter may go away, except that it takes our lock when it gives up. */
        if ((uintptr_t)first % WF_CACHE_LINE == 0)
            tell(self, wf_container_of(first, wf_coro, wait_node));
        else
            wf_join_tell_any(wf_container_of(first, wf_joiner, node));
        first = next;
    }
    wf_joiners_unlock(self, WF_JOINERS_CLOSED);
}

/* Not `closed`: that comes after the first joiners have been woken, and whoever was woken must find that it has ended. */
static bool has_ended(wf_coro *target)
{
    /* ORDER(state-done): pairs with wf_state_done: the result. */
    return wf_state_phase(wf_load_acquire(&target->state)) == WF_PHASE_DONE;
}

/* ---- waiting for one ---- */

/* In a join without a deadline wait_object is the address of the target, plus one. So one word says that somebody waits, and for
 * whom: two that are read one after the other may belong to different waits, and an object that is no coroutine may be gone.
 * The only other object that may be odd is a descriptor, and blocks lie above 4 GiB. */
enum { JOINED = 1 };

static void *joined(wf_coro *target)
{
    return (char *)target + JOINED;
}

/* Was it killed, and does that end its join? Not under a shield. One that is about to wait under a shield is taken for one
 * that comes back: only the kill tells them apart. */
static bool comes_back(wf_coro *coro)
{
    if (!wf_load_relaxed(&coro->killed)) /* relaxed: the fence of closes_circle orders it */
        return false;
    uint64_t state = wf_load_relaxed(&coro->state); /* relaxed: as above */
    return wf_state_phase(state) != WF_PHASE_WAITING || (state & WF_STATE_KILLABLE);
}

/* Whom `coro` has joined without a deadline; NULL: nobody, or it returns from that by itself. Any block may be asked: they are
 * never unmapped. */
static wf_coro *joined_by(wf_coro *coro)
{
    /* ORDER(join-object): pairs with wait_for, so that the second look sees that whoever had joined a block which has been recycled
     * since has gone on. */
    uintptr_t word = (uintptr_t)wf_load_acquire(&coro->wait_object);
    bool is_joined = word % WF_CACHE_LINE == JOINED && word > UINT32_MAX;
    return is_joined && !comes_back(coro) ? (wf_coro *)(word - JOINED) : NULL;
}

static bool leads_to(wf_coro *self, wf_coro *target)
{
    wf_coro *at = target;
    for (int steps = 0; at != NULL && at != self && steps < 1000; steps++)
        at = joined_by(at);
    return at == self;
}

/* Does waiting for `target` close a circle of joins? Called after wait_object was published and the target's lock was taken, so that
 * of those that close a circle at the same time at least one sees it. Nothing else is locked, and the links may change while they
 * are followed; but those of a deadlock are still there at the second look. */
static inline bool closes_circle(wf_coro *self, wf_coro *target)
{
    /* ORDER(join-circle): our wait_object before the others'; pairs with the same fence of whoever closes it. */
    wf_fence_after_rmw();
    return wf_unlikely(joined_by(target) != NULL) && leads_to(self, target) && leads_to(self, target);
}

enum { ENDED = 1 };

/* The lock of target's joiners is held: stand on the ring and suspend. */
static int wait_in_ring(wf_coro *self, wf_coro *target, int64_t deadline, bool takes)
{
    bool bounded = wf_timeout_effective(self, deadline) != WEFT_NEVER;
    wf_plain_write(&self->wait_data[WF_JOIN_TAKES], takes ? WF_JOIN_COLLECTS : WF_JOIN_WATCHES);
    uintptr_t word = wf_joiners_link(target, &self->wait_node);
    wf_store_relaxed(&target->joiners, word | WF_JOINERS_LOCKED); /* relaxed: the unlock publishes it */
    int result = wf_wait_held(self, bounded ? WF_WAIT_JOIN_UNTIL : WF_WAIT_JOIN, bounded ? target : joined(target),
                              deadline, wf_held_joiners(target));
    if (wf_unlikely(result < 0) && wf_wait_was_ended(result) && !wf_join_unlink(target, &self->wait_node))
        return ENDED; /* in the same moment */
    return result;
}

/* Wait until the one that `t` names has ended. ENDED: it had before, or did when the wait had been given up. 0: it did, and if
 * `takes`, its result is in wait_data and the reference gone. Else -ESRCH, -EDEADLK, -ETIMEDOUT, -ECANCELED. */
static int wait_for(wf_coro *self, const weft_t *t, wf_coro *target, int64_t deadline, bool takes)
{
    if (target == self)
        return -EDEADLK;
    if (has_ended(target))
        return ENDED;
    bool bounded = wf_timeout_effective(self, deadline) != WEFT_NEVER;
    /* ORDER(join-object): pairs with joined_by: what this coroutine has done before. The fence that follows, ORDER(join-circle), does
     * the same for the store that repeats this one when it suspends. */
    if (!bounded)
        wf_store_release(&self->wait_object, joined(target));
    int result = ENDED;
    if (wf_joiners_lock(target)) {
        /* ORDER(life): pairs with wf_coro_init: under the lock, so what is named now is still alive. */
        if (wf_unlikely(!wf_life_is_joinable(t, wf_load_acquire(&target->life))))
            result = -ESRCH;
        else if (!bounded && closes_circle(self, target))
            result = -EDEADLK;
        else
            result = 0;
        if (wf_likely(result == 0))
            result = wait_in_ring(self, target, deadline, takes);
        else
            wf_joiners_unlock(target, wf_joiners_word(target, wf_joiners_first(target)));
    }
    wf_store_relaxed(&self->wait_object, NULL); /* relaxed: whatever tells of the end publishes it */
    return result;
}

/* Give the reference back, of one that has ended, for its result. */
static int collect(weft_t *t, wf_coro *target, void **result)
{
    /* relaxed: has_ended acquired it; and if the block is a stranger's by now, the handle is stale. */
    void *value = wf_load_relaxed(&target->arg);
    if (!wf_coro_unref(wf_worker_self(), t))
        return -ESRCH;
    if (result != NULL)
        *result = value;
    return 0;
}

static inline int join(weft_t *t, void **result, int64_t deadline)
{
    wf_coro *self = wf_self_fast();
    if (wf_unlikely(self == NULL))
        return -ENOMEM;
    int error = wf_check(self);
    if (wf_unlikely(error != 0))
        return error;
    wf_coro *target = wf_life_block(t);
    /* ORDER(life): pairs with wf_coro_init and wf_coro_free. */
    if (wf_unlikely(target == NULL || !wf_life_is_joinable(t, wf_load_acquire(&target->life))))
        return -ESRCH;
    error = wait_for(self, t, target, deadline, true);
    if (error == ENDED)
        return collect(t, target, result);
    if (wf_likely(error == 0) && result != NULL)
        *result = (void *)wf_plain_read(&self->wait_data[WF_JOIN_RESULT]);
    return error;
}

int weft_join(weft_t *t, void **result)
{
    return join(t, result, WEFT_NEVER);
}

int weft_join_until(weft_t *t, void **result, int64_t deadline)
{
    return join(t, result, deadline);
}

/* ---- waiting for all ---- */

static int joinall(weft_t *const *ts, size_t n, int64_t deadline)
{
    wf_coro *self = wf_self_fast();
    if (self == NULL)
        return -ENOMEM;
    int error = wf_check(self);
    if (n > 0 && ts == NULL)
        error = -EINVAL;
    for (size_t i = 0; i < n && error == 0; i++)
        if (!wf_coro_is_joinable(ts[i]))
            error = -ESRCH;
    for (size_t i = 0; i < n && error == 0; i++) {
        error = wait_for(self, ts[i], wf_life_block(ts[i]), deadline, false);
        if (error == ENDED)
            error = wf_coro_is_joinable(ts[i]) ? 0 : -ESRCH;
    }
    for (size_t i = 0; i < n && error == 0; i++)
        wf_coro_unref(wf_worker_self(), ts[i]);
    return error;
}

int weft_joinall(weft_t *const *ts, size_t n)
{
    return joinall(ts, n, WEFT_NEVER);
}

int weft_joinall_until(weft_t *const *ts, size_t n, int64_t deadline)
{
    return joinall(ts, n, deadline);
}

/* ---- waiting for any ---- */

/* Why wf_coro_hold_joinable refused. */
static int not_joinable(const weft_t *t)
{
    return wf_coro_is_joinable(t) ? -EAGAIN : -ESRCH;
}

static int first_ended(wf_coro *const *targets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (has_ended(targets[i]))
            return (int)i;
    return -1;
}

/* Link a node into each target. Returns how many were linked; fewer than n when one has ended. */
static size_t link_all(wf_coro *self, wf_coro *const *targets, wf_joiner *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wf_plain_write(&nodes[i].waiter, self);
        nodes[i].ticket = wf_state_ticket(self);
        if (!wf_joiners_lock(targets[i]))
            return i;
        wf_joiners_unlock(targets[i], wf_joiners_link(targets[i], &nodes[i].node));
    }
    return n;
}

static int wait_any(wf_coro *self, wf_coro *const *targets, wf_joiner *nodes, size_t n, int64_t deadline)
{
    int index = first_ended(targets, n);
    if (index >= 0)
        return index;
    size_t linked = link_all(self, targets, nodes, n);
    int result = 0;
    if (linked == n)
        result = wf_wait_ticket(self, WF_WAIT_ANY, NULL, deadline);
    else
        wf_state_abandon(self);
    for (size_t i = 0; i < linked; i++)
        wf_join_unlink(targets[i], &nodes[i].node);
    index = first_ended(targets, n);
    return index >= 0 ? index : result;
}

int weft_wait_any_until(weft_t *const *ts, size_t n, int64_t deadline)
{
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    int result = wf_check(self);
    if (result != 0)
        return result;
    if (n == 0 || ts == NULL || n > INT32_MAX)
        return -EINVAL;
    wf_joiner *nodes = wf_alloc(n * sizeof(*nodes));
    wf_coro **targets = wf_alloc(n * sizeof(*targets));
    size_t held = 0;
    if (nodes == NULL || targets == NULL)
        result = -ENOMEM;
    for (; held < n && result == 0; held++) {
        targets[held] = wf_coro_hold_joinable(ts[held]);
        if (targets[held] == NULL)
            result = not_joinable(ts[held]);
        else if (targets[held] == self)
            result = -EDEADLK;
    }
    if (result == 0)
        result = wait_any(self, targets, nodes, n, deadline);
    for (size_t i = 0; i < held; i++)
        if (targets[i] != NULL)
            wf_coro_release(wf_worker_self(), targets[i]);
    wf_free(targets);
    wf_free(nodes);
    return result;
}

int weft_wait_any(weft_t *const *ts, size_t n)
{
    return weft_wait_any_until(ts, n, WEFT_NEVER);
}

/* ---- handles and what they tell ---- */

int weft_detach(weft_t *t)
{
    return wf_coro_unref(wf_worker_self(), t) ? 0 : -ESRCH;
}

int weft_unref(weft_t *t)
{
    return weft_detach(t);
}

weft_t *weft_ref(weft_t *t)
{
    if (wf_coro_ref(t) != NULL)
        return t;
    wf_coro *self = wf_self();
    if (self != NULL)
        self->last_error = wf_coro_from_handle(t) == NULL ? -ESRCH : -EAGAIN;
    return NULL;
}

/* All of these hold the block while they look: a handle that goes stale meanwhile must not show the next coroutine's. */

int weft_ready(weft_t *t)
{
    wf_coro *coro = wf_coro_hold(t);
    if (coro == NULL)
        return -ESRCH;
    int ended = has_ended(coro);
    wf_coro_release(wf_worker_self(), coro);
    return ended;
}

int weft_state(weft_t *t)
{
    static const int states[] = {[WF_PHASE_NEW] = WEFT_STATE_NEW,
                                 [WF_PHASE_READY] = WEFT_STATE_READY,
                                 [WF_PHASE_RUNNING] = WEFT_STATE_RUNNING,
                                 [WF_PHASE_WAITING] = WEFT_STATE_WAITING,
                                 [WF_PHASE_DONE] = WEFT_STATE_ENDED};
    wf_coro *coro = wf_coro_hold(t);
    if (coro == NULL)
        return -ESRCH;
    /* ORDER(state-done): as has_ended. */
    int state = states[wf_state_phase(wf_load_acquire(&coro->state))];
    wf_coro_release(wf_worker_self(), coro);
    return state;
}

void *weft_value(weft_t *t)
{
    wf_coro *coro = wf_coro_hold(t);
    if (coro == NULL)
        return NULL;
    void *value = has_ended(coro) ? wf_load_relaxed(&coro->arg) : NULL; /* relaxed: has_ended acquired it */
    wf_coro_release(wf_worker_self(), coro);
    return value;
}

int weft_error(weft_t *t)
{
    wf_coro *coro = wf_coro_hold(t);
    if (coro == NULL)
        return -ESRCH;
    int error = has_ended(coro) ? coro->error : -EAGAIN;
    wf_coro_release(wf_worker_self(), coro);
    return error;
}

/* ---- kill ---- */

int weft_kill(weft_t *t)
{
    wf_coro *coro = wf_coro_hold(t);
    if (coro == NULL)
        return wf_coro_from_handle(t) == NULL ? -ESRCH : -EAGAIN;
    if (wf_state_kill(coro))
        wf_ready_fifo(coro, -ECANCELED);
    wf_coro_release(wf_worker_self(), coro);
    return 0;
}

bool wf_kill_mark(const weft_t *t)
{
    wf_coro *coro = wf_coro_hold(t);
    if (coro == NULL)
        return false;
    wf_state_mark_killed(coro);
    wf_coro_release(wf_worker_self(), coro);
    return true;
}

void wf_kill_claim(const weft_t *t)
{
    wf_coro *coro = wf_coro_hold(t);
    if (coro == NULL)
        return; /* it has ended meanwhile */
    if (wf_state_claim_killable(coro))
        wf_ready_fifo(coro, -ECANCELED);
    wf_coro_release(wf_worker_self(), coro);
}

int weft_killall(weft_t *const *ts, size_t n)
{
    if (n > 0 && ts == NULL)
        return -EINVAL;
    int result = 0;
    for (size_t i = 0; i < n; i++)
        if (!wf_kill_mark(ts[i]))
            result = -ESRCH;
    if (n > 0)
        wf_fence_heavy(); /* ORDER(state-kill): as wf_state_kill, once for all of them. */
    for (size_t i = 0; i < n; i++)
        wf_kill_claim(ts[i]);
    return result;
}
