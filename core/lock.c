/* The slow paths of wf_lock: spin for a while, then sleep in a futex. */
#include "core/lock.h"

#include "core/futex.h"

/* About 1 µs at 30–40 cycles per pause: the sections under a wf_lock are shorter than that, so a holder that has not let
 * go by then has most likely been preempted. */
#ifndef WF_LOCK_SPINS
#define WF_LOCK_SPINS 100 /* the model uses 1 */
#endif

void wf_lock_wait(wf_lock *lock)
{
    for (int i = 0; i < WF_LOCK_SPINS; i++) {
        wf_spin_pause();
        /* relaxed: a hint only; wf_lock_try acquires. */
        if (wf_load_relaxed(&lock->word) == 0 && wf_lock_try(lock))
            return;
    }
    /* ORDER(lock): pairs with wf_unlock. Taking it as 2 may cost one futex wake too many, never one too few. */
    while (wf_exchange_acquire(&lock->word, 2) != 0)
        wf_futex_wait(&lock->word, 2, INT64_MAX);
}

void wf_lock_wake(wf_lock *lock)
{
    wf_futex_wake(&lock->word, 1);
}
