/* Pool: a list of members, a count of places, and three lines: those that wait for a place to spawn into, those that only want
 * to know of one, and those that wait until nobody is left.
 *
 *   spawn   take a place, or stand in line for one; then spawn a coroutine whose argument is the member, with a destructor: that
 *           runs exactly once, when its body has returned or in its place
 *   end     (the destructor) tell whom it concerns; take the lock; leave the list; a spawner in line: the place is its own now.
 *           Else one place more: claim all who wait for one. Nobody left: claim all joiners. Let the lock go, and queue them
 *   kill    mark the members, make one fence for all, claim those that wait (as weft_killall does)
 *
 * A member is reachable from its spawn on. Two own its memory, the one that spawns it until it has noted the handle, and its end,
 * which may come first: whoever is second frees it. A kill that finds no handle yet leaves word (`doomed`), and the spawner
 * does it.
 *
 * Why no wake-up is lost: places, members and lines change under one lock. Spawners in line → no place is free; joiners in line → a
 * place is taken. A claimed spawner owns its place, and goes on to spawn whatever has happened to it meanwhile.
 *
 * Why it may be freed once a join has returned: the end of the last member lets the lock go as its last access to the pool, and
 * weft_pool_free takes the lock.
 */
#include "sched/pool.h"

#include <limits.h>

#include "core/alloc.h"
#include "sched/waiters.h"

struct weft_pool {
    wf_biased lock;
    int32_t error;    /* lock: the first of a member, until asked for */
    size_t size;      /* fixed; 0: no limit */
    size_t taken;     /* lock: places, by members and by spawns under way */
    unsigned killers; /* lock: calls of kill; who is spawned meanwhile is killed */
    wf_list members;  /* lock */
    wf_list spawners; /* lock: the line, as all three */
    wf_list onlookers;
    wf_list joiners;
};

typedef struct member {
    wf_list node; /* on pool.members from before the spawn to the end */
    weft_pool *pool;
    weft_fn *fn;
    void *arg;
    wf_pool_job *job; /* NULL: nobody wants to know */
    wf_coro *spawner; /* who spawns it, for the end to know that the spawn has failed */
    weft_t *handle;   /* lock: NULL until the spawner has noted it */
    void *result;     /* its own coroutine's, as began */
    bool began;
    bool doomed;    /* lock: to be killed */
    uint8_t owners; /* lock: of this memory */
} member;

/* ---- places ---- */

/* The lock is held. */
static bool has_room(const weft_pool *pool)
{
    return pool->size == 0 || pool->taken < pool->size;
}

static int room(const weft_pool *pool)
{
    if (pool->size == 0 || pool->size - pool->taken > INT_MAX)
        return INT_MAX;
    return (int)(pool->size - pool->taken);
}

static int take_place(weft_pool *pool, wf_coro *self, int64_t deadline, bool may_wait)
{
    int result = 0;
    wf_object_lock(&pool->lock);
    if (has_room(pool))
        pool->taken++;
    else if (may_wait)
        return wf_wait_in_line(self, &pool->spawners, WF_WAIT_POOL_ROOM, pool, deadline, &pool->lock);
    else
        result = -EAGAIN;
    wf_object_unlock(&pool->lock);
    return result;
}

/* Whoever is to hear of a place that gets free. The lock is held. */
typedef struct audience {
    wf_list spawner, onlookers, joiners;
    int room;
} audience;

static void give_place_back(weft_pool *pool, audience *a)
{
    wf_list_init(&a->spawner);
    wf_list_init(&a->onlookers);
    wf_list_init(&a->joiners);
    wf_coro *next = wf_waiters_claim(&pool->spawners);
    if (next != NULL) {
        wf_list_push_back(&a->spawner, &next->wait_node);
        return;
    }
    pool->taken--;
    a->room = room(pool);
    wf_waiters_claim_all(&pool->onlookers, &a->onlookers);
    if (pool->taken == 0)
        wf_waiters_claim_all(&pool->joiners, &a->joiners);
}

/* No lock is held. */
static void tell(audience *a)
{
    wf_ready_all(&a->spawner, 0);
    wf_ready_all(&a->onlookers, a->room);
    wf_ready_all(&a->joiners, 0);
}

/* ---- members ---- */

/* The lock is held. True: the caller frees it. */
static bool disown(member *m)
{
    return --m->owners == 0;
}

static void *run_member(void *arg)
{
    member *m = arg;
    m->began = true;
    m->result = m->fn(m->arg);
    return m->result;
}

