/* Future: a value that is set once, a line of those that wait for it, and callbacks.
 *
 * The word
 *     ATTENDED   somebody stands in the line, or a callback is linked. May be stale; never missing
 *     SETTING    one has won the right to set it
 *     SET        alone: value and error are there, for good
 *
 *     set        0 → SETTING; write the value; claim whoever is there; SETTING → SET, if ATTENDED is not set; queue the claimed,
 *                start the callbacks
 *     claim      ATTENDED: take everybody off the line, and all callbacks, onto lists of the setter's own; - ATTENDED. Under
 *                the lock
 *     wait       not SET: + ATTENDED, and stand in the line. Under the lock
 *     get        SET: read it. One load, without the lock
 *
 * Why no wake-up is lost: the last step of set is a compare-and-swap that fails while ATTENDED is set, and a waiter sets it with
 * one that fails when SET is. So either the waiter sees SET, or the setter comes for it, once more if need be.
 *
 * Why it may be freed by whoever has found it set: SET is the last that the setter writes to it, after it has let the lock go
 * for the last time. Those that it has claimed are told after that, from its own list. This is also why SET is not set under the
 * lock.
 *
 * Setting it twice is refused. gevent's AsyncResult may be set again; but there nobody reads it at the same moment.
 *
 * The model is tests/model/model_future.c.
 */
#include "core/alloc.h"
#include "sched/waiters.h"

enum { ATTENDED = 1, SETTING = 2, SET = 4 };

struct future {
    _Atomic(uint32_t) word; /* any (atomic): see above */
    int32_t error;          /* SETTING: the setter's; SET: fixed; as value */
    void *value;
    wf_biased lock;
    wf_list waiters; /* lock: the line */
    wf_list links;   /* lock: callbacks, in order */
};

static_assert(sizeof(struct future) <= sizeof(weft_future), "fits the public object");
static_assert(_Alignof(struct future) <= _Alignof(weft_future), "is aligned as the public object");

struct link {
    wf_list node; /* on future.links; then on the setter's own list */
    weft_fn *fn;
    void *arg;
};

static struct future *open_future(weft_future *future)
{
    return (struct future *)(void *)future;
}

WF_INLINE bool is_set(struct future *f)
{
    return wf_load_acquire(&f->word) == SET; /* ORDER(future): pairs with set: value and error. */
}

/* ---- setting ---- */

static bool win(struct future *f)
{
    uint32_t word = wf_load_relaxed(&f->word); /* relaxed: the CAS decides */
    do {
        if (word & (SETTING | SET))
            return false;
        /* relaxed: it publishes nothing. */
    } while (!wf_cas_relaxed(&f->word, &word, word | SETTING));
    return true;
}

/* The step `claim`. */
static WF_SLOW void claim_all(struct future *f, wf_list *claimed, wf_list *links)
{
    wf_coro *coro;
    wf_list *node;
    wf_object_lock(&f->lock);
    while ((coro = wf_waiters_claim(&f->waiters)) != NULL)
        wf_list_push_back(claimed, &coro->wait_node);
    while ((node = wf_list_pop_front(&f->links)) != NULL)
        wf_list_push_back(links, node);
    wf_store_relaxed(&f->word, SETTING); /* relaxed: publishes nothing; with SETTING it changes under the lock only */
    wf_object_unlock(&f->lock);
}

/* Where it cannot be a coroutine of its own it is called in place: called it is. */
static void call_all(wf_list *links)
{
    wf_list *node;
    while ((node = wf_list_pop_front(links)) != NULL) {
        struct link *link = wf_container_of(node, struct link, node);
        if (weft_go(link->fn, link->arg) != 0)
            link->fn(link->arg);
        wf_free(link);
    }
}

static int set(struct future *f, void *value, int error)
{
    wf_list claimed = {0}, links = {0};
    if (!win(f))
        return -EALREADY;
    wf_plain_write(&f->value, value);
    wf_plain_write(&f->error, error);
    uint32_t word = SETTING;
    while (!wf_cas_release(&f->word, &word, SET)) { /* ORDER(future): pairs with is_set and announce. */
        if (word & ATTENDED)
            claim_all(f, &claimed, &links);
        word = SETTING;
    }
    wf_ready_all(&claimed, 0);
    call_all(&links);
    return 0;
}

int weft_future_set(weft_future *future, void *value)
{
    return future == NULL ? -EINVAL : set(open_future(future), value, 0);
}

int weft_future_set_error(weft_future *future, int error)
{
    return future == NULL || error >= 0 ? -EINVAL : set(open_future(future), NULL, error);
}

