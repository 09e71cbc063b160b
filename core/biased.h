/* A lock that costs its usual user next to nothing: no atomic read-modify-write, no fence.
 *
 * Most locks are taken by one worker again and again: that of a channel between two coroutines of the same worker, that of a
 * worker's timers. Such a lock has a *favourite*, who enters by setting a flag of its own; all others take an ordinary lock
 * first, and then, if there is a favourite, take that away and wait until it is outside.
 *
 *   enter   (the favourite)   inside := 1;  light fence;  favourite still me? in.  Else inside := 0, and as the others
 *   take    (the others)      word: 0 → 1;  favourite? mark it REVOKED;  heavy fence;  wait until inside is 0
 *   leave                     inside := 0, or word := 0, by the way one came in
 *
 * Why it excludes: with the lock's word held nobody else revokes or grants. The favourite writes `inside` and reads `favourite`, a
 * revoker writes `favourite` and reads `inside`; the fences between (core/fence.h) let one of the two see the other: the
 * favourite turns away, or the revoker waits. Only who holds the word changes the favourite, and nobody makes another than itself
 * that, so its earlier sections are the new favourite's own.
 *
 * Why `inside` has one writer at a time: a favourite that is revoked between its two looks goes on to write it, as late as the
 * kernel likes that has taken its CPU away. So its name stays, REVOKED, and nobody else becomes the favourite, until it has
 * come by the others' way: then it is not on its own any more.
 *
 * Who becomes the favourite: a worker that took the word `bias_after` times in a row. Revoking costs about 10 µs, an entry saves
 * about 5 ns (a compare-and-swap and an exchange), so a bias pays after some 2000 entries; granting it after 2048 in a row costs
 * at most twice what the best choice in hindsight would (the ski rental argument). It doubles with each revocation, up to
 * 2^15, so a lock that two workers share in long turns loses less than 0.5 ns per entry. Plain threads are never favourites.
 *
 * Model: tests/model/model_biased.c.
 */
#ifndef WF_CORE_BIASED_H
#define WF_CORE_BIASED_H

#include <assert.h>

#include "core/fence.h"
#include "core/lock.h"

#ifndef WF_BIAS_AFTER
#define WF_BIAS_AFTER 2048 /* the model uses 1 */
#endif

enum {
    WF_BIAS_NOBODY = 0,
    WF_BIAS_PLAIN_THREAD = 0xffff, /* who takes it is no worker; workers are index + 1 */
    WF_BIAS_REVOKED = 0x8000,      /* with the name of the last favourite, which may be about to turn away */
    WF_BIAS_LEVELS = 4,
};

/* Zero is free, without a favourite. */
typedef struct wf_biased {
    wf_lock lock;                /* of those who are not the favourite */
    _Atomic(uint16_t) favourite; /* changes with the lock held; nobody, a worker, or the last one and REVOKED */
    _Atomic(uint8_t) inside;     /* the favourite is in, or about to look whether it may be */
    /* whoever is in: */
    uint8_t by_favourite; /* it came in as the favourite */
    uint16_t last : 12;   /* who took the lock last; no plain thread */
    uint16_t level : 4;   /* times that a favourite was revoked, at most WF_BIAS_LEVELS */
    uint16_t streak;      /* how often in a row */
} wf_biased;

static_assert(sizeof(wf_biased) == 12, "fits beside a list and a word in 32 bytes");

void wf_biased_take_shared(wf_biased *b, uint16_t me);

/* The favourite's way in. False: it is not, or not any more. */
WF_INLINE bool wf_biased_enter(wf_biased *b, uint16_t me)
{
    if (wf_unlikely(wf_load_relaxed(&b->favourite) != me)) /* relaxed: looked at again below */
        return false;
    wf_store_relaxed(&b->inside, 1); /* relaxed: the fence orders it */
    wf_fence_light();                /* ORDER(biased): inside, then favourite; pairs with revoke in core/biased.c. */
    if (wf_likely(wf_load_relaxed(&b->favourite) == me)) /* relaxed: the fence orders it, and we wrote it ourselves */
        return true;
    wf_store_release(&b->inside, 0); /* ORDER(biased): pairs with revoke */
    return false;
}

WF_INLINE void wf_biased_take(wf_biased *b, uint16_t me)
{
    if (wf_likely(wf_biased_enter(b, me)))
        wf_plain_write(&b->by_favourite, 1);
    else
        wf_biased_take_shared(b, me);
}

WF_INLINE void wf_biased_leave(wf_biased *b)
{
    if (wf_likely(wf_plain_read(&b->by_favourite)))
        wf_store_release(&b->inside, 0); /* ORDER(biased): pairs with revoke: it sees what was done inside. */
    else
        wf_unlock(&b->lock);
}

#endif
