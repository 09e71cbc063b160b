/* Links: functions that run when a coroutine ends.
 *
 *   weft_link       makes, now, the coroutine in which the function will run, and lets that wait on the ring of joiners: without a
 *                   stack, and for nothing but the end. So the end allocates nothing, and a link is one more waiter to it
 *   the end         claims it and queues it, behind what is queued already (notify.c)
 *   weft_unlink     takes it off the ring and queues it all the same: it finds itself cancelled, and ends
 *   weft_link_raw   a node of its own on the ring; the end calls the function itself
 *
 * A link holds its target's block. When its turn has come the hold becomes a reference, so that the handle that it is given
 * names the target also where nobody else has one left.
 *
 * The coroutine of a link is counted as spawned from the beginning, so weft_stop waits for it, and for its target, which it waits
 * for anyway. Nothing can kill it before it starts but weft_stop, and then its function runs as the cleanup of its argument.
 */
#include <errno.h>
#include <stddef.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "sched/joiners.h"
#include "sched/life.h"
#include "sched/suspend.h"
#include "sched/worker.h"

enum when {
    ALWAYS,
    ON_VALUE, /* it has ended without an error */
    ON_ERROR,
};

typedef struct link_entry {
    wf_joiner joiner; /* of a raw one */
    weft_link_fn *fn;
    void *arg;
    weft_t *handle; /* of the target */
    wf_coro *target;
    enum when when;
    bool cancelled; /* whoever takes it off the ring, before it is queued */
    bool done;
} link_entry;

static_assert(offsetof(link_entry, joiner) == 0, "aligned as what was allocated");

/* The target has ended: call the function, if this end is one for it. */
static void run(link_entry *l)
{
    int error = l->target->error; /* held */
    bool wanted = l->when == ALWAYS || (l->when == ON_ERROR) == (error != 0);
    bool is_referred = wf_life_turn_hold_into_ref(l->target);
    if (wanted)
        l->fn(l->handle, l->arg);
    if (is_referred)
        wf_coro_unref(wf_worker_self(), l->handle);
    else
        wf_coro_release(wf_worker_self(), l->target);
}

/* ---- the coroutine of a link ---- */

static void *run_in_coroutine(void *arg)
{
    link_entry *l = arg;
    l->done = true;
    if (!l->cancelled)
        run(l);
    else
        wf_coro_release(wf_worker_self(), l->target);
    return NULL;
}

/* The cleanup of its argument: also where weft_stop kept the body from running. */
static void finish(void *arg)
{
    link_entry *l = arg;
    if (!l->done)
        run_in_coroutine(l);
    wf_free(l);
}

/* NEW to WAITING on the ring of the target, without a stack. False: the target has ended, and it is still NEW. */
static bool wait_for_end(wf_coro *coro, wf_coro *target)
{
    if (!wf_joiners_lock(target))
        return false;
    /* relaxed, all: for weft_dump. */
    wf_store_relaxed(&coro->wait_since_ms, (uint32_t)(wf_clock_now() / WEFT_MILLISECOND));
    wf_store_relaxed(&coro->wait_kind, WF_WAIT_LINK);
    wf_store_relaxed(&coro->wait_object, target);
    wf_plain_write(&coro->wait_data[WF_JOIN_TAKES], WF_JOIN_STARTS);
    coro->wake_value = 0;
    wf_state_dispatch(coro);
    wf_state_commit_locked(coro, 0);
    wf_joiners_unlock(target, wf_joiners_link(target, &coro->wait_node) | WF_JOINERS_LINKED);
    return true;
}

/* The rest, once the target is held. */
static int link_held(link_entry *l, void *site)
{
    int error;
    wf_worker *worker = wf_worker_self();
    weft_spawn_options options = {.cleanup = finish};
    wf_coro *coro = wf_spawn_prepare(worker, &options, run_in_coroutine, l, 0, site, &error);
    if (coro == NULL)
        return error;
    if (!wait_for_end(coro, l->target))
        wf_queue_put(worker, coro, false);
    return 0;
}

/* Check, hold and make what all kinds of links need. */
static int make(weft_t *t, weft_link_fn *fn, void *arg, enum when when, link_entry **made)
{
    if (fn == NULL)
        return -EINVAL;
    wf_coro *target = wf_coro_hold(t);
    if (target == NULL)
        return wf_coro_from_handle(t) == NULL ? -ESRCH : -EAGAIN;
    link_entry *l = wf_alloc(sizeof(*l));
    if (l == NULL) {
        wf_coro_release(wf_worker_self(), target);
        return -ENOMEM;
    }
    l->fn = fn;
    l->arg = arg;
    l->handle = t;
    l->target = target;
    l->when = when;
    *made = l;
    return 0;
}

