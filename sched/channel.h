/* The inside of a channel: what a send or a receive does under its lock. For channel.c, which says what a channel is and why nothing is
 * lost, and for select.c.
 *
 * In its lines stand coroutines, by their wait_node, and cases of selects (sched/select.h). Which it is tells the word behind the
 * node: a coroutine has the channel there.
 */
#ifndef WF_SCHED_CHANNEL_H
#define WF_SCHED_CHANNEL_H

#include <string.h>

#include "sched/select.h"
#include "sched/waiters.h"

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
WF_INLINE void wf_chan_copy(void *to, const void *from, uint32_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, size);
}

WF_INLINE bool wf_chan_is_small(const weft_chan *ch)
{
    return ch->element_size <= sizeof(((wf_coro *)0)->wait_data);
}

WF_INLINE unsigned char *wf_chan_slot(weft_chan *ch, size_t index)
{
    size_t i = ch->first + index;
    return ch->ring + (i < ch->capacity ? i : i - ch->capacity) * ch->element_size;
}

/* The lock is held, as for all of these. */
WF_INLINE size_t wf_chan_count(weft_chan *ch)
{
    return wf_load_relaxed(&ch->count); /* relaxed: written under the lock */
}

WF_INLINE void wf_chan_set_count(weft_chan *ch, size_t count)
{
    wf_store_relaxed(&ch->count, count); /* relaxed: weft_chan_len is a hint, all others have the lock */
}

WF_INLINE void wf_chan_put(weft_chan *ch, const void *element)
{
    size_t count = wf_chan_count(ch);
    wf_chan_copy(wf_chan_slot(ch, count), element, ch->element_size);
    wf_chan_set_count(ch, count + 1);
}

/* Take the oldest out of the ring, into `value` unless it is NULL. */
WF_INLINE void wf_chan_get(weft_chan *ch, void *value)
{
    if (value != NULL)
        wf_chan_copy(value, wf_chan_slot(ch, 0), ch->element_size);
    ch->first = ch->first + 1 < ch->capacity ? ch->first + 1 : 0;
    wf_chan_set_count(ch, wf_chan_count(ch) - 1);
}

/* wf_coro.wait_data, or wf_case.data. */
WF_INLINE uint64_t *wf_chan_data_of(wf_list *node)
{
    return (uint64_t *)(void *)((char *)node + offsetof(wf_case, data));
}

/* The element that a claimed sender offers. */
WF_INLINE const void *wf_chan_offered(weft_chan *ch, wf_list *sender)
{
    uint64_t *data = wf_chan_data_of(sender);
    return wf_chan_is_small(ch) ? (const void *)data : (const void *)(uintptr_t)data[0];
}

/* Give an element to a claimed receiver. */
WF_INLINE void wf_chan_give(weft_chan *ch, wf_list *receiver, const void *element)
{
    uint64_t *data = wf_chan_data_of(receiver);
    void *to = wf_chan_is_small(ch) ? (void *)data : (void *)(uintptr_t)data[0];
    if (to != NULL)
        wf_chan_copy(to, element, ch->element_size);
}

WF_INLINE bool wf_chan_is_case(const weft_chan *ch, wf_list *node)
{
    _Atomic(void *) *object = (_Atomic(void *) *)(void *)((char *)node + offsetof(wf_case, object));
    return wf_load_relaxed(object) != ch; /* relaxed: written before the lock was let go with which it stood in line */
}

/* Who was claimed: `coro` NULL: nobody. The node is off its line, and the claimer's until the coroutine is queued. */
typedef struct wf_chan_waiter {
    wf_list *node;
    wf_coro *coro;
} wf_chan_waiter;

wf_chan_waiter wf_chan_claim(weft_chan *ch, wf_list *line);

/* wf_chan_claim: nobody stands in the line, or the first is a coroutine and can be claimed, most of the time. */
WF_INLINE wf_chan_waiter wf_chan_claim_first(weft_chan *ch, wf_list *line)
{
    wf_list *node = line->next;
    if (node == NULL || node == line)
        return (wf_chan_waiter){NULL, NULL};
    if (wf_unlikely(wf_chan_is_case(ch, node)))
        return wf_chan_claim(ch, line);
    wf_coro *coro = wf_container_of(node, wf_coro, wait_node);
    wf_list_remove(node);
    return wf_likely(wf_state_claim(coro)) ? (wf_chan_waiter){node, coro} : wf_chan_claim(ch, line);
}

/* What became of an attempt that does not wait: 0, -EPIPE, or -EAGAIN (the ring is full, or empty); and whom it woke: to be queued
 * once the lock is let go, or NULL. */
typedef struct wf_chan_attempt {
    int result;
    wf_coro *woken;
} wf_chan_attempt;

WF_INLINE wf_chan_attempt wf_chan_send_now(weft_chan *ch, const void *value)
{
    if (wf_unlikely(ch->closed))
        return (wf_chan_attempt){-EPIPE, NULL};
    wf_chan_waiter receiver = wf_chan_claim_first(ch, &ch->receivers);
    if (receiver.coro != NULL)
        wf_chan_give(ch, receiver.node, value);
    else if (wf_chan_count(ch) < ch->capacity)
        wf_chan_put(ch, value);
    else
        return (wf_chan_attempt){-EAGAIN, NULL};
    return (wf_chan_attempt){0, receiver.coro};
}

WF_INLINE wf_chan_attempt wf_chan_recv_now(weft_chan *ch, void *value)
{
    bool from_ring = wf_chan_count(ch) > 0;
    if (from_ring)
        wf_chan_get(ch, value);
    wf_chan_waiter sender = wf_chan_claim_first(ch, &ch->senders);
    if (sender.coro != NULL && from_ring)
        wf_chan_put(ch, wf_chan_offered(ch, sender.node));
    else if (sender.coro != NULL && value != NULL)
        wf_chan_copy(value, wf_chan_offered(ch, sender.node), ch->element_size);
    if (from_ring || sender.coro != NULL)
        return (wf_chan_attempt){0, sender.coro};
    return (wf_chan_attempt){ch->closed ? -EPIPE : -EAGAIN, NULL};
}

/* Queue whom an attempt has claimed, if it has. No lock is held. */
WF_INLINE void wf_chan_wake(wf_worker *worker, wf_coro *woken)
{
    if (woken != NULL) {
        woken->wake_value = 0;
        wf_ready_put_next(worker, woken);
    }
}

/* The end of an attempt that need not wait. */
WF_INLINE int wf_chan_finish(weft_chan *ch, wf_worker *worker, wf_chan_attempt a)
{
    wf_object_unlock(&ch->lock);
    wf_chan_wake(worker, a.woken);
    return a.result;
}

#endif
