/* wf_coro.joiners: those that wait for the end of a coroutine, in one word.
 *
 *     bit 0  LOCKED   a spin lock, for some instructions, or from a joiner's linking itself until its commit step
 *     bit 1  CLOSED   the coroutine has ended, or the block is free: nobody may link itself any more
 *     bit 2  LINKED   the ring has, or once had, a node that is no joiner's: the end goes the long way (notify.c)
 *     above           the first node of a ring of waiters (core/list.h)
 *
 * The word is changed by whoever holds LOCKED; while it is CLOSED, by the spawn that opens it for the next coroutine in the block. So
 * who comes with a stale handle may take the lock of a stranger, but takes it properly; it looks at the generation under the
 * lock and goes away again.
 */
#ifndef WF_SCHED_JOINERS_H
#define WF_SCHED_JOINERS_H

#include "sched/coro.h"

#define WF_JOINERS_LOCKED ((uintptr_t)1)
#define WF_JOINERS_CLOSED ((uintptr_t)2)
#define WF_JOINERS_LINKED ((uintptr_t)4)
#define WF_JOINERS_BITS (WF_JOINERS_LOCKED | WF_JOINERS_CLOSED | WF_JOINERS_LINKED)

/* Who stands on the ring. A waiter of one target with its own wait_node, at a multiple of 64; all else with one of these, whose node
 * is at 8 modulo 16. */
typedef struct wf_joiner {
    wf_coro *waiter; /* of any of several, to be woken by its ticket; NULL: what `kind` says */
    wf_list node;
    union {
        uint64_t ticket;
        uint64_t kind; /* enum wf_joiner_kind */
    };
} wf_joiner;

static_assert(offsetof(wf_joiner, node) % 16 == 8, "told from a wait_node by its address");

enum wf_joiner_kind {
    WF_JOINER_ITER = 1, /* of a weft_iwait: told under the lock (iwait.c) */
    WF_JOINER_LINK,     /* a function, called by the end itself, after the lock (link.c) */
    WF_JOINER_SCOPE,    /* the scope of the coroutine, told after the lock (scope.c) */
};

/* wait_data of a waiter with its wait_node */
enum {
    WF_JOIN_TAKES = 0, /* enum wf_join_takes */
    WF_JOIN_RESULT = 1
};

enum wf_join_takes {
    WF_JOIN_WATCHES,  /* it waits for the end only */
    WF_JOIN_COLLECTS, /* it joins: its reference goes, and it wants the result */
    WF_JOIN_STARTS,   /* a link: a coroutine that starts at that end (link.c) */
};

/* Take a node off. False: the target has ended meanwhile, and took it off; and then all that its end does under the lock has been
 * done. The block may belong to the next coroutine by now, and have been locked here as such (join.c). */
bool wf_join_unlink(wf_coro *target, wf_list *node);

/* The parts of the end that both ways have in common (join.c). The lock is held; the waiter is off the ring. */
void wf_join_tell(wf_coro *self, wf_coro *waiter);
void wf_join_tell_any(wf_joiner *any);

/* The end of a coroutine with LINKED set; its joiners are locked (notify.c). */
void wf_notify_publish(wf_coro *self);

/* Put a node that is no joiner's on the ring of one that the caller holds. False: it has ended (notify.c). */
bool wf_notify_add(wf_coro *target, wf_joiner *joiner);

/* What the end calls, by kind. */
void wf_iwait_told(wf_joiner *joiner);
void wf_link_run(wf_joiner *joiner, wf_coro *self);
void wf_scope_told(wf_joiner *joiner, wf_coro *self);

bool wf_joiners_lock_contended(wf_coro *target);

/* False: closed, and not locked. */
WF_INLINE bool wf_joiners_lock(wf_coro *target)
{
    uintptr_t word = wf_load_relaxed(&target->joiners); /* relaxed: the CAS decides */
    /* ORDER(joiners): pairs with wf_joiners_unlock: the ring. */
    if (wf_likely(!(word & (WF_JOINERS_LOCKED | WF_JOINERS_CLOSED))) &&
        wf_cas_acq_rel(&target->joiners, &word, word | WF_JOINERS_LOCKED))
        return true;
    return wf_joiners_lock_contended(target);
}

/* The lock is held, for all of these. */
WF_INLINE wf_list *wf_joiners_first(wf_coro *target)
{
    return (wf_list *)(wf_load_relaxed(&target->joiners) & ~WF_JOINERS_BITS); /* relaxed: under the lock */
}

/* The word with another ring, and without the lock. */
WF_INLINE uintptr_t wf_joiners_word(wf_coro *target, wf_list *first)
{
    /* relaxed: under the lock */
    return (uintptr_t)first | (wf_load_relaxed(&target->joiners) & WF_JOINERS_LINKED);
}

/* The lock is held. Returns the word to unlock with. */
WF_INLINE uintptr_t wf_joiners_link(wf_coro *target, wf_list *node)
{
    uintptr_t word = wf_load_relaxed(&target->joiners); /* relaxed: under the lock */
    wf_list *first = (wf_list *)(word & ~WF_JOINERS_BITS);
    if (first == NULL)
        wf_list_init(node);
    else
        wf_list_insert_before(first, node);
    return (uintptr_t)(first != NULL ? first : node) | (word & WF_JOINERS_LINKED);
}

/* With this word from now on; or WF_JOINERS_CLOSED. */
WF_INLINE void wf_joiners_unlock(wf_coro *target, uintptr_t word)
{
    wf_store_release(&target->joiners, word); /* ORDER(joiners): pairs with wf_joiners_lock. */
}

#endif
