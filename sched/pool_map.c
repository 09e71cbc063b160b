/* apply, map and the iterators over a pool: batches of items, each the argument of one member and what that returned.
 *
 *   start   count the item in, hang it on the batch, start a member for it (sched/pool.h)
 *   end     (on the member) take the lock; note the result; wake the caller if that waits for this
 *   take    (the caller) take the lock; the item it wants has ended: off the batch with it. Else wait, and look again
 *   leave   (the caller) take what has ended off; the batch belongs to the members that are still at work. The last of them
 *           frees it
 *
 * The caller may therefore be killed or time out at any moment: nothing of its frame is known to a member.
 *
 * Why no wake-up is lost: `ended` and the line change under one lock.
 *
 * The iterators have no coroutine of their own that feeds the pool, as gevent's have: the caller feeds it whenever it asks for a
 * result. So there is none to be killed or forgotten, and a caller that does not ask holds everything up by itself.
 */
#include "core/alloc.h"
#include "sched/pool.h"
#include "sched/waiters.h"

/* What wakes the caller. */
enum want {
    WANT_ALL,   /* all have ended */
    WANT_FIRST, /* the first has */
    WANT_ANY,   /* one has: those that have ended stand in front */
};

typedef struct batch {
    wf_biased lock;
    enum want want;  /* fixed */
    bool abandoned;  /* lock: the caller has left */
    size_t running;  /* lock: items that have not ended */
    wf_list items;   /* lock: not taken, in the order of their start */
    wf_list ended;   /* lock: WANT_ANY: not taken, in the order of their end */
    wf_list waiters; /* lock: the line */
} batch;

typedef struct item {
    wf_pool_job job;
    wf_list node; /* on batch.items or batch.ended */
    batch *batch;
    void *result; /* lock, as the rest: once it has ended */
    int error;
    bool has_ended;
} item;

static item *item_of(wf_list *node)
{
    return wf_container_of(node, item, node);
}

static batch *new_batch(enum want want)
{
    batch *b = wf_alloc(sizeof(*b));
    if (b != NULL)
        b->want = want;
    return b;
}

/* ---- the lock is held ---- */

static wf_list *ready_items(batch *b)
{
    return b->want == WANT_ANY ? &b->ended : &b->items;
}

static bool is_due(batch *b)
{
    if (b->want == WANT_ALL)
        return b->running == 0;
    wf_list *list = ready_items(b);
    return !wf_list_is_empty(list) && item_of(list->next)->has_ended;
}

static void note(item *i, void *result, int error)
{
    i->result = result;
    i->error = error;
    i->has_ended = true;
    if (i->batch->want == WANT_ANY) {
        wf_list_remove(&i->node);
        wf_list_push_back(&i->batch->ended, &i->node);
    }
}

/* ---- the member's side ---- */

static void end_item(wf_pool_job *job, void *result, int error)
{
    item *i = wf_container_of(job, item, job);
    batch *b = i->batch;
    wf_coro *waiter = NULL;
    wf_object_lock(&b->lock);
    b->running--;
    bool abandoned = b->abandoned, last = b->running == 0;
    if (!abandoned) {
        note(i, result, error);
        if (is_due(b))
            waiter = wf_waiters_claim(&b->waiters);
    }
    wf_object_unlock(&b->lock);
    if (waiter != NULL)
        wf_ready(waiter, 0);
    if (!abandoned)
        return;
    wf_free(i);
    if (last)
        wf_free(b);
}

/* ---- the caller's side ---- */

/* Start fn(arg) as an item of b. deadline 0: -EAGAIN where it would have to wait for room. */
static int start(batch *b, weft_pool *pool, weft_fn *fn, void *arg, int64_t deadline)
{
    item *i = wf_alloc(sizeof(*i));
    if (i == NULL)
        return -ENOMEM;
    i->job.end = end_item;
    i->batch = b;
    wf_object_lock(&b->lock);
    wf_list_push_back(&b->items, &i->node);
    b->running++;
    wf_object_unlock(&b->lock);
    int error =
        deadline == 0 ? wf_pool_try_start(pool, fn, arg, &i->job) : wf_pool_start(pool, fn, arg, &i->job, deadline);
    if (error == 0)
        return 0;
    wf_object_lock(&b->lock);
    wf_list_remove(&i->node);
    b->running--;
    wf_object_unlock(&b->lock);
    wf_free(i);
    return error;
}

