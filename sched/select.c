/* Select: the first of several things, of which channels and times are here; descriptors come in with io/select.c.
 *
 *   1. sort    the cases that have a channel by the channel's address, once
 *   2. lock    all their channels, in that order, each once
 *   3. look    which cases can happen? Choose one and make it happen, as a plain send or receive would; unlock; done
 *   4. line    put each case into its channel's line: the node is in the case, not in the control block
 *   5. wait    the commit step lets all locks go (sched/held.h)
 *   6. claim   whoever meets a case in a line claims the select's coroutine, as it would claim a plain waiter, hands over, and
 *              notes which case it was. A kill, a timer or a descriptor claims it likewise, and notes nothing
 *   7. leave   channel by channel, under its lock, take out the cases that are still in line
 *
 * Why it is one moment (3): all locks are held together, so no send, receive or close on any of the channels comes between the
 * looks at two of them, nor between the look and standing in line. Two selects that meet are ordered by the locks that
 * they share; so of two that could serve each other at least the second finds the first in line.
 *
 * Why it does not deadlock: selects take locks in the order of addresses; nobody else takes a second lock while holding a
 * channel's, but those of timers, and under those nobody takes a channel's.
 *
 * Why exactly one case happens: the claim is one compare-and-swap from WAITING (sched/state.h), and each case is in line for this one
 * wait only: step 7 is over before self can wait again. A claim that comes too late fails and takes the node off its line, as
 * with a plain waiter that has timed out.
 *
 * Why it does not meet itself: in step 3 none of its cases is in any line, and after step 4 it looks no more.
 *
 * Why nobody touches what has gone. The frame: a case in line is touched under its channel's lock, and step 7 takes that lock before
 * it returns; wf_select_unlock says why the commit step is done in time. The channel: one whose case happened
 * may have been freed by whoever made it happen, so step 7 leaves it alone; unless another case still stands in its line, and then it
 * cannot be freed yet. (A close empties the lines, so after one nothing does.) A channel whose case did not
 * happen must not be freed before the call returns, as for any call in progress.
 *
 * The nodes and the elements of more than 16 bytes lie in the caller's frame, where others write to them. So a stack with a
 * select waiting on it stays where it is and keeps its pages (docs/decisions/034-select.md).
 *
 * The model is tests/model/model_select.c.
 */
#include "sched/select.h"

#include <limits.h>

#include "core/clock.h"
#include "sched/channel.h"
#include "sched/choice.h"

static_assert(offsetof(weft_chan, lock) == 0, "wf_select_lock_at relies on it");

/* ---- sorting wf_case.order in place: a few by insertion, many by heapsort ---- */

enum { FEW = 8 };

static uintptr_t address_at(const wf_select *s, uint32_t k)
{
    return (uintptr_t)wf_select_at(s, k)->chan;
}

static void exchange(wf_select *s, uint32_t a, uint32_t b)
{
    wf_case *x = wf_case_room(&s->cases[a]);
    wf_case *y = wf_case_room(&s->cases[b]);
    uint32_t order = x->order;
    x->order = y->order;
    y->order = order;
}

/* `k` may be smaller than its children: let it sink. */
static void sink(wf_select *s, uint32_t k, uint32_t count)
{
    for (uint64_t child = 2 * (uint64_t)k + 1; child < count; child = 2 * (uint64_t)k + 1) {
        if (child + 1 < count && address_at(s, (uint32_t)child) < address_at(s, (uint32_t)child + 1))
            child++;
        if (address_at(s, k) >= address_at(s, (uint32_t)child))
            return;
        exchange(s, k, (uint32_t)child);
        k = (uint32_t)child;
    }
}

/* Those before `k` are sorted: put it among them. */
static void insert(wf_select *s, uint32_t k)
{
    for (; k > 0 && address_at(s, k) < address_at(s, k - 1); k--)
        exchange(s, k, k - 1);
}

static void sort_by_address(wf_select *s)
{
    if (s->channels <= FEW) {
        for (uint32_t k = 1; k < s->channels; k++)
            insert(s, k);
        return;
    }
    for (uint32_t k = s->channels / 2; k-- > 0;)
        sink(s, k, s->channels);
    for (uint32_t count = s->channels; count > 1;) {
        exchange(s, 0, --count);
        sink(s, 0, count);
    }
}

/* ---- opening ---- */

static bool has_channel(const weft_select_case *c)
{
    return (c->op == WEFT_SELECT_RECV || c->op == WEFT_SELECT_SEND) && c->chan != NULL;
}

