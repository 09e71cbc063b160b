/* core/lock.h for models in which a lock is taken for granted: taking and releasing it is one step each, and whoever
 * waits is simply not run. The real lock has a model of its own. Include this before anything that includes
 * core/lock.h, whose guard it takes.
 */
#ifndef WF_CORE_LOCK_H
#define WF_CORE_LOCK_H

#include "core/atomics.h"

typedef struct wf_lock {
    uint32_t word;
} wf_lock;

static inline void wf_lock_take(wf_lock *lock)
{
    mc_lock(&lock->word);
}

static inline void wf_unlock(wf_lock *lock)
{
    mc_unlock(&lock->word);
}

#endif
