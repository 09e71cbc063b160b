/* Joining: waiting for the end of coroutines.
 *
 * wf_coro.joiners is one word: bit 0 a spin lock, bit 1 "closed": the coroutine is DONE, above them the first node of a ring of
 * waiters. A waiter of one target is its own wait_node (64-byte aligned, ticket in wait_data[0]); a waiter of many has an
 * any_node per target (at 8 modulo 16). Both are woken by ticket, so a waiter need not hold any lock while it suspends.
 *
 *   wait     lock; closed? -> it has ended. Else link, unlock, suspend by ticket
 *   end      result, DONE (release); lock; unlink and wake every waiter by its ticket; closed (release)
 *   give up  (deadline, kill) lock; closed -> it has ended after all, and unlinked us; else unlink, unlock
 *
 * No wake-up is lost: a waiter that is on the ring when the end takes the lock is woken, also when it has not committed its wait
 * yet (NOTIFIED, sched/state.h); one that comes later sees closed.
 *
 * The model is tests/model/model_join.c.
 */
#include <errno.h>
#include <sched.h>

#include "core/alloc.h"
#include "sched/state.h"
#include "sched/suspend.h"
#include "sched/worker.h"

#define LOCKED ((uintptr_t)1)
#define CLOSED ((uintptr_t)2)

enum { SPINS_BEFORE_YIELD = 200 };

typedef struct any_node {
    wf_coro *waiter;
    wf_list node;
    uint64_t ticket;
} any_node;

static_assert(offsetof(any_node, node) % 16 == 8, "told from a wait_node by its address");

/* ---- the word ---- */

/* Take the lock. False: the target has ended, and the lock is not taken. */
static bool lock_open(wf_coro *target)
{
    /* ORDER(joiners): pairs with unlock and close_joiners: the ring; and once closed, the result. */
    uintptr_t word = wf_load_acquire(&target->joiners);
    for (int spins = 0;;) {
        if (word & CLOSED)
            return false;
        /* ORDER(joiners): as above. */
        if (!(word & LOCKED) && wf_cas_acquire(&target->joiners, &word, word | LOCKED))
            return true;
        if (++spins % SPINS_BEFORE_YIELD == 0)
            sched_yield(); /* its holder may have been preempted */
        wf_spin_pause();
        word = wf_load_acquire(&target->joiners); /* ORDER(joiners): as above. */
    }
}

/* The lock is held. */
static wf_list *first_of(wf_coro *target)
{
    return (wf_list *)(wf_load_relaxed(&target->joiners) & ~(LOCKED | CLOSED)); /* relaxed: under the lock */
}

static void unlock(wf_coro *target, wf_list *first)
{
    wf_store_release(&target->joiners, (uintptr_t)first); /* ORDER(joiners): pairs with lock_open. */
}

static bool link_node(wf_coro *target, wf_list *node)
{
    if (!lock_open(target))
        return false;
    wf_list *first = first_of(target);
    if (first == NULL)
        wf_list_init(node);
    else
        wf_list_insert_before(first, node);
    unlock(target, first != NULL ? first : node);
    return true;
}

/* Take a node off. False: the target has ended meanwhile, and took it off. */
static bool unlink_node(wf_coro *target, wf_list *node)
{
    if (!lock_open(target))
        return false;
    wf_list *first = first_of(target);
    if (first == node)
        first = node->next == node ? NULL : node->next;
    wf_list_remove(node);
    unlock(target, first);
    return true;
}

static void wake_node(wf_list *node)
{
    if ((uintptr_t)node % WF_CACHE_LINE == 0) {
        wf_coro *waiter = wf_container_of(node, wf_coro, wait_node);
        uint64_t ticket = wf_plain_read(&waiter->wait_data[0]);
        if (wf_state_wake(waiter, ticket) == WF_WAKE_QUEUE)
            wf_ready(waiter, 0);
    } else {
        any_node *any = wf_container_of(node, any_node, node);
        wf_coro *waiter = wf_plain_read(&any->waiter);
        if (wf_state_wake(waiter, any->ticket) == WF_WAKE_QUEUE)
            wf_ready(waiter, 0);
    }
}

