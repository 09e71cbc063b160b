/* Run queue of one worker: a bounded FIFO ring with one owner, who pushes and pops, and any number of thieves, who take
 * half of it at once. Holds pointers to something it knows nothing of.
 *
 * head and tail count up for ever in 64 bits; slot i is items[i % WF_RUNQ_SIZE]. The owner alone moves tail. Everybody who takes moves
 * head by compare-and-swap, the owner included.
 *
 *   push   owner: there is room (head read with acquire) -> write the slot, then publish with tail (release)
 *   pop    owner: copy the first n; CAS head -> head + n. One or many for the price of one
 *   steal  thief: read head, then tail, both with acquire; copy half of what lies between; CAS head -> head + n. When it
 *          fails, somebody took some of them and the copies are thrown away
 *
 * Why nobody takes what was overwritten: the owner writes slot i only when it has seen head > i - size. So a thief whose copy
 * was torn read a head that has moved on, and its CAS fails. The slots are atomic so that the torn read is not a data race.
 * The 64-bit counts never recur, so the CAS cannot succeed by accident. Model: tests/model/model_runq.c.
 */
#ifndef WF_CORE_RUNQ_H
#define WF_CORE_RUNQ_H

#include <stddef.h>

#include "core/atomics.h"
#include "core/compiler.h"

#ifndef WF_RUNQ_SIZE
#define WF_RUNQ_SIZE 256 /* a power of two; the model uses 4 */
#endif

typedef struct wf_runq {
    _Alignas(WF_CACHE_LINE) _Atomic(uint64_t) head; /* any (atomic) */
    _Alignas(WF_CACHE_LINE) _Atomic(uint64_t) tail; /* owner writes, thieves read */
    _Atomic(void *) items[WF_RUNQ_SIZE];
} wf_runq;

/* Owner only. False: full. */
WF_INLINE bool wf_runq_push(wf_runq *q, void *item)
{
    uint64_t tail = wf_load_relaxed(&q->tail); /* relaxed: only the owner writes it */
    /* ORDER(runq-head): pairs with the CAS in pop and steal: whoever took slot `tail - size` has finished reading it. */
    if (tail - wf_load_acquire(&q->head) >= WF_RUNQ_SIZE)
        return false;
    wf_store_relaxed(&q->items[tail % WF_RUNQ_SIZE], item); /* relaxed: tail publishes it */
    /* ORDER(runq-tail): pairs with wf_runq_steal: the thief sees the item, and all that was written before. */
    wf_store_release(&q->tail, tail + 1);
    return true;
}

/* Owner only: take up to `most`, the oldest first. Returns how many. */
static inline uint32_t wf_runq_pop_many(wf_runq *q, void **taken, uint32_t most)
{
    uint64_t tail = wf_load_relaxed(&q->tail); /* relaxed: only the owner writes it */
    uint64_t head = wf_load_relaxed(&q->head); /* relaxed: the CAS below decides */
    while (head != tail) {
        uint32_t count = tail - head < most ? (uint32_t)(tail - head) : most;
        for (uint32_t i = 0; i < count; i++)
            taken[i] = wf_load_relaxed(&q->items[(head + i) % WF_RUNQ_SIZE]); /* relaxed: the owner wrote it itself */
        /* ORDER(runq-head): pairs with wf_runq_push. */
        if (wf_cas_acq_rel(&q->head, &head, head + count))
            return count;
    }
    return 0;
}

/* How many there are, roughly; exact for the owner if nobody steals. */
WF_INLINE uint64_t wf_runq_count(wf_runq *q)
{
    /* relaxed: a hint; whoever acts on it takes with a CAS. Head first: tail only grows, so this never wraps below 0. */
    uint64_t head = wf_load_relaxed(&q->head);
    uint64_t tail = wf_load_relaxed(&q->tail);
    return tail > head ? tail - head : 0;
}

/* Thief: take half of `victim` (rounded up), return the first of them and put the others into `own`, which the caller
 * owns and which is empty. NULL: nothing there, or others were faster. */
static inline void *wf_runq_steal(wf_runq *victim, wf_runq *own)
{
    /* ORDER(runq-head): acquire, so that tail is read after head and the count below is not negative. */
    uint64_t head = wf_load_acquire(&victim->head);
    /* ORDER(runq-tail): pairs with wf_runq_push. */
    uint64_t tail = wf_load_acquire(&victim->tail);
    uint64_t count = tail - head;
    if (count == 0 || count > WF_RUNQ_SIZE) /* larger: head was old when tail was read */
        return NULL;
    count -= count / 2;
    void *first = wf_load_relaxed(&victim->items[head % WF_RUNQ_SIZE]);
    uint64_t own_tail = wf_load_relaxed(&own->tail); /* relaxed: ours */
    for (uint64_t i = 1; i < count; i++) {
        /* relaxed: torn copies are thrown away below, good ones are published by own->tail. */
        void *item = wf_load_relaxed(&victim->items[(head + i) % WF_RUNQ_SIZE]);
        wf_store_relaxed(&own->items[(own_tail + i - 1) % WF_RUNQ_SIZE], item);
    }
    /* ORDER(runq-head): release, so that the reads above are over before the owner may write these slots again. */
    if (!wf_cas_acq_rel(&victim->head, &head, head + count))
        return NULL;
    /* ORDER(runq-tail): publishes the copies to the next thief. */
    wf_store_release(&own->tail, own_tail + count - 1);
    return first;
}

#endif