/* The destructor of the argument; if the spawn has failed, called by the spawner. */
static void end_member(void *arg)
{
    member *m = arg;
    weft_pool *pool = m->pool;
    wf_coro *self = wf_self();
    audience a;
    int error = 0;
    if (self != m->spawner) {
        error = m->began ? self->error : 0;
        if (m->job != NULL)
            m->job->end(m->job, m->result, m->began ? error : -ECANCELED);
        wf_store_relaxed(&self->arg, NULL); /* relaxed: wf_pool_is_member is called by the coroutine itself */
    }
    wf_object_lock(&pool->lock);
    if (pool->error == 0)
        pool->error = error;
    wf_list_remove(&m->node);
    bool last = disown(m);
    give_place_back(pool, &a);
    wf_object_unlock(&pool->lock);
    tell(&a);
    if (last)
        wf_free(m);
}

/* Note the handle of one that was spawned, or has not been. */
static void note_handle(weft_pool *pool, member *m, weft_t *t)
{
    wf_object_lock(&pool->lock);
    m->handle = t;
    bool doomed = m->doomed || pool->killers > 0;
    bool ended = disown(m);
    wf_object_unlock(&pool->lock);
    if (ended)
        wf_free(m);
    else if (doomed)
        weft_kill(t);
}

/* Into a place that is taken already. */
static weft_t *spawn_member(weft_pool *pool, member *m)
{
    static const weft_spawn_options options = {.cleanup = end_member};
    m->owners = 2;
    wf_object_lock(&pool->lock);
    wf_list_push_back(&pool->members, &m->node);
    wf_object_unlock(&pool->lock);
    weft_t *t = weft_spawn_opt(&options, run_member, m);
    note_handle(pool, m, t);
    return t;
}

/* All ways to spawn: the handle, or NULL and *error. */
static weft_t *spawn(weft_pool *pool, member what, int64_t deadline, bool may_wait, int *error)
{
    wf_coro *self = NULL;
    weft_t *t = NULL;
    *error = pool == NULL || what.fn == NULL ? -EINVAL : wf_enter(&self);
    if (*error == -ECANCELED && !may_wait)
        *error = 0;
    if (*error != 0)
        return NULL;
    member *m = wf_alloc(sizeof(*m));
    if (m == NULL) {
        *error = -ENOMEM;
        return NULL;
    }
    *m = what;
    m->pool = pool;
    m->spawner = self;
    *error = take_place(pool, self, deadline, may_wait);
    if (*error != 0) {
        wf_free(m);
        return NULL;
    }
    t = spawn_member(pool, m);
    if (t == NULL)
        *error = weft_last_error();
    return t;
}

static weft_t *spawn_or_say(weft_pool *pool, member what, int64_t deadline, bool may_wait)
{
    int error;
    weft_t *t = spawn(pool, what, deadline, may_wait, &error);
    wf_coro *self = t == NULL ? wf_self() : NULL;
    if (self != NULL)
        self->last_error = (int16_t)error;
    return t;
}

static int go(weft_pool *pool, member what, int64_t deadline, bool may_wait)
{
    int error;
    weft_t *t = spawn(pool, what, deadline, may_wait, &error);
    if (t != NULL)
        weft_detach(t);
    return error;
}

weft_t *weft_pool_spawn(weft_pool *pool, weft_fn *fn, void *arg)
{
    return spawn_or_say(pool, (member){.fn = fn, .arg = arg}, WEFT_NEVER, true);
}

weft_t *weft_pool_spawn_until(weft_pool *pool, weft_fn *fn, void *arg, int64_t deadline)
{
    return spawn_or_say(pool, (member){.fn = fn, .arg = arg}, deadline, true);
}

weft_t *weft_pool_try_spawn(weft_pool *pool, weft_fn *fn, void *arg)
{
    return spawn_or_say(pool, (member){.fn = fn, .arg = arg}, 0, false);
}

int weft_pool_go(weft_pool *pool, weft_fn *fn, void *arg)
{
    return go(pool, (member){.fn = fn, .arg = arg}, WEFT_NEVER, true);
}

int weft_pool_go_until(weft_pool *pool, weft_fn *fn, void *arg, int64_t deadline)
{
    return go(pool, (member){.fn = fn, .arg = arg}, deadline, true);
}

int weft_pool_try_go(weft_pool *pool, weft_fn *fn, void *arg)
{
    return go(pool, (member){.fn = fn, .arg = arg}, 0, false);
}

int wf_pool_start(weft_pool *pool, weft_fn *fn, void *arg, wf_pool_job *job, int64_t deadline)
{
    return go(pool, (member){.fn = fn, .arg = arg, .job = job}, deadline, true);
}

int wf_pool_try_start(weft_pool *pool, weft_fn *fn, void *arg, wf_pool_job *job)
{
    return go(pool, (member){.fn = fn, .arg = arg, .job = job}, 0, false);
}

bool wf_pool_is_member(const weft_pool *pool)
{
    wf_coro *self = wf_self_coro();
    if (self == NULL || self->fn != run_member)
        return false;
    member *m = wf_load_relaxed(&self->arg); /* relaxed: our own */
    return m != NULL && m->pool == pool;
}