int weft_future_cancel(weft_future *future)
{
    return weft_future_set_error(future, -ECANCELED);
}

/* ---- waiting ---- */

/* Under the lock. False: it is set. */
static bool announce(struct future *f)
{
    uint32_t word = wf_load_acquire(&f->word); /* ORDER(future): as is_set. */
    while (word != SET) {
        /* ORDER(future): as is_set, where it fails. The flag publishes nothing: who acts on it takes the lock first. */
        if (wf_cas_acquire(&f->word, &word, word | ATTENDED))
            return true;
    }
    return false;
}

static WF_SLOW int wait_in_line(struct future *f, wf_coro *self, int64_t deadline)
{
    wf_object_lock(&f->lock);
    if (announce(f))
        return wf_wait_in_line(self, &f->waiters, WF_WAIT_FUTURE, f, deadline, &f->lock);
    wf_object_unlock(&f->lock);
    return 0;
}

WF_INLINE int wait_for(struct future *f, int64_t deadline)
{
    wf_coro *self;
    int error = wf_enter(&self);
    if (wf_unlikely(error != 0))
        return error;
    return wf_likely(is_set(f)) ? 0 : wait_in_line(f, self, deadline);
}

int weft_future_get(weft_future *future, void **value)
{
    return weft_future_get_until(future, value, WEFT_NEVER);
}

int weft_future_get_until(weft_future *future, void **value, int64_t deadline)
{
    if (wf_unlikely(future == NULL))
        return -EINVAL;
    struct future *f = open_future(future);
    int error = wait_for(f, deadline);
    if (error == 0)
        error = wf_plain_read(&f->error);
    if (error == 0 && value != NULL)
        *value = wf_plain_read(&f->value);
    return error;
}

int weft_future_wait(weft_future *future)
{
    return weft_future_wait_until(future, WEFT_NEVER);
}

int weft_future_wait_until(weft_future *future, int64_t deadline)
{
    return future == NULL ? -EINVAL : wait_for(open_future(future), deadline);
}

/* ---- looking ---- */

int weft_future_ready(weft_future *future)
{
    return future == NULL ? -EINVAL : is_set(open_future(future));
}

void *weft_future_value(weft_future *future)
{
    return future != NULL && is_set(open_future(future)) ? open_future(future)->value : NULL;
}

int weft_future_error(weft_future *future)
{
    if (future == NULL)
        return -EINVAL;
    return is_set(open_future(future)) ? open_future(future)->error : -EAGAIN;
}

/* ---- callbacks ---- */

int weft_future_link(weft_future *future, weft_fn *fn, void *arg)
{
    if (future == NULL || fn == NULL)
        return -EINVAL;
    struct future *f = open_future(future);
    struct link *link = wf_alloc(sizeof(*link));
    if (link == NULL)
        return -ENOMEM;
    *link = (struct link){.fn = fn, .arg = arg};
    wf_object_lock(&f->lock);
    bool linked = announce(f);
    if (linked)
        wf_list_push_back(&f->links, &link->node);
    wf_object_unlock(&f->lock);
    if (linked)
        return 0;
    wf_free(link);
    return weft_go(fn, arg);
}

/* Under the lock. NULL: there is none. */
static struct link *find(struct future *f, weft_fn *fn, void *arg)
{
    if (wf_list_is_empty(&f->links))
        return NULL;
    for (wf_list *node = f->links.next; node != &f->links; node = node->next) {
        struct link *link = wf_container_of(node, struct link, node);
        if (link->fn == fn && link->arg == arg)
            return link;
    }
    return NULL;
}

int weft_future_unlink(weft_future *future, weft_fn *fn, void *arg)
{
    if (future == NULL)
        return -EINVAL;
    struct future *f = open_future(future);
    wf_object_lock(&f->lock);
    struct link *link = find(f, fn, arg);
    if (link != NULL)
        wf_list_remove(&link->node);
    wf_object_unlock(&f->lock);
    wf_free(link);
    return link != NULL ? 0 : -ENOENT;
}

/* ---- life ---- */

int weft_future_init(weft_future *future)
{
    if (future == NULL)
        return -EINVAL;
    *future = (weft_future)WEFT_FUTURE_INIT;
    return 0;
}

int weft_future_fini(weft_future *future)
{
    if (future == NULL)
        return -EINVAL;
    struct future *f = open_future(future);
    if (is_set(f))
        return 0;
    wf_object_lock(&f->lock);
    bool busy = !wf_list_is_empty(&f->waiters) || !wf_list_is_empty(&f->links);
    wf_object_unlock(&f->lock);
    return busy ? -EBUSY : 0;
}
