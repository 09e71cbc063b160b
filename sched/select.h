/* A select that waits, as those who meet it see it. What it does itself is in select.c, which also says why it is right.
 *
 * Who stands in a channel's line is either a coroutine, by its wait_node, or one case of a select, by the node in the case. The
 * three fields from the node on lie alike in both (static_asserts below), so that whoever meets them need not care
 * which it is, but for the claim: `object` is the channel in a coroutine, the select in a case.
 */
#ifndef WF_SCHED_SELECT_H
#define WF_SCHED_SELECT_H

#include "core/biased.h"
#include "sched/coro.h"

/* The room in a weft_select_case. */
typedef struct wf_case {
    wf_list node;           /* lock of the channel: in one of its lines */
    _Atomic(void *) object; /* the wf_select */
    uint64_t data[2];       /* as wf_coro.wait_data in a channel */
    uint32_t order; /* at index k: which case is the k-th of those that have a channel, by the channel's address */
    uint32_t size;  /* of an element to be copied out of data[] afterwards; else 0 */
} wf_case;

/* One call of weft_select; in its caller's frame. */
typedef struct wf_select {
    wf_coro *self;
    weft_select_case *cases;
    uint32_t n;
    uint32_t channels;        /* cases that have a channel: entries of wf_case.order */
    uint32_t descriptors;     /* cases that have one */
    int64_t timer;            /* the earliest of the TIMER cases; WEFT_NEVER: none */
    weft_select_case *winner; /* by whoever claimed self for it, before it is queued */
} wf_select;

static_assert(sizeof(wf_case) <= sizeof(((weft_select_case *)0)->opaque), "fits its room");
static_assert(offsetof(wf_coro, wait_object) - offsetof(wf_coro, wait_node) == offsetof(wf_case, object), "lie alike");
static_assert(offsetof(wf_coro, wait_data) - offsetof(wf_coro, wait_node) == offsetof(wf_case, data), "lie alike");

WF_INLINE wf_case *wf_case_room(weft_select_case *c)
{
    return (wf_case *)(void *)c->opaque;
}

WF_INLINE weft_select_case *wf_case_of_node(wf_list *node)
{
    return wf_container_of(node, weft_select_case, opaque);
}

WF_INLINE wf_select *wf_case_select(wf_list *node)
{
    return wf_load_relaxed(
        &((wf_case *)(void *)node)->object); /* relaxed: written before it stood in line, under the lock */
}

/* The k-th case that has a channel, by the address of the channel. */
WF_INLINE weft_select_case *wf_select_at(const wf_select *s, uint32_t k)
{
    return &s->cases[wf_plain_read(&wf_case_room(&s->cases[k])->order)];
}

WF_INLINE bool wf_select_has_descriptor(const weft_select_case *c)
{
    return c->op == WEFT_SELECT_FD && c->fd >= 0;
}

/* A channel begins with its lock. */
WF_INLINE wf_biased *wf_select_lock_at(const wf_select *s, uint32_t k)
{
    return (wf_biased *)(void *)wf_select_at(s, k)->chan;
}

/* Let the locks of all its channels go, each once. The select may be woken as soon as the first of them is free, but before it leaves its
 * frame it goes through all of them but the one through which it was claimed (leave_lines in sched/select.c). So
 * until the last one is let go all that is read here is there; nothing is read after that. */
static inline void wf_select_unlock(const wf_select *s)
{
    for (uint32_t k = s->channels; k-- > 0;) {
        wf_biased *lock = wf_select_lock_at(s, k);
        if (k == 0 || wf_select_lock_at(s, k - 1) != lock)
            wf_biased_leave(lock);
    }
}

/* ---- the steps, for io/select.c ---- */

/* Look through the cases. 0, -EINVAL. */
int wf_select_open(wf_select *s, wf_coro *self, weft_select_case *cases, size_t n);

/* Make one of those happen that can: a case with a channel, one whose time has come, a descriptor with revents. Its index, or
 * -EAGAIN. */
int wf_select_try(wf_select *s);

/* Look at the channels once more, and wait. `ticketed`: what else is waited for has been given the ticket of the wait to come, and
 * wakes by it; the ticket is void afterwards. The index of the case that happened; -EAGAIN: woken by ticket; -ETIMEDOUT,
 * -ECANCELED. */
int wf_select_wait(wf_select *s, int64_t deadline, bool ticketed);

#endif
