/* Scopes: coroutines that do not outlive the block in which they were spawned.
 *
 *   open     the caller becomes the owner
 *   spawn    make the coroutine; lock; open and not cancelled? On the list of children, count it; unlock; put a node on its ring of
 *            joiners (notify.c); queue it
 *   told     (by the end of a child) lock; its error is the first? Note it, and cancel; count it as ended; the last one wakes the
 *            owner; unlock. That is the last that a child does to its scope
 *   cancel   lock; mark; kill every child that has not ended; unlock
 *   close    lock; children left? Wait for them. A kill or a timeout ends that: cancel, and then wait for nothing but them.
 *            Closed; give the handles back
 *
 * No child outlives it: close returns only when none is left, and none comes in once none is left and the word says closed, under
 * the same lock. No child is touched that is gone: one that has not been told yet has not let go of its own block.
 *
 * Children keep their handles until the scope is closed, so that the owner can look at their results. Those of weft_scope_go have
 * none to keep, and leave nothing behind.
 */
#include "core/alloc.h"
#include "core/fence.h"
#include "sched/joiners.h"
#include "sched/waiters.h"

enum state {
    CLOSED = 0, /* also all zero */
    OPEN = 0x5c09e,
    CANCELLED,
};

struct scope {
    wf_biased lock;
    uint32_t state;   /* lock: enum state */
    wf_coro *owner;   /* fixed while open */
    wf_list children; /* lock: by child.sibling; those that were kept stay when they end */
    wf_list line;     /* lock: the owner, while it closes */
    size_t live;      /* lock: children that have not ended */
    int32_t error;    /* lock: of the first that failed */
};

static_assert(sizeof(struct scope) <= sizeof(weft_scope), "fits the public object");
static_assert(_Alignof(struct scope) <= _Alignof(weft_scope), "is aligned as the public object");

typedef struct child {
    wf_joiner joiner;
    wf_list sibling; /* lock of the scope */
    struct scope *scope;
    wf_coro *coro; /* lock of the scope: NULL once it has ended */
    weft_t *handle;
    bool is_kept;
} child;

static_assert(offsetof(child, joiner) == 0, "aligned as what was allocated");

static struct scope *open_scope(weft_scope *scope)
{
    return (struct scope *)(void *)scope;
}

/* ---- cancelling ---- */

static wf_coro *coro_of(wf_list *node)
{
    return wf_container_of(node, child, sibling)->coro;
}

/* Kill all that have not ended, with one fence for all of them. The lock is held. */
static void cancel_locked(struct scope *s)
{
    s->state = CANCELLED;
    if (s->live == 0)
        return;
    for (wf_list *node = s->children.next; node != &s->children; node = node->next)
        if (coro_of(node) != NULL)
            wf_state_mark_killed(coro_of(node));
    wf_fence_heavy(); /* ORDER(state-kill): as wf_state_kill, once for all of them. */
    for (wf_list *node = s->children.next; node != &s->children; node = node->next)
        if (coro_of(node) != NULL && wf_state_claim_killable(coro_of(node)))
            wf_ready_fifo(coro_of(node), -ECANCELED);
}

int weft_scope_cancel(weft_scope *scope)
{
    if (scope == NULL)
        return -EINVAL;
    struct scope *s = open_scope(scope);
    wf_object_lock(&s->lock);
    bool is_open = s->state != CLOSED;
    if (is_open)
        cancel_locked(s);
    wf_object_unlock(&s->lock);
    return is_open ? 0 : -EINVAL;
}

/* ---- the end of a child ---- */

/* The first one that fails cancels the rest. What they say of being cancelled is no failure. The lock is held. */
static void note_error(struct scope *s, int error)
{
    bool is_echo = s->state == CANCELLED && error == -ECANCELED;
    if (error == 0 || s->error != 0 || is_echo)
        return;
    s->error = error;
    cancel_locked(s);
}

void wf_scope_told(wf_joiner *joiner, wf_coro *self)
{
    child *c = wf_container_of(joiner, child, joiner);
    struct scope *s = c->scope;
    weft_t *handle = c->handle;
    bool is_kept = c->is_kept;
    wf_coro *owner = NULL;
    wf_object_lock(&s->lock);
    c->coro = NULL;
    s->live--;
    note_error(s, self->error);
    if (!is_kept)
        wf_list_remove(&c->sibling);
    if (s->live == 0)
        owner = wf_waiters_claim(&s->line);
    wf_object_unlock(&s->lock);
    if (!is_kept) {
        wf_free(c);
        wf_coro_unref(wf_worker_self(), handle);
    }
    if (owner != NULL)
        wf_ready(owner, 0);
}

/* ---- spawning ---- */

/* 0, -EINVAL: not open, -ECANCELED. The lock is held. */
static int accepts(const struct scope *s)
{
    return s->state == OPEN ? 0 : s->state == CANCELLED ? -ECANCELED : -EINVAL;
}

