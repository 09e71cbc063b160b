/* weft_queue: a store of items (core/items.h), and three lines: getters that found it empty, putters that found it full, and those
 * that wait until all is done.
 *
 *   put       take the lock; shut down? -EPIPE. Getters in line (so it is empty): claim them from the front and give each the item,
 *             up to the first that takes it; those before only peek. None took it, and there is room: store it. Else stand in the
 *             line of putters and suspend
 *   get       take the lock; something there: take it, and let the item of the first putter in line in. Else shut down? -EPIPE.
 *             Else stand in the line of getters and suspend. peek is the same, but takes nothing
 *   done      one less is unfinished; none: claim everybody in the line of joiners
 *   shutdown  claim everybody in the lines of getters and putters; they return -EPIPE
 *
 * Invariants: getters in line → empty; putters in line → full; joiners in line → something is unfinished.
 *
 * Why nothing is lost or doubled: as in sched/channel.c. An item changes hands under the lock, and to or from a waiter only
 * after that has been claimed: then nothing else ends its wait.
 *
 * Where the item of a waiter is. Up to 8 bytes: in its control block. Larger: at the address that its caller gave; the caller
 * does not return before it has been claimed or has got itself out of the line.
 *
 * An empty queue has room for one item without allocating, so whoever is given an item has it before anything can fail.
 */
#include <string.h>

#include "core/alloc.h"
#include "core/items.h"
#include "sched/waiters.h"

enum { ITEM_MAX = 64 * 1024, SLOTS_AT_FIRST = 8 };

/* Of put_now: there may be more items than there are slots. */
enum { NO_SLOT = 1 };

/* Words of wait_data */
enum {
    AT_ITEM,               /* the item, or its address */
    AT_PEEK,               /* of a getter: it leaves the item there */
    AT_PRIORITY = AT_PEEK, /* of a putter */
};

struct weft_queue {
    wf_biased lock;
    bool is_shut;      /* lock */
    size_t maxsize;    /* fixed; 0: no limit */
    size_t unfinished; /* lock */
    wf_items items;    /* lock */
    wf_list getters;   /* lock: the line, as all three */
    wf_list putters;
    wf_list joiners;
};

/* One call of put or get. */
typedef struct request {
    const void *item; /* put: where it is */
    void *to;         /* get: where it goes, or NULL */
    int64_t priority; /* put */
    bool is_peek;     /* get */
    int64_t deadline;
} request;

static bool is_small(const weft_queue *q)
{
    return q->items.item_size <= sizeof(((wf_coro *)0)->wait_data[AT_ITEM]);
}

/* ---- the lock is held, for all of these; whom they claim they hang on `claimed` ---- */

/* To a claimed getter. */
static void give(weft_queue *q, wf_coro *getter, const void *item)
{
    void *to = is_small(q) ? (void *)&getter->wait_data[AT_ITEM] : (void *)(uintptr_t)getter->wait_data[AT_ITEM];
    if (to != NULL)
        memcpy(to, item, q->items.item_size);
}

/* True: one of the getters in line has taken it. */
static bool give_to_getters(weft_queue *q, const void *item, wf_list *claimed)
{
    wf_coro *getter;
    while ((getter = wf_waiters_claim(&q->getters)) != NULL) {
        bool takes = getter->wait_data[AT_PEEK] == 0;
        give(q, getter, item);
        wf_list_push_back(claimed, &getter->wait_node);
        if (takes)
            return true;
    }
    return false;
}

/* 0, -EPIPE, -EAGAIN: it is full; NO_SLOT. */
static int put_now(weft_queue *q, const request *r, wf_list *claimed)
{
    if (q->is_shut)
        return -EPIPE;
    if (q->maxsize != 0 && q->items.count >= q->maxsize)
        return -EAGAIN;
    if (wf_items_is_full(&q->items))
        return NO_SLOT;
    if (!give_to_getters(q, r->item, claimed))
        wf_items_put(&q->items, r->item, r->priority);
    q->unfinished++;
    return 0;
}

