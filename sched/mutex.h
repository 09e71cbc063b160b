/* What a condition variable needs of a mutex beyond the public calls (sched/mutex.c). */
#ifndef WF_SCHED_MUTEX_H
#define WF_SCHED_MUTEX_H

#include "sched/coro.h"

/* Does self hold it? */
bool wf_mutex_is_held(weft_mutex *mutex, const wf_coro *self);

/* Let go of it entirely, however often its owner, the caller, has locked it; returns what wf_mutex_lock_again wants.
 * Takes the mutex's own lock and may queue a coroutine. */
uint32_t wf_mutex_unlock_all(weft_mutex *mutex);

/* Lock it again as deep as it was, without regard to kill and deadlines. May suspend. */
void wf_mutex_lock_again(weft_mutex *mutex, wf_coro *self, uint32_t depth);

#endif
