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
 * Instead of a coroutine a case of a select may stand in line (sched/select.h). It is claimed, served and passed over in the same way; which of
 * its cases it was for is noted in the select. One select may stand in both lines of a channel without a buffer; then either may
 * find it, and nobody else stands in the other line.
 *
 * Where the element of a waiter is. Up to 16 bytes: in its control block (wait_data), so that nobody writes to a parked
 * stack; a receiver copies it out after it was resumed. Larger: at the address that its caller gave, which is in
 * wait_data[0]. In a case: likewise, in the case.
 *
 * The model is tests/model/model_channel.c.
 */
#include "sched/channel.h"

#include "core/alloc.h"

enum { ELEMENT_MAX = 64 * 1024 };

/* A case of a select stands in line: it is the one that happens, unless another was faster. */
static wf_coro *claim_case(wf_list *node)
{
    weft_select_case *c = wf_case_of_node(node);
    wf_select *select = wf_case_select(node);
    wf_coro *coro = wf_plain_read(&select->self);
    if (!wf_state_claim(coro))
        return NULL;
    wf_plain_write(&c->result, 0);
    wf_plain_write(&select->winner, c);
    return coro;
}

wf_chan_waiter wf_chan_claim(weft_chan *ch, wf_list *line)
{
    wf_list *node;
    while ((node = wf_list_pop_front(line)) != NULL) {
        wf_coro *coro = wf_container_of(node, wf_coro, wait_node);
        if (wf_chan_is_case(ch, node))
            coro = claim_case(node);
        else if (!wf_state_claim(coro))
            coro = NULL;
        if (coro != NULL)
            return (wf_chan_waiter){node, coro};
    }
    return (wf_chan_waiter){NULL, NULL};
}

/* Claim everybody in `line`, in order, and hang them on `claimed`, the caller's own. The lock is held. */
static void claim_all(weft_chan *ch, wf_list *line, wf_list *claimed)
{
    wf_chan_waiter waiter;
    wf_list_init(claimed);
    while ((waiter = wf_chan_claim(ch, line)).coro != NULL)
        wf_list_push_back(claimed, waiter.node);
}

/* Tell them that the channel is closed. No lock is held. */
static void tell_closed(weft_chan *ch, wf_list *claimed)
{
    wf_list *node;
    while ((node = wf_list_pop_front(claimed)) != NULL) {
        if (wf_chan_is_case(ch, node)) {
            wf_plain_write(&wf_case_of_node(node)->result, -EPIPE);
            wf_ready(wf_plain_read(&wf_case_select(node)->self), 0);
        } else {
            wf_ready(wf_container_of(node, wf_coro, wait_node), -EPIPE);
        }
    }
}

/* The ring is full: wait until a receiver has taken it. The lock is held on entry, not on return. */
WF_INLINE int send_in_line(weft_chan *ch, wf_coro *self, const void *value, int64_t deadline)
{
    if (wf_chan_is_small(ch))
        wf_chan_copy(self->wait_data, value, ch->element_size);
    else
        self->wait_data[0] = (uintptr_t)value;
    return wf_wait_in_line(self, &ch->senders, WF_WAIT_CHAN_SEND, ch, deadline, &ch->lock);
}

/* The ring is empty: wait until a sender has given something. As above. */
WF_INLINE int recv_in_line(weft_chan *ch, wf_coro *self, void *value, int64_t deadline)
{
    bool small = wf_chan_is_small(ch);
    uint32_t size = ch->element_size;
    self->wait_data[0] = (uintptr_t)value;
    int result = wf_wait_in_line(self, &ch->receivers, WF_WAIT_CHAN_RECV, ch, deadline, &ch->lock);
    if (result == 0 && small && value != NULL)
        wf_chan_copy(value, self->wait_data, size);
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
    wf_chan_attempt a = wf_chan_send_now(ch, value);
    return a.result == -EAGAIN ? send_in_line(ch, caller.self, value, deadline) : wf_chan_finish(ch, caller.worker, a);
}

int weft_chan_try_send(weft_chan *ch, const void *value)
{
    if (ch == NULL || value == NULL)
        return -EINVAL;
    wf_worker *worker = wf_worker_self();
    wf_object_lock_on(worker, &ch->lock);
    return wf_chan_finish(ch, worker, wf_chan_send_now(ch, value));
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
    wf_chan_attempt a = wf_chan_recv_now(ch, value);
    return a.result == -EAGAIN ? recv_in_line(ch, caller.self, value, deadline) : wf_chan_finish(ch, caller.worker, a);
}

int weft_chan_try_recv(weft_chan *ch, void *value)
{
    if (ch == NULL)
        return -EINVAL;
    wf_worker *worker = wf_worker_self();
    wf_object_lock_on(worker, &ch->lock);
    return wf_chan_finish(ch, worker, wf_chan_recv_now(ch, value));
}

int weft_chan_close(weft_chan *ch)
{
    if (ch == NULL)
        return -EINVAL;
    wf_list senders, receivers;
    wf_object_lock(&ch->lock);
    bool was_closed = ch->closed;
    ch->closed = true;
    claim_all(ch, &ch->senders, &senders);
    claim_all(ch, &ch->receivers, &receivers);
    wf_object_unlock(&ch->lock);
    tell_closed(ch, &senders); /* from here on `ch` is but a number: those that are woken may free it */
    tell_closed(ch, &receivers);
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