/* There is room for one more. */
static void let_putter_in(weft_queue *q, wf_list *claimed)
{
    wf_coro *putter = wf_waiters_claim(&q->putters);
    if (putter == NULL)
        return;
    const void *item =
        is_small(q) ? (const void *)&putter->wait_data[AT_ITEM] : (const void *)(uintptr_t)putter->wait_data[AT_ITEM];
    wf_items_put(&q->items, item, (int64_t)putter->wait_data[AT_PRIORITY]);
    q->unfinished++;
    wf_list_push_back(claimed, &putter->wait_node);
}

/* 0, -EPIPE, -EAGAIN: it is empty. */
static int get_now(weft_queue *q, const request *r, wf_list *claimed)
{
    if (q->items.count == 0)
        return q->is_shut ? -EPIPE : -EAGAIN;
    if (r->is_peek) {
        if (r->to != NULL)
            memcpy(r->to, wf_items_first(&q->items), q->items.item_size);
        return 0;
    }
    wf_items_take(&q->items, r->to);
    let_putter_in(q, claimed);
    return 0;
}

/* ---- putting ---- */

/* More slots, if it still lacks them. The lock is not held. 0, -ENOMEM. */
static WF_SLOW int grow(weft_queue *q, size_t seen)
{
    size_t capacity = seen * 2;
    unsigned char *slots = wf_items_make_slots(&q->items, capacity);
    if (slots == NULL)
        return -ENOMEM;
    wf_object_lock(&q->lock);
    if (q->items.capacity < capacity)
        slots = wf_items_use_slots(&q->items, slots, capacity);
    wf_object_unlock(&q->lock);
    wf_free(slots);
    return 0;
}

/* What put_now says, but NO_SLOT. The lock is still held if it is -EAGAIN, and else those claimed are queued. */
static int put_or_keep_lock(weft_queue *q, const request *r)
{
    for (;;) {
        wf_list claimed;
        wf_list_init(&claimed);
        wf_object_lock(&q->lock);
        size_t capacity = q->items.capacity;
        int result = put_now(q, r, &claimed);
        if (result == -EAGAIN)
            return result;
        wf_object_unlock(&q->lock);
        wf_ready_all(&claimed, 0);
        if (result == NO_SLOT)
            result = grow(q, capacity);
        else
            return result;
        if (result != 0)
            return result;
    }
}

static int put_in_line(weft_queue *q, wf_coro *self, const request *r)
{
    self->wait_data[AT_ITEM] = (uintptr_t)r->item;
    if (is_small(q))
        memcpy(&self->wait_data[AT_ITEM], r->item, q->items.item_size);
    self->wait_data[AT_PRIORITY] = (uint64_t)r->priority;
    return wf_wait_in_line(self, &q->putters, WF_WAIT_QUEUE_PUT, q, r->deadline, &q->lock);
}

static bool may_put(const weft_queue *q, const request *r, bool by_priority)
{
    return q != NULL && r->item != NULL && (!by_priority || q->items.order == WF_ITEMS_PRIORITY);
}

static int put(weft_queue *q, request r, bool by_priority)
{
    wf_coro *self;
    if (!may_put(q, &r, by_priority))
        return -EINVAL;
    int result = wf_enter(&self);
    if (result != 0)
        return result;
    result = put_or_keep_lock(q, &r);
    return result == -EAGAIN ? put_in_line(q, self, &r) : result;
}

static int try_put(weft_queue *q, request r, bool by_priority)
{
    if (!may_put(q, &r, by_priority))
        return -EINVAL;
    int result = put_or_keep_lock(q, &r);
    if (result == -EAGAIN)
        wf_object_unlock(&q->lock);
    return result;
}

int weft_queue_put(weft_queue *q, const void *value)
{
    return put(q, (request){.item = value, .deadline = WEFT_NEVER}, false);
}

int weft_queue_put_until(weft_queue *q, const void *value, int64_t deadline)
{
    return put(q, (request){.item = value, .deadline = deadline}, false);
}

int weft_queue_try_put(weft_queue *q, const void *value)
{
    return try_put(q, (request){.item = value}, false);
}

int weft_queue_put_priority(weft_queue *q, const void *value, int64_t priority)
{
    return put(q, (request){.item = value, .priority = priority, .deadline = WEFT_NEVER}, true);
}