/* The step `leave`. */
static void leave(batch *b)
{
    wf_list done;
    wf_list *node;
    wf_list_init(&done);
    wf_object_lock(&b->lock);
    b->abandoned = true;
    while ((node = wf_list_pop_front(&b->ended)) != NULL)
        wf_list_push_back(&done, node);
    while ((node = wf_list_pop_front(&b->items)) != NULL)
        if (item_of(node)->has_ended)
            wf_list_push_back(&done, node);
    bool last = b->running == 0;
    wf_object_unlock(&b->lock);
    while ((node = wf_list_pop_front(&done)) != NULL)
        wf_free(item_of(node));
    if (last)
        wf_free(b);
}

/* Wait until it is due. */
static int wait_due(batch *b, int64_t deadline)
{
    wf_coro *self;
    int error = wf_enter(&self);
    while (error == 0) {
        wf_object_lock(&b->lock);
        if (is_due(b)) {
            wf_object_unlock(&b->lock);
            break;
        }
        error = wf_wait_in_line(self, &b->waiters, WF_WAIT_POOL_RESULT, b, deadline, &b->lock);
    }
    return error;
}

/* The first of those that are ready, of a batch that is due; NULL: none is left. */
static item *pop(batch *b)
{
    wf_object_lock(&b->lock);
    wf_list *node = wf_list_pop_front(ready_items(b));
    wf_object_unlock(&b->lock);
    return node != NULL ? item_of(node) : NULL;
}

/* By a member, in place: what fn makes of the coroutine's error is the call's. */
static int run_here(weft_fn *fn, void *arg, void **result)
{
    wf_coro *self = wf_self();
    int32_t before = self->error;
    self->error = 0;
    *result = fn(arg);
    self = wf_self();
    int error = self->error;
    self->error = before;
    return error;
}

/* ---- map and apply ---- */

static int map_here(weft_fn *fn, void *const *args, size_t n, void **results)
{
    int first = 0;
    for (size_t k = 0; k < n; k++) {
        void *result;
        int error = run_here(fn, args[k], &result);
        if (results != NULL)
            results[k] = result;
        if (first == 0)
            first = error;
    }
    return first;
}

/* Results of a batch that is due, and the first error. */
static int collect(batch *b, void **results)
{
    int first = 0;
    item *i;
    for (size_t k = 0; (i = pop(b)) != NULL; k++) {
        if (results != NULL)
            results[k] = i->result;
        if (first == 0)
            first = i->error;
        wf_free(i);
    }
    return first;
}

static int map(weft_pool *pool, weft_fn *fn, void *const *args, size_t n, void **results, int64_t deadline)
{
    wf_coro *self;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    if (wf_pool_is_member(pool))
        return map_here(fn, args, n, results);
    batch *b = new_batch(WANT_ALL);
    if (b == NULL)
        return -ENOMEM;
    /* A deadline of 0 would be taken for a mere try, and is as much in the past as 1. */
    deadline = deadline != 0 ? deadline : 1;
    for (size_t k = 0; k < n && error == 0; k++)
        error = start(b, pool, fn, args[k], deadline);
    if (error == 0)
        error = wait_due(b, deadline);
    if (error == 0)
        error = collect(b, results);
    leave(b);
    return error;
}

int weft_pool_apply(weft_pool *pool, weft_fn *fn, void *arg, void **result)
{
    return weft_pool_apply_until(pool, fn, arg, result, WEFT_NEVER);
}

int weft_pool_apply_until(weft_pool *pool, weft_fn *fn, void *arg, void **result, int64_t deadline)
{
    return pool == NULL || fn == NULL ? -EINVAL : map(pool, fn, &arg, 1, result, deadline);
}

int weft_pool_map(weft_pool *pool, weft_fn *fn, void *const *args, size_t n, void **results)
{
    return weft_pool_map_until(pool, fn, args, n, results, WEFT_NEVER);
}

int weft_pool_map_until(weft_pool *pool, weft_fn *fn, void *const *args, size_t n, void **results, int64_t deadline)
{
    if (pool == NULL || fn == NULL || (args == NULL && n > 0))
        return -EINVAL;
    return map(pool, fn, args, n, results, deadline);
}

/* ---- iterators ---- */

