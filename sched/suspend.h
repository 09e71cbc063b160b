/* Suspend and wake: the one mechanism that every blocking primitive of weft is built on.
 *
 * A primitive that may block goes through these steps, for a coroutine and for a plain thread alike:
 *
 *   1. self = wf_self()                          the caller's control block
 *   2. wf_check(self)                            killed? -> -ECANCELED
 *   3. lock the object; what it wants is there?  take it, unlock, return
 *   4. link self->wait_node into the object's list of waiters
 *   5. result = wf_wait_locked(self, kind, object, deadline, lock)
 *        - sets the effective deadline: the earlier of `deadline` and the ambient ones
 *        - switches to the next coroutine; the commit step, on that one's stack, makes self WAITING, then unlocks
 *        - returns unlocked, when somebody has claimed self and queued it
 *   6. wf_wait_was_ended(result): a timer (-ETIMEDOUT), a kill (-ECANCELED) or the end of a deadlock (-EDEADLK) claimed
 *        it, so wait_node may still be linked: wf_wait_unlink(self, lock) takes it off. Any other result is the
 *        wake_value that the waker gave, and the waker has unlinked it.
 *
 * And a primitive that wakes:
 *
 *   1. lock the object
 *   2. co = wf_waiters_claim(&list)              unlinks waiters from the front until one could be claimed
 *   3. hand over what it waits for: through co->wait_data, or by state that the lock protects
 *   4. unlock
 *   5. wf_ready(co, value)                       value becomes the result of its wait
 *
 * Why no wake-up is lost: self is on the list before the lock is let go, and WAITING before that; a waker claims under the
 * same lock. Why nobody is woken twice: WAITING -> READY is one compare-and-swap (sched/state.h). Why nobody touches a
 * control block that has moved on: until a timed-out waiter has taken the lock and unlinked itself it cannot go on, and a
 * waker claims while it holds that lock.
 *
 * I/O knows its waiter by ticket instead of by a locked list: wf_wait_ticket.
 */
#ifndef WF_SCHED_SUSPEND_H
#define WF_SCHED_SUSPEND_H

#include "sched/coro.h"
#include "sched/held.h"
#include "sched/state.h"

/* The caller's control block: the running coroutine, or the plain thread's own (made on first use). NULL only for want of
 * memory. Do not keep what else hangs on the thread across a suspension; the block itself stays the same. */
wf_coro *wf_self(void);

/* The running coroutine, NULL on a plain thread. */
wf_coro *wf_self_coro(void);

/* What weft_last_error tells the caller from now on (spawn.c). */
void wf_set_last_error(int error);

/* 0, or -ECANCELED when it was killed and no shield is up. Every blocking call begins with it. */
static inline int wf_check(wf_coro *self)
{
    /* relaxed: a kill that is not seen here is seen by the commit step, or at the next call. */
    return wf_unlikely(wf_load_relaxed(&self->killed)) && self->shield == 0 ? -125 /* ECANCELED */ : 0;
}

/* Was a wait with this result ended by something else than a waker: a deadline, a kill, or the end of a deadlock? These leave the
 * waiter on its list. */
static inline bool wf_wait_was_ended(int result)
{
    return result == -110 /* ETIMEDOUT */ || result == -125 /* ECANCELED */ || result == -35 /* EDEADLK */;
}

/* Step 5 above. `lock` is held on entry and not on return. The result is the waker's value, -ETIMEDOUT, -ECANCELED or
 * -EDEADLK. A deadline that has passed means: do not wait. */
int wf_wait_held(wf_coro *self, enum wf_wait_kind kind, void *object, int64_t deadline, wf_held held);

WF_INLINE int wf_wait_locked(wf_coro *self, enum wf_wait_kind kind, void *object, int64_t deadline, wf_biased *lock)
{
    return wf_wait_held(self, kind, object, deadline, wf_held_object(lock));
}

/* The same for a wait that nothing but its waker may end: neither kill nor any deadline. */
int wf_wait_locked_firm(wf_coro *self, enum wf_wait_kind kind, void *object, wf_biased *lock);

/* As wf_wait_ticket, for one that others find on lists, too: `held` is what guards those (0: none). Of wakers by ticket and by list one
 * ends the wait; it unlinks itself from all lists before it waits again. */
int wf_wait_ticket_held(wf_coro *self, enum wf_wait_kind kind, void *object, int64_t deadline, wf_held held);

/* Wait for a waker that was given (self, wf_state_ticket(self)) and will call wf_wake. As above; on -ETIMEDOUT,
 * -ECANCELED and -EDEADLK the waker may still come, with a ticket that is stale by then. If the waker was faster than the suspension
 * the result is 0. */
WF_INLINE int wf_wait_ticket(wf_coro *self, enum wf_wait_kind kind, void *object, int64_t deadline)
{
    return wf_wait_ticket_held(self, kind, object, deadline, 0);
}

int wf_wait_ticket_firm(wf_coro *self, enum wf_wait_kind kind, void *object);

/* Step 6: take the lock, unlink self if it still is on a list, let the lock go. Returns true when it was linked. */
bool wf_wait_unlink(wf_coro *self, wf_biased *lock);

/* Unlink waiters from the front until one can be claimed; NULL when none is left. The list's lock is held. */
wf_coro *wf_waiters_claim(wf_list *waiters);

/* Queue a coroutine that the caller has claimed; `value` becomes the result of its wait. From any thread. */
void wf_ready(wf_coro *coro, int value);

/* Queue it so that it runs after what is runnable already (completions and timers), not next. */
void wf_ready_fifo(wf_coro *coro, int value);

/* Claim by ticket and queue. True: that wait was still on. From any thread. */
bool wf_wake(wf_coro *coro, uint64_t ticket, int value);

#endif