int weft_queue_put_priority_until(weft_queue *q, const void *value, int64_t priority, int64_t deadline)
{
    return put(q, (request){.item = value, .priority = priority, .deadline = deadline}, true);
}

int weft_queue_try_put_priority(weft_queue *q, const void *value, int64_t priority)
{
    return try_put(q, (request){.item = value, .priority = priority}, true);
}

/* ---- getting ---- */

static int get_in_line(weft_queue *q, wf_coro *self, const request *r)
{
    size_t size = q->items.item_size; /* before the wait: who is given the last item may free the queue */
    bool small = is_small(q);
    self->wait_data[AT_ITEM] = (uintptr_t)r->to;
    self->wait_data[AT_PEEK] = r->is_peek;
    int result = wf_wait_in_line(self, &q->getters, WF_WAIT_QUEUE_GET, q, r->deadline, &q->lock);
    if (result == 0 && small && r->to != NULL)
        memcpy(r->to, &self->wait_data[AT_ITEM], size);
    return result;
}

/* What get_now says. The lock is still held if it is -EAGAIN. */
static int get_or_keep_lock(weft_queue *q, const request *r)
{
    wf_list claimed;
    wf_list_init(&claimed);
    wf_object_lock(&q->lock);
    int result = get_now(q, r, &claimed);
    if (result == -EAGAIN)
        return result;
    wf_object_unlock(&q->lock);
    wf_ready_all(&claimed, 0);
    return result;
}

static int get(weft_queue *q, request r)
{
    wf_coro *self;
    if (q == NULL)
        return -EINVAL;
    int result = wf_enter(&self);
    if (result != 0)
        return result;
    result = get_or_keep_lock(q, &r);
    return result == -EAGAIN ? get_in_line(q, self, &r) : result;
}

static int try_get(weft_queue *q, request r)
{
    if (q == NULL)
        return -EINVAL;
    int result = get_or_keep_lock(q, &r);
    if (result == -EAGAIN)
        wf_object_unlock(&q->lock);
    return result;
}

int weft_queue_get(weft_queue *q, void *value)
{
    return get(q, (request){.to = value, .deadline = WEFT_NEVER});
}

int weft_queue_get_until(weft_queue *q, void *value, int64_t deadline)
{
    return get(q, (request){.to = value, .deadline = deadline});
}

int weft_queue_try_get(weft_queue *q, void *value)
{
    return try_get(q, (request){.to = value});
}

int weft_queue_peek(weft_queue *q, void *value)
{
    return get(q, (request){.to = value, .is_peek = true, .deadline = WEFT_NEVER});
}

int weft_queue_peek_until(weft_queue *q, void *value, int64_t deadline)
{
    return get(q, (request){.to = value, .is_peek = true, .deadline = deadline});
}

int weft_queue_try_peek(weft_queue *q, void *value)
{
    return try_get(q, (request){.to = value, .is_peek = true});
}

/* ---- looking ---- */

size_t weft_queue_len(weft_queue *q)
{
    if (q == NULL)
        return 0;
    wf_object_lock(&q->lock);
    size_t count = q->items.count;
    wf_object_unlock(&q->lock);
    return count;
}

size_t weft_queue_unfinished(weft_queue *q)
{
    if (q == NULL)
        return 0;
    wf_object_lock(&q->lock);
    size_t count = q->unfinished;
    wf_object_unlock(&q->lock);
    return count;
}

int weft_queue_empty(weft_queue *q)
{
    return q == NULL ? -EINVAL : weft_queue_len(q) == 0;
}

int weft_queue_full(weft_queue *q)
{
    return q == NULL ? -EINVAL : q->maxsize != 0 && weft_queue_len(q) == q->maxsize;
}

/* ---- the end of tasks, and of the queue ---- */

/* So many are finished; the lock is held. */
static void finish(weft_queue *q, size_t n, wf_list *claimed)
{
    wf_list_init(claimed);
    q->unfinished -= n;
    if (q->unfinished == 0)
        wf_waiters_claim_all(&q->joiners, claimed);
}

