/* core/biased.h for models in which a lock is taken for granted, as model_simple_lock.h, which this includes. The real one has a
 * model of its own. Include this before anything that includes core/biased.h or core/lock.h, whose guards it takes.
 */
#ifndef WF_CORE_BIASED_H
#define WF_CORE_BIASED_H

#include "core/compiler.h"
#include "core/fence.h"
#include "model_simple_lock.h"

enum { WF_BIAS_PLAIN_THREAD = 0xffff };

/* As large as the real one: public objects have room for that. */
typedef struct wf_biased {
    wf_lock lock;
    uint32_t unused[2];
} wf_biased;

static inline void wf_biased_take(wf_biased *b, uint16_t me)
{
    (void)me;
    wf_lock_take(&b->lock);
}

static inline void wf_biased_leave(wf_biased *b)
{
    wf_unlock(&b->lock);
}

#endif
