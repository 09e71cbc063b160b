/* Split deque: the forks of one worker. A stack for its owner, of which the older part is open to thieves.
 *
 *     slots   0 … top           taken by thieves, not to be touched
 *             top … split       public: thieves take the oldest, with a compare-and-swap
 *             split … bottom    private: the owner's alone, to push and to pop with plain loads and stores
 *             bottom … limit    room for pushes that nobody need be told of
 *
 * A push and a pop of the private part are what a program with fork and join does all the time, and they cost a few
 * instructions: no fence, no read-modify-write. (With one part for both, as in the deque of Chase and Lev, each pop needs a
 * fence between its claim and its look at the thieves.) The owner moves the split: up to expose, down to take back.
 *
 * top, split and a tag are one word:  bits 0–15 top, 16–31 split, 32–63 tag
 *
 *   expose     owner: adds to split (release: the items and what they point to are written)
 *   steal      thief: reads the word (acquire) and the slot at top; CAS top + 1. Any change of the word makes it fail
 *   take back  owner: CAS split down to what it wants, not below top; the tag grows
 *   reset      owner: all below bottom is taken: begin again from slot 0; the tag grows
 *
 * Why no item is taken twice, or lost: a public item leaves by exactly one successful CAS on the word, that of a thief or that of
 * the owner, each from a value in which the item lies between top and split.
 * Why nobody takes what a slot held before: a slot is written anew only while it is private. For that the split has to have gone
 * below it, or to have begun again: both move the tag, so the CAS of a thief that read the slot before fails. The tag comes round
 * after 2^32 of these; a thief would have to stand still between its two instructions for minutes, to the very one.
 *
 * limit is how thieves ask: one that finds nothing public stores NULL there, and the owner, which compares bottom with limit at
 * every push, leaves its fast path (wf_split_push fails, and so does wf_split_pop). It then exposes, if anybody wants it, and sets
 * a new limit. The owner may overwrite a request that it has not seen; why none is lost:
 *   thief   counts itself idle; fence; looks at the word; stores NULL; sleeps
 *   owner   stores the limit; exposes; fence; looks whether anybody is idle, and wakes it
 * Either the owner sees the idle thief; or the thief sees what was exposed, and the fences put its NULL after the owner's limit,
 * where it stays. The fences are those of sched/idle.h.
 *
 * The same push and pop stand in include/weft/fork.h for programs to inline. Model: tests/model/model_split_deque.c.
 */
#ifndef WF_CORE_SPLIT_DEQUE_H
#define WF_CORE_SPLIT_DEQUE_H

#include <stddef.h>

#include "core/atomics.h"

#ifndef WF_SPLIT_SIZE
#define WF_SPLIT_SIZE 2048 /* four pages; nesting is seldom deeper than some dozens. At most 65535; the model uses 3 */
#endif

typedef _Atomic(void *) wf_split_slot; /* atomic, because a thief may look at one that is not public any more */

typedef struct wf_split {
    /* owner: */
    _Alignas(WF_CACHE_LINE) wf_split_slot *bottom; /* the first free slot */
    uintptr_t aside;      /* of whoever uses the deque; in the line that a push touches anyway */
    wf_split_slot *split; /* as in the word */
    /* any (atomic), and read by the owner at every push: */
    _Alignas(WF_CACHE_LINE) _Atomic(wf_split_slot *) limit; /* NULL: closed, or somebody asks for items */
    _Atomic(uint64_t) word;
    /* owner writes, anybody reads: */
    _Alignas(WF_CACHE_LINE) wf_split_slot slots[WF_SPLIT_SIZE];
} wf_split;

#define WF_SPLIT_ONE_PUBLIC (UINT64_C(1) << 16)
#define WF_SPLIT_ONE_TAG (UINT64_C(1) << 32)

static inline uint32_t wf_split_top(uint64_t word)
{
    return (uint32_t)(word & 0xffff);
}

static inline uint32_t wf_split_split(uint64_t word)
{
    return (uint32_t)(word >> 16 & 0xffff);
}

/* Owner: empty, and closed. */
static inline void wf_split_init(wf_split *d)
{
    d->bottom = d->split = d->slots;
    wf_store_relaxed(&d->limit, NULL); /* relaxed, both: nobody else knows it yet */
    wf_store_relaxed(&d->word, 0);
}

/* ---- owner: the private part ---- */

/* Push within the limit. Returns the slot, by which the item is popped; NULL: the limit is reached, or somebody asks. */
static inline wf_split_slot *wf_split_push(wf_split *d, void *item)
{
    wf_split_slot *slot = d->bottom;
    if (slot >= wf_load_relaxed(&d->limit)) /* relaxed: a hint, which nothing is read after */
        return NULL;
    wf_store_relaxed(slot, item); /* relaxed: wf_split_expose publishes it */
    d->bottom = slot + 1;
    return slot;
}