int weft_queue_task_done(weft_queue *q)
{
    wf_list claimed;
    if (q == NULL)
        return -EINVAL;
    wf_object_lock(&q->lock);
    bool any = q->unfinished > 0;
    finish(q, any ? 1 : 0, &claimed);
    wf_object_unlock(&q->lock);
    wf_ready_all(&claimed, 0);
    return any ? 0 : -EINVAL;
}

int weft_queue_join(weft_queue *q)
{
    return weft_queue_join_until(q, WEFT_NEVER);
}

int weft_queue_join_until(weft_queue *q, int64_t deadline)
{
    wf_coro *self;
    if (q == NULL)
        return -EINVAL;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    wf_object_lock(&q->lock);
    if (q->unfinished > 0)
        return wf_wait_in_line(self, &q->joiners, WF_WAIT_QUEUE_JOIN, q, deadline, &q->lock);
    wf_object_unlock(&q->lock);
    return 0;
}

/* Those that were dropped and had been finished already, by a task_done too early, are not finished twice. */
static size_t drop_all(weft_queue *q)
{
    size_t dropped = wf_items_clear(&q->items);
    return dropped < q->unfinished ? dropped : q->unfinished;
}

int weft_queue_shutdown(weft_queue *q, bool immediate)
{
    wf_list getters, putters, joiners;
    if (q == NULL)
        return -EINVAL;
    wf_object_lock(&q->lock);
    q->is_shut = true;
    finish(q, immediate ? drop_all(q) : 0, &joiners);
    wf_waiters_claim_all(&q->getters, &getters);
    wf_waiters_claim_all(&q->putters, &putters);
    wf_object_unlock(&q->lock);
    wf_ready_all(&joiners, 0);
    wf_ready_all(&getters, -EPIPE);
    wf_ready_all(&putters, -EPIPE);
    return 0;
}

/* ---- life ---- */

static void *fail(int error)
{
    wf_coro *self = wf_self();
    if (self != NULL)
        self->last_error = (int16_t)error;
    return NULL;
}

/* 0, -ENOMEM. */
static int open_queue(weft_queue *q, weft_queue_kind kind, size_t elem_size, size_t maxsize)
{
    static const enum wf_items_order orders[] = {
        [WEFT_QUEUE_FIFO] = WF_ITEMS_FIFO,
        [WEFT_QUEUE_LIFO] = WF_ITEMS_LIFO,
        [WEFT_QUEUE_PRIORITY] = WF_ITEMS_PRIORITY,
    };
    size_t capacity = maxsize != 0 ? maxsize : SLOTS_AT_FIRST;
    wf_items_init(&q->items, orders[kind], elem_size);
    unsigned char *slots = wf_items_make_slots(&q->items, capacity);
    if (slots == NULL)
        return -ENOMEM;
    wf_items_use_slots(&q->items, slots, capacity);
    q->maxsize = maxsize;
    return 0;
}

weft_queue *weft_queue_new(weft_queue_kind kind, size_t elem_size, size_t maxsize)
{
    if ((unsigned)kind > WEFT_QUEUE_PRIORITY || elem_size == 0 || elem_size > ITEM_MAX)
        return fail(-EINVAL);
    if (maxsize > PTRDIFF_MAX / (elem_size + 32)) /* 32: what a slot may need beside its item */
        return fail(-EINVAL);
    weft_queue *q = wf_alloc(sizeof(*q));
    if (q == NULL)
        return fail(-ENOMEM);
    int error = open_queue(q, kind, elem_size, maxsize);
    if (error == 0)
        return q;
    wf_free(q);
    return fail(error);
}

int weft_queue_free(weft_queue *q)
{
    if (q == NULL)
        return 0;
    /* Once it has the lock, whoever used the queue last is done with it too. */
    wf_object_lock(&q->lock);
    bool busy = !wf_list_is_empty(&q->getters) || !wf_list_is_empty(&q->putters) || !wf_list_is_empty(&q->joiners);
    wf_object_unlock(&q->lock);
    if (busy)
        return -EBUSY;
    wf_free(q->items.slots);
    wf_free(q);
    return 0;
}