void wf_join_publish(wf_coro *self)
{
    wf_state_done(self);
    uintptr_t none = 0;
    /* ORDER(joiners): publishes the result; pairs with lock_open. */
    if (wf_cas_release(&self->joiners, &none, CLOSED))
        return;
    if (!lock_open(self))
        wf_die("coroutine %p ended twice", (void *)self);
    wf_list *first = first_of(self);
    while (first != NULL) {
        wf_list *next = first->next == first ? NULL : first->next;
        wf_list_remove(first);
        /* Its node is off the ring; from the wake on the waiter may go away, except that it takes our lock when it gives up. */
        wake_node(first);
        first = next;
    }
    wf_store_release(&self->joiners, CLOSED); /* ORDER(joiners): pairs with lock_open. */
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

/* Does waiting for `target` close a circle of joins? Called after wait_object was published, so that of those that close a
 * circle at the same time at least one sees it. Nothing is locked, and the links may change while they are followed; but those of
 * a deadlock are still there at the second look. */
static bool closes_circle(wf_coro *self, wf_coro *target)
{
    /* ORDER(join-circle): our wait_object before the others'; pairs with the same fence of whoever closes it. */
    wf_fence_seq_cst();
    return leads_to(self, target) && leads_to(self, target);
}

static int wait_linked(wf_coro *self, wf_coro *target, enum wf_wait_kind kind, void *object, int64_t deadline)
{
    if (!link_node(target, &self->wait_node))
        return 0;
    int result = wf_wait_ticket(self, kind, object, deadline);
    if (result != 0 && !unlink_node(target, &self->wait_node))
        return 0; /* it has ended in the same moment */
    return result;
}

/* Wait until target has ended. 0, -ETIMEDOUT, -ECANCELED, -EDEADLK. */
static int wait_for(wf_coro *self, wf_coro *target, int64_t deadline)
{
    if (target == self)
        return -EDEADLK;
    if (has_ended(target))
        return 0;
    wf_plain_write(&self->wait_data[0], wf_state_ticket(self));
    if (wf_timeout_effective(self, deadline) != WEFT_NEVER)
        return wait_linked(self, target, WF_WAIT_JOIN_UNTIL, target, deadline);
    /* ORDER(join-object): pairs with joined_by: what this coroutine has done before. The fence that follows, ORDER(join-circle), does
     * the same for the store that repeats this one when it suspends. */
    wf_store_release(&self->wait_object, joined(target));
    int result = -EDEADLK;
    if (!closes_circle(self, target))
        result = wait_linked(self, target, WF_WAIT_JOIN, joined(target), deadline);
    wf_store_relaxed(&self->wait_object, NULL); /* relaxed: the release of the target, which follows, publishes it */
    return result;
}

/* Why wf_coro_hold_joinable refused. */
static int not_joinable(const weft_t *t)
{
    return wf_coro_is_joinable(t) ? -EAGAIN : -ESRCH;
}

static int join(weft_t *t, void **result, int64_t deadline)
{
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    int error = wf_check(self);
    if (error != 0)
        return error;
    wf_coro *target = wf_coro_hold_joinable(t);
    if (target == NULL)
        return not_joinable(t);
    error = wait_for(self, target, deadline);
    void *value = error == 0 ? target->arg : NULL;
    if (error == 0 && !wf_coro_unref(wf_worker_self(), t))
        error = -ESRCH;
    wf_coro_release(wf_worker_self(), target);
    if (error == 0 && result != NULL)
        *result = value;
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
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    int error = wf_check(self);
    if (n > 0 && ts == NULL)
        error = -EINVAL;
    for (size_t i = 0; i < n && error == 0; i++)
        if (!wf_coro_is_joinable(ts[i]))
            error = -ESRCH;
    for (size_t i = 0; i < n && error == 0; i++) {
        wf_coro *target = wf_coro_hold_joinable(ts[i]);
        if (target == NULL)
            return not_joinable(ts[i]);
        error = wait_for(self, target, deadline);
        wf_coro_release(wf_worker_self(), target);
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

static int first_ended(wf_coro *const *targets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (has_ended(targets[i]))
            return (int)i;
    return -1;
}

/* Link a node into each target. Returns how many were linked; fewer than n when one has ended. */
static size_t link_all(wf_coro *self, wf_coro *const *targets, any_node *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wf_plain_write(&nodes[i].waiter, self);
        nodes[i].ticket = wf_state_ticket(self);
        if (!link_node(targets[i], &nodes[i].node))
            return i;
    }
    return n;
}

static int wait_any(wf_coro *self, wf_coro *const *targets, any_node *nodes, size_t n, int64_t deadline)
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
        unlink_node(targets[i], &nodes[i].node);
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
    any_node *nodes = wf_alloc(n * sizeof(*nodes));
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

void *weft_value(weft_t *t)
{
    wf_coro *coro = wf_coro_hold(t);
    if (coro == NULL)
        return NULL;
    void *value = has_ended(coro) ? coro->arg : NULL;
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
    if (wf_state_claim_killed(coro))
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
