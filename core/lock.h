/* A four-byte lock for sections of a few dozen instructions: the waiters of one object, a timer wheel, the shared queue.
 *
 * Zero is unlocked. It belongs to the OS thread that took it, not to a coroutine, and nothing may suspend while holding
 * it, with one exception that the scheduler is built on: a coroutine that suspends keeps the lock of the object it waits
 * on until the commit step after the switch, on the same OS thread, lets it go (sched/suspend.h).
 *
 * Uncontended: one compare-and-swap to take it, one exchange to release it. A thread that finds it taken spins for about
 * a microsecond and then sleeps in a futex, because its holder may have been preempted by the kernel.
 * States: 0 free, 1 taken, 2 taken and somebody sleeps.
 */
#ifndef WF_CORE_LOCK_H
#define WF_CORE_LOCK_H

#include "core/atomics.h"

typedef struct wf_lock {
    _Atomic(uint32_t) word;
} wf_lock;

void wf_lock_wait(wf_lock *lock);
void wf_lock_wake(wf_lock *lock);

static inline bool wf_lock_try(wf_lock *lock)
{
    uint32_t free = 0;
    /* ORDER(lock): pairs with wf_unlock, so that the section sees what the sections before it wrote. */
    return wf_cas_acquire(&lock->word, &free, 1);
}

static inline void wf_lock_take(wf_lock *lock)
{
    if (!wf_lock_try(lock))
        wf_lock_wait(lock);
}

static inline void wf_unlock(wf_lock *lock)
{
    /* ORDER(lock): pairs with wf_lock_try and wf_lock_wait. */
    if (wf_exchange_release(&lock->word, 0) == 2)
        wf_lock_wake(lock);
}

#endif
