/* What a worker keeps for itself: a short FIFO queue and, before it, one slot for what was woken last. Its owner uses it without
 * an atomic read-modify-write; others may take from it all the same, but at some 10 µs each time. That is for when the owner
 * is stuck: normally it puts into its run queue (core/runq.h), where stealing is cheap, what others want.
 *
 *   push     owner: there is room (head read with acquire) → write the item, publish with tail (release)
 *   enter    owner: busy := 1;  light fence;  robbed? busy := 0, wait until it is not, and again
 *   take     owner, inside: the slot, or the item at head; head + 1; or one that it names, wherever that is: newer ones move up
 *   leave    owner: busy := 0
 *   rob      thief, one at a time: robbed := 1;  heavy fence;  wait until busy is 0;  take half;  robbed := 0
 *
 * Why owner and thief are never inside together: each writes its own flag and then reads the other's, with a fence between
 * (core/fence.h), so one of the two sees the other. If both do, the owner gives way. push may run beside a thief: only the owner
 * moves tail, and no item is overwritten before head has passed it.
 *
 * Model: tests/model/model_localq.c.
 */
#ifndef WF_CORE_LOCALQ_H
#define WF_CORE_LOCALQ_H

#include <stddef.h>

#include "core/fence.h"
#include "core/lock.h"

#ifndef WF_LOCALQ_SIZE
#define WF_LOCALQ_SIZE 256 /* a power of two; the model uses 2 */
#endif

typedef struct wf_localq {
    _Atomic(uint32_t) busy;   /* owner: it is inside */
    _Atomic(uint32_t) robbed; /* a thief is inside, or about to be; with the lock */
    _Atomic(uint32_t) head;   /* whoever is inside; the owner reads it in push */
    _Atomic(uint32_t) tail;   /* owner */
    _Atomic(void *) slot;     /* whoever is inside; others look whether there is anything */
    _Atomic(uint32_t)
        front;    /* whoever is inside; others look: so many from head on were put there by wf_localq_unshift */
    wf_lock lock; /* of the thieves among each other */
    void *items[WF_LOCALQ_SIZE]; /* from head up to tail; i is items[i % size] */
} wf_localq;

void wf_localq_wait(wf_localq *q);

/* Owner: between these two it may pop and replace. */
WF_INLINE void wf_localq_enter(wf_localq *q)
{
    wf_store_relaxed(&q->busy, 1); /* relaxed: the fence orders it */
    wf_fence_light();              /* ORDER(localq-rob): busy, then robbed; pairs with wf_localq_rob. */
    /* ORDER(localq-robbed): pairs with wf_localq_rob: what the last thief has done. */
    if (wf_unlikely(wf_load_acquire(&q->robbed)))
        wf_localq_wait(q);
}

WF_INLINE void wf_localq_leave(wf_localq *q)
{
    wf_store_release(&q->busy, 0); /* ORDER(localq-busy): pairs with wf_localq_rob: what the owner has done inside. */
}

/* Items in the queue, roughly; exact for the owner unless somebody robs. */
WF_INLINE uint32_t wf_localq_count(wf_localq *q)
{
    /* relaxed: a hint; whoever acts on it looks again, inside. */
    uint32_t head = wf_load_relaxed(&q->head);
    return wf_load_relaxed(&q->tail) - head;
}

WF_INLINE bool wf_localq_is_empty(wf_localq *q)
{
    return wf_load_relaxed(&q->slot) == NULL && wf_localq_count(q) == 0; /* relaxed: as above */
}

/* Owner. False: full. */
WF_INLINE bool wf_localq_push(wf_localq *q, void *item)
{
    uint32_t tail = wf_load_relaxed(&q->tail); /* relaxed: only the owner writes it */
    /* ORDER(localq-head): pairs with wf_localq_pop: whoever took that slot has read it. */
    if (tail - wf_load_acquire(&q->head) >= WF_LOCALQ_SIZE)
        return false;
    wf_plain_write(&q->items[tail % WF_LOCALQ_SIZE], item);
    wf_store_release(&q->tail, tail + 1); /* ORDER(localq-tail): pairs with wf_localq_pop. */
    return true;
}