static int add_case(wf_select *s, uint32_t i)
{
    weft_select_case *c = &s->cases[i];
    switch (c->op) {
    case WEFT_SELECT_NONE:
    case WEFT_SELECT_RECV:
        break;
    case WEFT_SELECT_SEND:
        if (c->chan != NULL && c->value == NULL)
            return -EINVAL;
        break;
    case WEFT_SELECT_TIMER:
        if (c->deadline < s->timer)
            s->timer = c->deadline;
        break;
    case WEFT_SELECT_FD:
        c->revents = 0;
        s->descriptors += wf_select_has_descriptor(c);
        break;
    default:
        return -EINVAL;
    }
    if (has_channel(c))
        wf_case_room(&s->cases[s->channels++])->order = i;
    return 0;
}

int wf_select_open(wf_select *s, wf_coro *self, weft_select_case *cases, size_t n)
{
    if ((cases == NULL && n > 0) || n > INT_MAX)
        return -EINVAL;
    *s = (wf_select){.self = self, .cases = cases, .n = (uint32_t)n, .timer = WEFT_NEVER};
    for (uint32_t i = 0; i < s->n; i++) {
        int error = add_case(s, i);
        if (error < 0)
            return error;
    }
    sort_by_address(s);
    return 0;
}

/* ---- looking ---- */

static void lock(wf_select *s, wf_worker *worker)
{
    wf_biased *last = NULL;
    for (uint32_t k = 0; k < s->channels; k++) {
        wf_biased *next = wf_select_lock_at(s, k);
        if (next != last)
            wf_object_lock_on(worker, next);
        last = next;
    }
}

/* Can it happen? For a channel: as far as one can see without claiming who stands in line. */
static bool is_ready(const weft_select_case *c, int64_t now)
{
    weft_chan *ch = c->chan;
    switch (c->op) {
    case WEFT_SELECT_RECV:
        return ch != NULL && (wf_chan_count(ch) > 0 || !wf_list_is_empty(&ch->senders) || ch->closed);
    case WEFT_SELECT_SEND:
        return ch != NULL && (ch->closed || !wf_list_is_empty(&ch->receivers) || wf_chan_count(ch) < ch->capacity);
    case WEFT_SELECT_TIMER:
        return c->deadline <= now;
    case WEFT_SELECT_FD:
        return c->revents != 0;
    default:
        return false;
    }
}

static uint32_t count_ready(const wf_select *s, int64_t now)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->n; i++)
        count += is_ready(&s->cases[i], now);
    return count;
}

/* The k-th of those that are ready. */
static weft_select_case *find_ready(const wf_select *s, int64_t now, uint32_t k)
{
    for (uint32_t i = 0;; i++)
        if (is_ready(&s->cases[i], now) && k-- == 0)
            return &s->cases[i];
}

static wf_chan_attempt attempt(weft_select_case *c)
{
    if (c->op == WEFT_SELECT_RECV)
        return wf_chan_recv_now(c->chan, c->value);
    if (c->op == WEFT_SELECT_SEND)
        return wf_chan_send_now(c->chan, c->value);
    return (wf_chan_attempt){0, NULL};
}

/* The locks are held. The case that was made to happen, or NULL; *woken has to be queued once they are let go. Those who stand in a
 * line may all turn out to have given up: then there is one case less that can happen. */
static weft_select_case *look(wf_select *s, wf_worker *worker, wf_coro **woken)
{
    int64_t now = s->timer != WEFT_NEVER ? wf_clock_now() : 0;
    uint32_t ready;
    *woken = NULL;
    while ((ready = count_ready(s, now)) > 0) {
        weft_select_case *c = find_ready(s, now, ready == 1 ? 0 : wf_choose(worker, ready));
        wf_chan_attempt a = attempt(c);
        if (a.result != -EAGAIN) {
            c->result = a.result;
            *woken = a.woken;
            return c;
        }
    }
    return NULL;
}

static int place_of(const wf_select *s, const weft_select_case *c)
{
    return (int)(c - s->cases);
}

/* The locks are held, and let go if a case has happened. Its index, or -EAGAIN. */
static int try_locked(wf_select *s, wf_worker *worker)
{
    wf_coro *woken;
    weft_select_case *c = look(s, worker, &woken);
    if (c == NULL)
        return -EAGAIN;
    wf_select_unlock(s);
    wf_chan_wake(worker, woken);
    return place_of(s, c);
}

int wf_select_try(wf_select *s)
{
    wf_worker *worker = wf_worker_self();
    lock(s, worker);
    int result = try_locked(s, worker);
    if (result == -EAGAIN)
        wf_select_unlock(s);
    return result;
}

/* ---- waiting ---- */

