/* Event: a flag, and a line of those that wait for it.
 *
 *   wait   take the lock; set? let it go and return; else stand in the line and suspend
 *   set    take the lock; set the flag; claim everybody in the line; let the lock go; queue them
 *   clear  take the lock; clear the flag
 *
 * Flag and line change under one lock, so a waiter either sees the flag or is in the line when it is set.
 *
 * wait takes the lock even where the flag is set already. Reading the flag alone would be cheaper by two atomic
 * operations, but then a waiter could return, and free the event, while the setter still has to let the lock go: an
 * event in the frame of the waiter is what it is mostly used for.
 */
#include "sched/waiters.h"

struct event {
    wf_biased lock;
    _Atomic(uint32_t) set; /* written under the lock; read by weft_event_is_set without */
    wf_list waiters;       /* lock: empty while set */
};

static_assert(sizeof(struct event) <= sizeof(weft_event), "fits the public object");
static_assert(_Alignof(struct event) <= _Alignof(weft_event), "is aligned as the public object");

static struct event *open_event(weft_event *event)
{
    return (struct event *)(void *)event;
}

int weft_event_init(weft_event *event)
{
    if (event == NULL)
        return -EINVAL;
    *event = (weft_event)WEFT_EVENT_INIT;
    return 0;
}

int weft_event_fini(weft_event *event)
{
    if (event == NULL)
        return -EINVAL;
    struct event *e = open_event(event);
    wf_object_lock(&e->lock);
    bool busy = !wf_list_is_empty(&e->waiters);
    wf_object_unlock(&e->lock);
    return busy ? -EBUSY : 0;
}

int weft_event_set(weft_event *event)
{
    if (event == NULL)
        return -EINVAL;
    struct event *e = open_event(event);
    wf_list claimed;
    wf_object_lock(&e->lock);
    /* ORDER(event): pairs with weft_event_is_set, which sees what was written before; the lock orders waiters. */
    wf_store_release(&e->set, 1);
    wf_waiters_claim_all(&e->waiters, &claimed);
    wf_object_unlock(&e->lock);
    wf_ready_all(&claimed, 0);
    return 0;
}

int weft_event_clear(weft_event *event)
{
    if (event == NULL)
        return -EINVAL;
    struct event *e = open_event(event);
    wf_object_lock(&e->lock);
    wf_store_relaxed(&e->set, 0); /* relaxed: a cleared flag publishes nothing */
    wf_object_unlock(&e->lock);
    return 0;
}

int weft_event_is_set(weft_event *event)
{
    if (event == NULL)
        return -EINVAL;
    /* ORDER(event): pairs with weft_event_set. */
    return (int)wf_load_acquire(&open_event(event)->set);
}

int weft_event_wait(weft_event *event)
{
    return weft_event_wait_until(event, WEFT_NEVER);
}

int weft_event_wait_until(weft_event *event, int64_t deadline)
{
    if (event == NULL)
        return -EINVAL;
    wf_coro *self;
    int error = wf_enter(&self);
    if (error != 0)
        return error;
    struct event *e = open_event(event);
    wf_object_lock(&e->lock);
    if (wf_load_relaxed(&e->set)) { /* relaxed: written under the lock */
        wf_object_unlock(&e->lock);
        return 0;
    }
    return wf_wait_in_line(self, &e->waiters, WF_WAIT_EVENT, e, deadline, &e->lock);
}