/* Inside. */
WF_INLINE void wf_localq_add_front(wf_localq *q, int32_t change)
{
    wf_store_relaxed(&q->front, wf_load_relaxed(&q->front) + (uint32_t)change); /* relaxed: for others it is a hint */
}

/* Inside: the oldest in the queue. */
WF_INLINE void *wf_localq_pop(wf_localq *q)
{
    uint32_t head = wf_load_relaxed(&q->head); /* relaxed: only those inside write it */
    if (head == wf_load_acquire(&q->tail))     /* ORDER(localq-tail): pairs with wf_localq_push. */
        return NULL;
    void *item = wf_plain_read(&q->items[head % WF_LOCALQ_SIZE]);
    wf_store_release(&q->head, head + 1); /* ORDER(localq-head): pairs with wf_localq_push. */
    wf_localq_add_front(q, wf_load_relaxed(&q->front) != 0 ? -1 : 0); /* relaxed: only those inside write it */
    return item;
}

/* Owner, inside: the oldest is taken; wf_localq_take_out for those few places from it. */
static inline bool wf_localq_take_old(wf_localq *q, uint32_t i)
{
    uint32_t head = wf_load_relaxed(&q->head); /* relaxed: only those inside write it */
    for (; i > 0; i--)
        wf_plain_write(&q->items[(head + i) % WF_LOCALQ_SIZE],
                       wf_plain_read(&q->items[(head + i - 1) % WF_LOCALQ_SIZE]));
    return wf_localq_pop(q) != NULL;
}

/* Inside: the i-th, counted from the oldest; NULL: there are not so many. */
static inline void *wf_localq_at(wf_localq *q, uint32_t i)
{
    uint32_t head = wf_load_relaxed(&q->head); /* relaxed, both: only those inside and the owner write them */
    return i < wf_load_relaxed(&q->tail) - head ? wf_plain_read(&q->items[(head + i) % WF_LOCALQ_SIZE]) : NULL;
}

/* Owner, inside: put `count` items before all others. There is room. */
static inline void wf_localq_unshift(wf_localq *q, void *const *items, uint32_t count)
{
    uint32_t head = wf_load_relaxed(&q->head) - count; /* relaxed: only those inside write it */
    for (uint32_t i = 0; i < count; i++)
        wf_plain_write(&q->items[(head + i) % WF_LOCALQ_SIZE], items[i]);
    wf_store_relaxed(&q->head, head); /* relaxed: leaving publishes it */
    wf_localq_add_front(q, (int32_t)count);
}

#ifndef WF_LOCALQ_LOOKS
#define WF_LOCALQ_LOOKS 24
#endif

/* Owner, inside: this very item, if it is among those that were put last, since that is who is asked for. */
static inline bool wf_localq_take_out(wf_localq *q, const void *item)
{
    uint32_t head = wf_load_relaxed(&q->head); /* relaxed, both: only those inside write them */
    uint32_t tail = wf_load_relaxed(&q->tail);
    for (uint32_t at = tail; at != head && tail - at < WF_LOCALQ_LOOKS; at--) {
        if (wf_plain_read(&q->items[(at - 1) % WF_LOCALQ_SIZE]) != item)
            continue;
        wf_localq_add_front(q, at - head <= wf_load_relaxed(&q->front) ? -1 : 0); /* relaxed: as above */
        for (; at != tail; at++)
            wf_plain_write(&q->items[(at - 1) % WF_LOCALQ_SIZE], wf_plain_read(&q->items[at % WF_LOCALQ_SIZE]));
        wf_store_relaxed(&q->tail, tail - 1); /* relaxed: leaving publishes it */
        return true;
    }
    return false;
}

/* Inside: put `item` into the slot, NULL to empty it. Returns what was there. */
WF_INLINE void *wf_localq_replace(wf_localq *q, void *item)
{
    void *old = wf_load_relaxed(&q->slot); /* relaxed: only those inside write it */
    wf_store_relaxed(&q->slot, item);      /* relaxed: leaving publishes it */
    return old;
}

/* Anybody but the owner: half of the queue, or the slot if that is all there is, into `taken`, which has room for size / 2. Returns
 * how many. */
uint32_t wf_localq_rob(wf_localq *q, void **taken);

#endif