/* The lock of its channel is held. */
static void stand_in_line(wf_select *s, weft_select_case *c)
{
    weft_chan *ch = c->chan;
    wf_case *room = wf_case_room(c);
    bool small = wf_chan_is_small(ch);
    room->size = small && c->op == WEFT_SELECT_RECV && c->value != NULL ? ch->element_size : 0;
    wf_store_relaxed(&room->object, s); /* relaxed: the lock publishes it */
    if (small && c->op == WEFT_SELECT_SEND)
        wf_chan_copy(room->data, c->value, ch->element_size);
    else
        room->data[0] = (uintptr_t)c->value;
    wf_list_push_back(c->op == WEFT_SELECT_RECV ? &ch->receivers : &ch->senders, &room->node);
}

/* From the cases at `from` up to `to`, which are all of one channel. */
static void leave_channel(wf_select *s, wf_worker *worker, uint32_t from, uint32_t to)
{
    wf_biased *of_channel = wf_select_lock_at(s, from);
    wf_object_lock_on(worker, of_channel);
    for (uint32_t k = from; k < to; k++) {
        wf_case *room = wf_case_room(wf_select_at(s, k));
        if (wf_list_is_linked(&room->node))
            wf_list_remove(&room->node);
    }
    wf_object_unlock(of_channel);
}

/* Nothing of it is in that channel's lines any more, and the channel may be gone: its only case there has happened, or it was closed,
 * which empties the lines. */
static bool has_left(const wf_select *s, uint32_t from, uint32_t to)
{
    const weft_select_case *winner = wf_plain_read(&s->winner);
    if (winner == NULL || winner->chan != wf_select_at(s, from)->chan)
        return false;
    return to - from == 1 || wf_plain_read(&winner->result) == -EPIPE;
}

/* See wf_select_unlock. */
static void leave_lines(wf_select *s)
{
    wf_worker *worker = wf_worker_self();
    for (uint32_t k = 0; k < s->channels;) {
        uint32_t from = k++;
        while (k < s->channels && wf_select_at(s, k)->chan == wf_select_at(s, from)->chan)
            k++;
        if (!has_left(s, from, k))
            leave_channel(s, worker, from, k);
    }
}

/* A case has happened: it was claimed for it. */
static int take_winner(wf_select *s)
{
    weft_select_case *c = wf_plain_read(&s->winner);
    const wf_case *room = wf_case_room(c);
    if (wf_plain_read(&c->result) == 0 && room->size != 0)
        wf_chan_copy(c->value, room->data, room->size);
    return place_of(s, c);
}

/* It has timed out at its own time, and not at that of an enclosing timeout: one of the TIMER cases, if it was theirs. */
static int take_timer(wf_select *s, int64_t deadline)
{
    if (s->timer > deadline || wf_timeout_effective(s->self, WEFT_NEVER) < s->timer)
        return -ETIMEDOUT;
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->n; i++)
        count += s->cases[i].op == WEFT_SELECT_TIMER && s->cases[i].deadline == s->timer;
    uint32_t k = count == 1 ? 0 : wf_choose(wf_worker_self(), count);
    for (uint32_t i = 0;; i++) {
        if (s->cases[i].op != WEFT_SELECT_TIMER || s->cases[i].deadline != s->timer || k-- != 0)
            continue;
        s->cases[i].result = 0;
        return (int)i;
    }
}

/* The locks are held on entry and not on return. */
static int wait(wf_select *s, int64_t deadline)
{
    wf_coro *self = s->self;
    int64_t until = s->timer < deadline ? s->timer : deadline;
    wf_plain_write(&s->winner, NULL);
    for (uint32_t k = 0; k < s->channels; k++)
        stand_in_line(s, wf_select_at(s, k));
    int result = wf_wait_ticket_held(self, WF_WAIT_SELECT, s->cases, until, s->channels > 0 ? wf_held_select(s) : 0);
    leave_lines(s);
    if (wf_plain_read(&s->winner) != NULL)
        return take_winner(s);
    if (result == -ETIMEDOUT)
        return take_timer(s, deadline);
    return result == 0 ? -EAGAIN : result;
}

/* "Try, do not wait", without a clock where it is said by a constant. */
static bool has_passed(int64_t deadline)
{
    return deadline <= 0 || (deadline != WEFT_NEVER && deadline <= wf_clock_now());
}

int wf_select_wait(wf_select *s, int64_t deadline, bool ticketed)
{
    wf_worker *worker = wf_worker_self();
    lock(s, worker);
    int result = try_locked(s, worker);
    if (result == -EAGAIN && has_passed(deadline)) {
        wf_select_unlock(s);
        result = -ETIMEDOUT;
    } else if (result == -EAGAIN) {
        return wait(s, deadline);
    }
    if (ticketed)
        wf_state_abandon(s->self);
    return result;
}