/* Pop the private item that was pushed into this slot, if it is the newest and nobody asks for items. */
static inline bool wf_split_pop(wf_split *d, const wf_split_slot *slot)
{
    if (slot + 1 != d->bottom || wf_load_relaxed(&d->limit) == NULL) /* relaxed: as in wf_split_push */
        return false;
    d->bottom--;
    return true;
}

static inline uint32_t wf_split_private(const wf_split *d)
{
    return (uint32_t)(d->bottom - d->split);
}

static inline bool wf_split_is_full(const wf_split *d)
{
    return d->bottom == d->slots + WF_SPLIT_SIZE;
}

/* Push, whatever the limit says. It is not full. */
static inline wf_split_slot *wf_split_put(wf_split *d, void *item)
{
    wf_split_slot *slot = d->bottom++;
    wf_store_relaxed(slot, item); /* relaxed: wf_split_expose publishes it */
    return slot;
}

/* Is this item in this slot, and private? */
static inline bool wf_split_holds(wf_split *d, const wf_split_slot *slot, const void *item)
{
    /* relaxed: the owner wrote it itself. */
    return slot >= d->split && slot < d->bottom && wf_load_relaxed((wf_split_slot *)slot) == item;
}

/* Nothing in it is beyond the limit. */
static inline bool wf_split_is_within(wf_split *d)
{
    return d->bottom <= wf_load_relaxed(&d->limit); /* relaxed: a hint */
}

/* Has somebody asked for items, or is it closed? */
static inline bool wf_split_is_asked(wf_split *d)
{
    return wf_load_relaxed(&d->limit) == NULL; /* relaxed: a hint */
}

/* Let pushes go up to `room` slots in all without a look at the thieves. The caller then exposes something, and then looks who is
 * idle, with a fence before that (wf_idle_pick). */
static inline void wf_split_open(wf_split *d, size_t room)
{
    wf_store_relaxed(&d->limit, d->slots + room); /* relaxed: that fence orders it */
}

/* Every push comes to a slow path from now on. */
static inline void wf_split_close(wf_split *d)
{
    wf_store_relaxed(&d->limit, NULL); /* relaxed: for the owner itself */
}

/* ---- owner: moving the split ---- */

/* The oldest `count` private items become public; there are as many. */
static inline void wf_split_expose(wf_split *d, uint32_t count)
{
    d->split += count;
    /* ORDER(split-word): publishes the items; pairs with wf_split_steal. */
    wf_fetch_add_acq_rel(&d->word, count * WF_SPLIT_ONE_PUBLIC);
}

/* The newest public items become private again, `count` or as many as nobody has taken. Returns how many. */
static inline uint32_t wf_split_take_back(wf_split *d, uint32_t count)
{
    uint64_t word = wf_load_relaxed(&d->word); /* relaxed, both: the owner wrote the items, and publishes nothing */
    for (;;) {
        uint32_t left = wf_split_split(word) - wf_split_top(word);
        uint32_t n = count < left ? count : left;
        if (n == 0)
            return 0;
        if (wf_cas_relaxed(&d->word, &word, word - n * WF_SPLIT_ONE_PUBLIC + WF_SPLIT_ONE_TAG)) {
            d->split -= n;
            return n;
        }
    }
}

/* Public items that nobody has taken so far. */
static inline uint32_t wf_split_public(wf_split *d)
{
    uint64_t word = wf_load_relaxed(&d->word); /* relaxed: a hint for thieves, and at most too many for the owner */
    return wf_split_split(word) - wf_split_top(word);
}

/* All that is below bottom was taken: begin again from slot 0. Returns how many were taken. */
static inline uint32_t wf_split_reset(wf_split *d)
{
    /* ORDER(split-slot): pairs with wf_split_steal: thieves have read the slots that are written from now on. */
    uint64_t word = wf_load_acquire(&d->word);
    wf_store_relaxed(&d->word, (word / WF_SPLIT_ONE_TAG + 1) * WF_SPLIT_ONE_TAG); /* relaxed: nothing is public */
    d->bottom = d->split = d->slots;
    return wf_split_top(word);
}

/* ---- thieves ---- */

/* Take the oldest public item. NULL: there is none, or somebody was faster. */
static inline void *wf_split_steal(wf_split *d)
{
    /* ORDER(split-word): pairs with wf_split_expose: the item, and what it points to. */
    uint64_t word = wf_load_acquire(&d->word);
    uint32_t top = wf_split_top(word);
    if (top >= wf_split_split(word))
        return NULL;
    void *item = wf_load_relaxed(&d->slots[top]); /* relaxed: if the CAS succeeds, it is what the word published */
    /* ORDER(split-slot): the read is over before the owner may write this slot again; pairs with wf_split_reset. */
    return wf_cas_release(&d->word, &word, word + 1) ? item : NULL;
}

/* Ask the owner to expose something, if it has anything. */
static inline void wf_split_ask(wf_split *d)
{
    /* relaxed, both: the owner orders nothing by it; against sleeping see the top of this file. */
    if (wf_load_relaxed(&d->limit) != NULL)
        wf_store_relaxed(&d->limit, NULL);
}

#endif
