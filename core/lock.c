/* The slow paths of wf_lock: spin for a while, then sleep in a futex. */
#include "core/lock.h"

#include "core/futex.h"

/* The sections under a lock take some nanoseconds, so a holder that has not let go after about 10 µs (a pause takes 30 to 40 cycles)
 * has most likely been preempted. */
#ifndef WF_LOCK_SPINS
#define WF_LOCK_SPINS 1000 /* pauses in all; the model uses 1 */
#endif

/* Most pauses before the next look. Two that look all the time hand the lock, and with it the lines of its object, to and fro at each
 * section; one that looks away for a while lets the other do some dozen sections at the speed of one thread. */
enum { LONGEST_PAUSE = 64 };

void wf_lock_wait(wf_lock *lock)
{
    int pauses = 1;
    for (int spins = 0; spins < WF_LOCK_SPINS; spins += pauses) {
        for (int i = 0; i < pauses; i++)
            wf_spin_pause();
        /* relaxed: a hint only; wf_lock_try acquires. */
        if (wf_load_relaxed(&lock->word) == 0 && wf_lock_try(lock))
            return;
        pauses = pauses < LONGEST_PAUSE ? 2 * pauses : pauses;
    }
    /* ORDER(lock): pairs with wf_unlock. Taking it as 2 may cost one futex wake too many, never one too few. */
    while (wf_exchange_acquire(&lock->word, 2) != 0)
        wf_futex_wait(&lock->word, 2, INT64_MAX);
}

void wf_lock_wake(wf_lock *lock)
{
    wf_futex_wake(&lock->word, 1);
}