struct weft_pool_iter {
    batch *batch;
    weft_pool *pool;
    weft_fn *fn;
    weft_pool_source *source;
    void *state;
    size_t most; /* items started and not taken */
    size_t out;  /* such items now */
    void *arg;   /* taken from the source, and not started, if has_arg */
    bool has_arg;
    bool is_at_end;   /* the source has no more */
    int source_error; /* and this is to be told of it */
};

/* Is there an argument? */
static bool fetch(weft_pool_iter *it)
{
    if (!it->has_arg && !it->is_at_end) {
        int result = it->source(it->state, &it->arg);
        it->has_arg = result > 0;
        it->is_at_end = result <= 0;
        it->source_error = result < 0 ? result : 0;
    }
    return it->has_arg;
}

/* Start what there is room for; waits for room only where nothing of its own is out. */
static int feed(weft_pool_iter *it, int64_t deadline)
{
    while (it->out < it->most && fetch(it)) {
        int error = start(it->batch, it->pool, it->fn, it->arg, it->out > 0 ? 0 : deadline);
        if (error == -EAGAIN && it->out > 0)
            return 0;
        if (error != 0)
            return error;
        it->has_arg = false;
        it->out++;
    }
    return 0;
}

/* The last has been taken. */
static int finish(weft_pool_iter *it)
{
    int error = it->source_error;
    it->source_error = 0;
    return error;
}

static int next_here(weft_pool_iter *it, void **value)
{
    void *result;
    if (!fetch(it))
        return finish(it);
    it->has_arg = false;
    int error = run_here(it->fn, it->arg, &result);
    if (error == 0 && value != NULL)
        *value = result;
    return error == 0 ? 1 : error;
}

static int take(weft_pool_iter *it, void **value)
{
    item *i = pop(it->batch);
    int error = i->error;
    it->out--;
    if (error == 0 && value != NULL)
        *value = i->result;
    wf_free(i);
    return error == 0 ? 1 : error;
}

int weft_pool_iter_next(weft_pool_iter *it, void **value)
{
    return weft_pool_iter_next_until(it, value, WEFT_NEVER);
}

int weft_pool_iter_next_until(weft_pool_iter *it, void **value, int64_t deadline)
{
    wf_coro *self;
    if (it == NULL)
        return -EINVAL;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    if (it->out == 0 && wf_pool_is_member(it->pool))
        return next_here(it, value);
    deadline = deadline != 0 ? deadline : 1; /* as in map */
    error = feed(it, deadline);
    if (error == 0 && it->out == 0)
        return finish(it);
    if (error == 0)
        error = wait_due(it->batch, deadline);
    return error != 0 ? error : take(it, value);
}

static weft_pool_iter *refuse(int error)
{
    wf_coro *self = wf_self();
    if (self != NULL)
        self->last_error = (int16_t)error;
    return NULL;
}

static weft_pool_iter *iterate(weft_pool_iter what, enum want want)
{
    if (what.pool == NULL || what.fn == NULL || what.source == NULL)
        return refuse(-EINVAL);
    weft_pool_iter *it = wf_alloc(sizeof(*it));
    batch *b = new_batch(want);
    if (it == NULL || b == NULL) {
        wf_free(it);
        wf_free(b);
        return refuse(-ENOMEM);
    }
    *it = what;
    it->batch = b;
    if (it->most == 0)
        it->most = wf_pool_size(it->pool) != 0 ? wf_pool_size(it->pool) : SIZE_MAX;
    return it;
}

weft_pool_iter *weft_pool_imap(weft_pool *pool, weft_fn *fn, weft_pool_source *source, void *state, size_t maxsize)
{
    weft_pool_iter what = {.pool = pool, .fn = fn, .source = source, .state = state, .most = maxsize};
    return iterate(what, WANT_FIRST);
}

weft_pool_iter *weft_pool_imap_unordered(weft_pool *pool, weft_fn *fn, weft_pool_source *source, void *state,
                                         size_t maxsize)
{
    weft_pool_iter what = {.pool = pool, .fn = fn, .source = source, .state = state, .most = maxsize};
    return iterate(what, WANT_ANY);
}

void weft_pool_iter_free(weft_pool_iter *it)
{
    if (it == NULL)
        return;
    leave(it->batch);
    wf_free(it);
}