/* Into the scope, unless that has been cancelled or closed. From then on it may be killed. */
static int enter(struct scope *s, child *c, wf_coro *coro)
{
    c->joiner.kind = WF_JOINER_SCOPE;
    c->scope = s;
    c->handle = wf_coro_handle(coro);
    c->coro = coro;
    wf_object_lock(&s->lock);
    int error = accepts(s);
    if (error == 0) {
        wf_list_push_back(&s->children, &c->sibling);
        s->live++;
    }
    wf_object_unlock(&s->lock);
    if (error == 0)
        wf_notify_add(coro, &c->joiner); /* it has not been queued, so it has not ended */
    return error;
}

static int spawn(weft_scope *scope, const weft_spawn_options *options, weft_fn *fn, void *arg, bool is_kept, void *site,
                 weft_t **handle)
{
    int error;
    wf_worker *worker = wf_worker_self();
    child *c = scope != NULL ? wf_alloc(sizeof(*c)) : NULL;
    if (c == NULL)
        return scope != NULL ? -ENOMEM : -EINVAL;
    wf_coro *coro = wf_spawn_prepare(worker, options, fn, arg, 1, site, &error);
    if (coro == NULL)
        goto free_child;
    c->is_kept = is_kept;
    error = enter(open_scope(scope), c, coro);
    if (error != 0)
        goto undo;
    *handle = c->handle;
    wf_spawn_launch(worker, coro, options != NULL ? options->start_after : 0);
    return 0;
undo:
    wf_spawn_undo(worker, coro);
free_child:
    wf_free(c);
    return error;
}

weft_t *weft_scope_spawn(weft_scope *scope, weft_fn *fn, void *arg)
{
    weft_t *handle;
    int error = spawn(scope, NULL, fn, arg, true, __builtin_return_address(0), &handle);
    return error == 0 ? handle : wf_spawn_refuse(error);
}

weft_t *weft_scope_spawn_opt(weft_scope *scope, const weft_spawn_options *options, weft_fn *fn, void *arg)
{
    weft_t *handle;
    int error = spawn(scope, options, fn, arg, true, __builtin_return_address(0), &handle);
    if (error == 0)
        return handle;
    if (options != NULL && options->cleanup != NULL)
        options->cleanup(arg);
    return wf_spawn_refuse(error);
}

int weft_scope_go(weft_scope *scope, weft_fn *fn, void *arg)
{
    weft_t *handle;
    return spawn(scope, NULL, fn, arg, false, __builtin_return_address(0), &handle);
}

/* ---- opening and closing ---- */

int weft_scope_open(weft_scope *scope)
{
    if (scope == NULL)
        return -EINVAL;
    *scope = (weft_scope){{0}};
    struct scope *s = open_scope(scope);
    s->owner = wf_self();
    if (s->owner == NULL)
        return -ENOMEM;
    wf_list_init(&s->children);
    s->state = OPEN;
    return 0;
}

/* The lock is held on entry and on return. Until no child is left; or the wait was ended by something else: -ECANCELED,
 * -ETIMEDOUT. */
static int wait_for_children(struct scope *s, wf_coro *self, int64_t deadline)
{
    int result = 0;
    while (s->live > 0 && result == 0) {
        result = wf_wait_in_line(self, &s->line, WF_WAIT_SCOPE, s, deadline, &s->lock);
        wf_object_lock(&s->lock);
    }
    return s->live > 0 ? result : 0;
}

/* The same, whatever comes. */
static void wait_firmly(struct scope *s, wf_coro *self)
{
    while (s->live > 0) {
        wf_list_push_back(&s->line, &self->wait_node);
        wf_wait_locked_firm(self, WF_WAIT_SCOPE, s, &s->lock);
        wf_object_lock(&s->lock);
    }
}

/* It is closed: nobody else knows them any more. */
static void give_back(wf_list *children)
{
    wf_list *node;
    while ((node = wf_list_pop_front(children)) != NULL) {
        child *c = wf_container_of(node, child, sibling);
        wf_coro_unref(wf_worker_self(), c->handle); /* unless somebody has joined it, by the same handle */
        wf_free(c);
    }
}

static void move_list(wf_list *from, wf_list *to)
{
    wf_list *node;
    wf_list_init(to);
    while ((node = wf_list_pop_front(from)) != NULL)
        wf_list_push_back(to, node);
}

int weft_scope_close(weft_scope *scope)
{
    return weft_scope_close_until(scope, WEFT_NEVER);
}

int weft_scope_close_until(weft_scope *scope, int64_t deadline)
{
    wf_coro *self = wf_self();
    if (scope == NULL)
        return -EINVAL;
    struct scope *s = open_scope(scope);
    wf_object_lock(&s->lock);
    int refused = s->state == CLOSED ? -EINVAL : s->owner != self ? -EPERM : 0;
    if (refused != 0) {
        wf_object_unlock(&s->lock);
        return refused;
    }
    int result = wf_check(self);
    if (result == 0)
        result = wait_for_children(s, self, deadline);
    if (result != 0)
        cancel_locked(s);
    wait_firmly(s, self);
    wf_list children;
    move_list(&s->children, &children);
    s->state = CLOSED;
    int error = s->error != 0 ? s->error : result;
    wf_object_unlock(&s->lock);
    give_back(&children);
    return error;
}
