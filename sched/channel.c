/* Channel: a ring of elements, a line of senders that found it full, and a line of receivers that found it empty.
 *
 *   send   take the lock; closed? -EPIPE. A receiver stands in line (so the ring is empty): claim it and give it the
 *          element. Else room in the ring: put it there. Else stand in the line of senders and suspend
 *   recv   take the lock. Something in the ring: take it, and let the first sender in line put its element there. Else
 *          (no ring) claim the first sender and take its element. Else closed? -EPIPE. Else stand in line and suspend
 *   close  take the lock; claim everybody in both lines; they return -EPIPE
 *
 * With capacity 0 the ring is always full and always empty, and the same steps are a rendezvous.
 *
 * At most one of the lines is occupied, and so: receivers in line → ring empty; senders in line → ring full.
 *
 * Order: elements leave in the order in which they came, a waiting sender's behind those in the ring; both lines are
 * served from the front.
 *
 * Why nothing is lost or doubled: an element changes hands under the lock, and to or from a waiter only after that
 * waiter has been claimed. A claimed waiter returns 0, and nothing else can end its wait any more. A waiter that a kill
 * or a deadline claimed first is passed over by wf_waiters_claim: nothing was given to it or taken from it.
 *
 * Where the element of a waiter is. Up to 16 bytes: in its control block (wait_data), so that nobody writes to a parked
 * stack; a receiver copies it out after it was resumed. Larger: at the address that its caller gave, which is in
 * wait_data[0].
 */
#include <string.h>

#include "core/alloc.h"
#include "sched/waiters.h"

enum { ELEMENT_MAX = 64 * 1024 };

struct weft_chan {
    wf_biased lock;
    bool closed;           /* lock */
    uint32_t element_size; /* fixed, as capacity */
    size_t capacity;       /* elements */
    size_t first;          /* lock: index of the oldest element */
    _Atomic(size_t) count; /* written under the lock; read by weft_chan_len without */
    wf_list senders;       /* lock: the line */
    wf_list receivers;     /* lock: the line */
    _Alignas(16) unsigned char ring[];
};

/* The usual sizes without a call. */
WF_INLINE void copy(void *to, const void *from, uint32_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, size);
}

WF_INLINE bool is_small(const weft_chan *ch)
{
    return ch->element_size <= sizeof(((wf_coro *)0)->wait_data);
}

WF_INLINE unsigned char *slot(weft_chan *ch, size_t index)
{
    size_t i = ch->first + index;
    return ch->ring + (i < ch->capacity ? i : i - ch->capacity) * ch->element_size;
}

/* The lock is held, as for all of these. */
WF_INLINE size_t count_of(weft_chan *ch)
{
    return wf_load_relaxed(&ch->count); /* relaxed: written under the lock */
}

WF_INLINE void set_count(weft_chan *ch, size_t count)
{
    wf_store_relaxed(&ch->count, count); /* relaxed: weft_chan_len is a hint, all others have the lock */
}

WF_INLINE void put(weft_chan *ch, const void *element)
{
    size_t count = count_of(ch);
    copy(slot(ch, count), element, ch->element_size);
    set_count(ch, count + 1);
}

/* Take the oldest out of the ring, into `value` unless it is NULL. */
WF_INLINE void get(weft_chan *ch, void *value)
{
    if (value != NULL)
        copy(value, slot(ch, 0), ch->element_size);
    ch->first = ch->first + 1 < ch->capacity ? ch->first + 1 : 0;
    set_count(ch, count_of(ch) - 1);
}

/* The element that a claimed sender offers. */
WF_INLINE const void *offered(weft_chan *ch, const wf_coro *sender)
{
    return is_small(ch) ? (const void *)sender->wait_data : (const void *)(uintptr_t)sender->wait_data[0];
}

/* Give an element to a claimed receiver. */
WF_INLINE void give(weft_chan *ch, wf_coro *receiver, const void *element)
{
    void *to = is_small(ch) ? (void *)receiver->wait_data : (void *)(uintptr_t)receiver->wait_data[0];
    if (to != NULL)
        copy(to, element, ch->element_size);
}

/* What became of an attempt that does not wait: 0, -EPIPE, or -EAGAIN (the ring is full, or empty); and whom it woke: to be queued
 * once the lock is let go, or NULL. */
typedef struct attempt {
    int result;
    wf_coro *woken;
} attempt;

WF_INLINE attempt send_now(weft_chan *ch, const void *value)
{
    if (wf_unlikely(ch->closed))
        return (attempt){-EPIPE, NULL};
    wf_coro *receiver = wf_waiters_claim_first(&ch->receivers);
    if (receiver != NULL)
        give(ch, receiver, value);
    else if (count_of(ch) < ch->capacity)
        put(ch, value);
    else
        return (attempt){-EAGAIN, NULL};
    return (attempt){0, receiver};
}

WF_INLINE attempt recv_now(weft_chan *ch, void *value)
{
    bool from_ring = count_of(ch) > 0;
    if (from_ring)
        get(ch, value);
    wf_coro *sender = wf_waiters_claim_first(&ch->senders);
    if (sender != NULL && from_ring)
        put(ch, offered(ch, sender));
    else if (sender != NULL && value != NULL)
        copy(value, offered(ch, sender), ch->element_size);
    if (from_ring || sender != NULL)
        return (attempt){0, sender};
    return (attempt){ch->closed ? -EPIPE : -EAGAIN, NULL};
}