size_t wf_pool_size(const weft_pool *pool)
{
    return pool->size;
}

/* ---- looking ---- */

size_t weft_pool_len(weft_pool *pool)
{
    if (pool == NULL)
        return 0;
    wf_object_lock(&pool->lock);
    size_t taken = pool->taken;
    wf_object_unlock(&pool->lock);
    return taken;
}

int weft_pool_free_count(weft_pool *pool)
{
    if (pool == NULL)
        return -EINVAL;
    wf_object_lock(&pool->lock);
    int result = room(pool);
    wf_object_unlock(&pool->lock);
    return result;
}

int weft_pool_error(weft_pool *pool)
{
    if (pool == NULL)
        return -EINVAL;
    wf_object_lock(&pool->lock);
    int error = pool->error;
    pool->error = 0;
    wf_object_unlock(&pool->lock);
    return error;
}

/* ---- waiting ---- */

int weft_pool_wait_available(weft_pool *pool)
{
    return weft_pool_wait_available_until(pool, WEFT_NEVER);
}

int weft_pool_wait_available_until(weft_pool *pool, int64_t deadline)
{
    wf_coro *self;
    if (pool == NULL)
        return -EINVAL;
    int result = wf_enter(&self);
    if (result != 0)
        return result;
    wf_object_lock(&pool->lock);
    if (!has_room(pool))
        return wf_wait_in_line(self, &pool->onlookers, WF_WAIT_POOL_ROOM, pool, deadline, &pool->lock);
    result = room(pool);
    wf_object_unlock(&pool->lock);
    return result;
}

int weft_pool_join(weft_pool *pool)
{
    return weft_pool_join_until(pool, WEFT_NEVER);
}

int weft_pool_join_until(weft_pool *pool, int64_t deadline)
{
    wf_coro *self;
    if (pool == NULL)
        return -EINVAL;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    if (wf_pool_is_member(pool))
        return -EDEADLK;
    wf_object_lock(&pool->lock);
    if (pool->taken > 0)
        return wf_wait_in_line(self, &pool->joiners, WF_WAIT_POOL_JOIN, pool, deadline, &pool->lock);
    wf_object_unlock(&pool->lock);
    return 0;
}

/* ---- killing ---- */

/* Each that is there now, and has a handle. The lock is held. */
static void each_doomed(weft_pool *pool, void (*visit)(const weft_t *t))
{
    if (wf_list_is_empty(&pool->members))
        return;
    for (wf_list *node = pool->members.next; node != &pool->members; node = node->next) {
        member *m = wf_container_of(node, member, node);
        if (m->doomed && m->handle != NULL)
            visit(m->handle);
    }
}

static void mark(const weft_t *t)
{
    wf_kill_mark(t);
}

static void doom_all(weft_pool *pool)
{
    if (wf_list_is_empty(&pool->members))
        return;
    for (wf_list *node = pool->members.next; node != &pool->members; node = node->next)
        wf_container_of(node, member, node)->doomed = true;
}

int weft_pool_kill(weft_pool *pool)
{
    return weft_pool_kill_until(pool, WEFT_NEVER);
}

int weft_pool_kill_until(weft_pool *pool, int64_t deadline)
{
    if (pool == NULL)
        return -EINVAL;
    wf_object_lock(&pool->lock);
    pool->killers++;
    doom_all(pool);
    each_doomed(pool, mark);
    wf_object_unlock(&pool->lock);
    wf_fence_heavy(); /* ORDER(state-kill): as wf_state_kill, once for all of them. */
    wf_object_lock(&pool->lock);
    each_doomed(pool, wf_kill_claim);
    wf_object_unlock(&pool->lock);
    int result = weft_pool_join_until(pool, deadline);
    wf_object_lock(&pool->lock);
    pool->killers--;
    wf_object_unlock(&pool->lock);
    return result;
}

/* ---- life ---- */

weft_pool *weft_pool_new(size_t size)
{
    weft_pool *pool = wf_alloc(sizeof(*pool));
    if (pool != NULL) {
        pool->size = size;
        return pool;
    }
    wf_coro *self = wf_self();
    if (self != NULL)
        self->last_error = -ENOMEM;
    return NULL;
}

int weft_pool_free(weft_pool *pool)
{
    if (pool == NULL)
        return 0;
    /* Once it has the lock, whoever used the pool last is done with it too. */
    wf_object_lock(&pool->lock);
    bool busy = pool->taken > 0 || !wf_list_is_empty(&pool->onlookers) || pool->killers > 0;
    wf_object_unlock(&pool->lock);
    if (busy)
        return -EBUSY;
    wf_free(pool);
    return 0;
}
