/* Handles and the life word: whom a handle names, and until when.
 *
 * A handle's low 28 bits are the block's offset in units of 64 bytes, the 36 bits above are the generation. wf_coro.life: bits 0–11
 * references by handles (spawn, weft_ref), bits 12–27 holds by whoever works on the block (the coroutine itself until it is
 * retired, a call that was given a handle while it runs), bits 28–63 generation. A block is free when the low 28 bits are zero:
 * the generation has grown by one then, which makes all its handles stale. A handle is stale for weft_join and its kin as soon
 * as its references are gone; for the other calls it is not before its coroutine has ended too, so that a coroutine to which no
 * handle refers can still be named by itself and by those that it told.
 */
#ifndef WF_SCHED_LIFE_H
#define WF_SCHED_LIFE_H

#include "sched/coro.h"

enum {
    WF_LIFE_HANDLE_BITS = 28,
    WF_LIFE_UNIT = 64, /* a handle counts in units of 64 bytes */
};

#define WF_LIFE_LOW ((UINT64_C(1) << WF_LIFE_HANDLE_BITS) - 1)
#define WF_LIFE_HOLD (UINT64_C(1) << 12)
#define WF_LIFE_REFS (WF_LIFE_HOLD - 1)
#define WF_LIFE_HOLDS (WF_LIFE_LOW & ~WF_LIFE_REFS)

/* All blocks lie in here. */
struct wf_coro_space {
    char *base;
    uint64_t size;            /* reserved */
    _Atomic(uint64_t) extent; /* accessible and handed out so far; grows under the lock */
    wf_lock lock;
    wf_coro *free; /* by link */
};

extern struct wf_coro_space wf_coro_space __attribute__((visibility("hidden")));

/* The block that a handle names, whatever has become of it; NULL when it names none. */
WF_INLINE wf_coro *wf_life_block(const weft_t *handle)
{
    uint64_t offset = ((uint64_t)(uintptr_t)handle & WF_LIFE_LOW) * WF_LIFE_UNIT;
    /* ORDER(extent): pairs with grow in sched/coro.c. */
    if (handle == NULL || offset >= wf_load_acquire(&wf_coro_space.extent) || offset % sizeof(wf_coro) != 0)
        return NULL;
    return (wf_coro *)(void *)(wf_coro_space.base + offset);
}

WF_INLINE uint64_t wf_life_generation(uint64_t life)
{
    return life >> WF_LIFE_HANDLE_BITS;
}

/* Does this life belong to the coroutine that the handle was given out for? */
WF_INLINE bool wf_life_is_named(const weft_t *handle, uint64_t life)
{
    return (uint64_t)(uintptr_t)handle >> WF_LIFE_HANDLE_BITS == wf_life_generation(life);
}

/* And may it be joined by it? */
WF_INLINE bool wf_life_is_joinable(const weft_t *handle, uint64_t life)
{
    return wf_life_is_named(handle, life) && (life & WF_LIFE_REFS) != 0;
}

enum wf_life_taken {
    WF_LIFE_STALE, /* there was no reference any more; nothing changed */
    WF_LIFE_TAKEN,
    WF_LIFE_LAST, /* and nobody but the coroutine itself had anything left: its handles are stale, and it is gone */
};

/* By the coroutine itself, or whoever retires it: did it give up its own hold with the last reference? */
WF_INLINE bool wf_life_is_gone(wf_coro *coro)
{
    return (wf_load_relaxed(&coro->life) & WF_LIFE_LOW) ==
           0; /* relaxed: we wrote it; or we still hold it, so it is not zero */
}

/* By the coroutine itself, as it ends: take the reference of a joiner. */
WF_INLINE enum wf_life_taken wf_life_take_ref(wf_coro *self)
{
    /* ORDER(life): pairs with the others' release. */
    uint64_t life = wf_load_acquire(&self->life);
    uint64_t fresh;
    do {
        if ((life & WF_LIFE_REFS) == 0)
            return WF_LIFE_STALE;
        fresh = life - 1;
        if ((fresh & WF_LIFE_LOW) == WF_LIFE_HOLD)
            fresh = (wf_life_generation(life) + 1) << WF_LIFE_HANDLE_BITS;
        /* ORDER(life): as above. */
    } while (!wf_cas_acq_rel(&self->life, &life, fresh));
    return (fresh & WF_LIFE_LOW) == 0 ? WF_LIFE_LAST : WF_LIFE_TAKEN;
}

/* By a holder of one that has ended: what it has is a reference from now on, so that the handle names the coroutine. False: there are
 * 4,095 already, and nothing changed. */
WF_INLINE bool wf_life_turn_hold_into_ref(wf_coro *coro)
{
    /* ORDER(life): pairs with the others' release. */
    uint64_t life = wf_load_acquire(&coro->life);
    do {
        if ((life & WF_LIFE_REFS) == WF_LIFE_REFS)
            return false;
        /* ORDER(life): as above. */
    } while (!wf_cas_acq_rel(&coro->life, &life, life + 1 - WF_LIFE_HOLD));
    return true;
}

#endif