/* The end of an attempt that need not wait. */
WF_INLINE int finish(weft_chan *ch, wf_worker *worker, attempt a)
{
    wf_object_unlock(&ch->lock);
    if (a.woken != NULL) {
        a.woken->wake_value = 0;
        wf_ready_put_next(worker, a.woken);
    }
    return a.result;
}

/* The ring is full: wait until a receiver has taken it. The lock is held on entry, not on return. */
WF_INLINE int send_in_line(weft_chan *ch, wf_coro *self, const void *value, int64_t deadline)
{
    if (is_small(ch))
        copy(self->wait_data, value, ch->element_size);
    else
        self->wait_data[0] = (uintptr_t)value;
    return wf_wait_in_line(self, &ch->senders, WF_WAIT_CHAN_SEND, ch, deadline, &ch->lock);
}

/* The ring is empty: wait until a sender has given something. As above. */
WF_INLINE int recv_in_line(weft_chan *ch, wf_coro *self, void *value, int64_t deadline)
{
    bool small = is_small(ch);
    uint32_t size = ch->element_size;
    self->wait_data[0] = (uintptr_t)value;
    int result = wf_wait_in_line(self, &ch->receivers, WF_WAIT_CHAN_RECV, ch, deadline, &ch->lock);
    if (result == 0 && small && value != NULL)
        copy(value, self->wait_data, size);
    return result;
}

static void *fail(int error)
{
    wf_coro *self = wf_self();
    if (self != NULL)
        self->last_error = (int16_t)error;
    return NULL;
}

weft_chan *weft_chan_new(size_t elem_size, size_t capacity)
{
    size_t ring_size, size;
    if (elem_size == 0 || elem_size > ELEMENT_MAX)
        return fail(-EINVAL);
    if (__builtin_mul_overflow(elem_size, capacity, &ring_size) ||
        __builtin_add_overflow(ring_size, sizeof(weft_chan), &size) || size > PTRDIFF_MAX)
        return fail(-EINVAL);
    weft_chan *ch = wf_alloc(size);
    if (ch == NULL)
        return fail(-ENOMEM);
    ch->element_size = (uint32_t)elem_size;
    ch->capacity = capacity;
    return ch;
}

int weft_chan_free(weft_chan *ch)
{
    if (ch == NULL)
        return 0;
    /* Once it has the lock, whoever used the channel last is done with it too. */
    wf_object_lock(&ch->lock);
    bool busy = !wf_list_is_empty(&ch->senders) || !wf_list_is_empty(&ch->receivers);
    wf_object_unlock(&ch->lock);
    if (busy)
        return -EBUSY;
    wf_free(ch);
    return 0;
}

int weft_chan_send(weft_chan *ch, const void *value)
{
    return weft_chan_send_until(ch, value, WEFT_NEVER);
}

int weft_chan_send_until(weft_chan *ch, const void *value, int64_t deadline)
{
    if (wf_unlikely(ch == NULL || value == NULL))
        return -EINVAL;
    wf_caller caller = wf_caller_now();
    int error = wf_may_block(caller.self);
    if (wf_unlikely(error != 0))
        return error;
    wf_object_lock_on(caller.worker, &ch->lock);
    attempt a = send_now(ch, value);
    return a.result == -EAGAIN ? send_in_line(ch, caller.self, value, deadline) : finish(ch, caller.worker, a);
}

int weft_chan_try_send(weft_chan *ch, const void *value)
{
    if (ch == NULL || value == NULL)
        return -EINVAL;
    wf_worker *worker = wf_worker_self();
    wf_object_lock_on(worker, &ch->lock);
    return finish(ch, worker, send_now(ch, value));
}

int weft_chan_recv(weft_chan *ch, void *value)
{
    return weft_chan_recv_until(ch, value, WEFT_NEVER);
}

int weft_chan_recv_until(weft_chan *ch, void *value, int64_t deadline)
{
    if (wf_unlikely(ch == NULL))
        return -EINVAL;
    wf_caller caller = wf_caller_now();
    int error = wf_may_block(caller.self);
    if (wf_unlikely(error != 0))
        return error;
    wf_object_lock_on(caller.worker, &ch->lock);
    attempt a = recv_now(ch, value);
    return a.result == -EAGAIN ? recv_in_line(ch, caller.self, value, deadline) : finish(ch, caller.worker, a);
}

int weft_chan_try_recv(weft_chan *ch, void *value)
{
    if (ch == NULL)
        return -EINVAL;
    wf_worker *worker = wf_worker_self();
    wf_object_lock_on(worker, &ch->lock);
    return finish(ch, worker, recv_now(ch, value));
}

int weft_chan_close(weft_chan *ch)
{
    if (ch == NULL)
        return -EINVAL;
    wf_list senders, receivers;
    wf_object_lock(&ch->lock);
    bool was_closed = ch->closed;
    ch->closed = true;
    wf_waiters_claim_all(&ch->senders, &senders);
    wf_waiters_claim_all(&ch->receivers, &receivers);
    wf_object_unlock(&ch->lock);
    wf_ready_all(&senders, -EPIPE);
    wf_ready_all(&receivers, -EPIPE);
    return was_closed ? -EPIPE : 0;
}

size_t weft_chan_len(weft_chan *ch)
{
    return ch == NULL ? 0 : wf_load_relaxed(&ch->count); /* relaxed: old by the time it is read */
}

size_t weft_chan_capacity(weft_chan *ch)
{
    return ch == NULL ? 0 : ch->capacity;
}