static void unmake(link_entry *l)
{
    wf_coro_release(wf_worker_self(), l->target);
    wf_free(l);
}

static int link_when(weft_t *t, weft_link_fn *fn, void *arg, enum when when, void *site)
{
    link_entry *l;
    int error = make(t, fn, arg, when, &l);
    if (error != 0)
        return error;
    error = link_held(l, site);
    if (error != 0)
        unmake(l);
    return error;
}

int weft_link(weft_t *t, weft_link_fn *fn, void *arg)
{
    return link_when(t, fn, arg, ALWAYS, __builtin_return_address(0));
}

int weft_link_value(weft_t *t, weft_link_fn *fn, void *arg)
{
    return link_when(t, fn, arg, ON_VALUE, __builtin_return_address(0));
}

int weft_link_error(weft_t *t, weft_link_fn *fn, void *arg)
{
    return link_when(t, fn, arg, ON_ERROR, __builtin_return_address(0));
}

/* ---- raw links ---- */

static void run_raw(link_entry *l)
{
    wf_worker *worker = wf_worker_self();
    if (worker != NULL)
        worker->fixed++; /* it must not suspend: there is no coroutine any more that could */
    run(l);
    if (worker != NULL)
        worker->fixed--;
    wf_free(l);
}

void wf_link_run(wf_joiner *joiner, wf_coro *self)
{
    (void)self;
    run_raw(wf_container_of(joiner, link_entry, joiner));
}

int weft_link_raw(weft_t *t, weft_link_fn *fn, void *arg)
{
    link_entry *l;
    int error = make(t, fn, arg, ALWAYS, &l);
    if (error != 0)
        return error;
    l->joiner.kind = WF_JOINER_LINK;
    if (!wf_notify_add(l->target, &l->joiner))
        run_raw(l);
    return 0;
}

/* ---- taking one back ---- */

/* The link that a node of a ring belongs to, NULL when it belongs to none. `coro`: its coroutine, if it has one. The lock of the ring
 * is held. */
static link_entry *link_of(wf_list *node, wf_coro **coro)
{
    *coro = NULL;
    if ((uintptr_t)node % WF_CACHE_LINE != 0) {
        wf_joiner *joiner = wf_container_of(node, wf_joiner, node);
        bool is_raw = joiner->waiter == NULL && joiner->kind == WF_JOINER_LINK;
        return is_raw ? wf_container_of(joiner, link_entry, joiner) : NULL;
    }
    wf_coro *waiter = wf_container_of(node, wf_coro, wait_node);
    if (wf_plain_read(&waiter->wait_data[WF_JOIN_TAKES]) != WF_JOIN_STARTS)
        return NULL;
    *coro = waiter;
    return wf_load_relaxed(&waiter->arg); /* relaxed: written before it was put there */
}

/* The oldest one with this function and argument. The lock is held. */
static link_entry *find(wf_list *first, weft_link_fn *fn, void *arg, wf_list **found, wf_coro **coro)
{
    wf_list *node = first;
    while (node != NULL) {
        link_entry *l = link_of(node, coro);
        *found = node;
        if (l != NULL && l->fn == fn && l->arg == arg)
            return l;
        node = node->next != first ? node->next : NULL;
    }
    *coro = NULL;
    return NULL;
}

/* Take the oldest one off the ring. NULL: there is none. */
static link_entry *take_off(wf_coro *target, weft_link_fn *fn, void *arg, wf_coro **coro)
{
    wf_list *node;
    if (!wf_joiners_lock(target))
        return NULL;
    wf_list *first = wf_joiners_first(target);
    link_entry *l = find(first, fn, arg, &node, coro);
    if (l != NULL) {
        if (node == first)
            first = node->next == node ? NULL : node->next;
        wf_list_remove(node);
        if (*coro != NULL)
            wf_state_claim(*coro); /* nothing else ends its wait */
    }
    wf_joiners_unlock(target, wf_joiners_word(target, first));
    return l;
}

int weft_unlink(weft_t *t, weft_link_fn *fn, void *arg)
{
    wf_coro *target = wf_coro_hold(t), *coro = NULL;
    if (target == NULL)
        return wf_coro_from_handle(t) == NULL ? -ESRCH : -EAGAIN;
    link_entry *l = take_off(target, fn, arg, &coro);
    if (coro != NULL) {
        l->cancelled = true;
        wf_queue_put(wf_worker_self(), coro, false);
    } else if (l != NULL) {
        unmake(l);
    }
    wf_coro_release(wf_worker_self(), target);
    return l != NULL ? 0 : -ENOENT;
}
