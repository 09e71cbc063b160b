/* The ways into a biased lock that are not the favourite's: see core/biased.h. */
#include "core/biased.h"

#ifdef WF_MODEL
#define nap wf_spin_pause
#else
#include <time.h>

#include "core/syscall.h"

static void nap(void)
{
    wf_syscall3(SYS_nanosleep, &(struct timespec){.tv_nsec = 20000}, NULL, 0);
}
#endif

/* The favourite is inside for some nanoseconds, unless the kernel has taken its CPU away. */
#ifndef WF_BIASED_SPINS
#define WF_BIASED_SPINS 200 /* the model uses 1 */
#endif

/* The lock is held. Take the favourite's right away, and wait until it is outside. */
static void revoke(wf_biased *b, uint16_t favourite)
{
    wf_store_relaxed(&b->favourite, favourite | WF_BIAS_REVOKED); /* relaxed: the fence orders it */
    wf_fence_heavy(); /* ORDER(biased): favourite, then inside; pairs with wf_biased_enter. */
    /* ORDER(biased): pairs with wf_biased_leave: what was done inside. */
    for (int spins = 1; wf_load_acquire(&b->inside) != 0; spins++) {
        if (spins % WF_BIASED_SPINS == 0)
            nap();
        else
            wf_spin_pause();
    }
    if (b->level < WF_BIAS_LEVELS)
        b->level++;
}

/* The lock is held by worker `me`, once more: has it come often enough to be made the favourite? */
static bool is_due(wf_biased *b, uint16_t me)
{
    if (b->last != me) {
        b->last = me;
        b->streak = 0;
    }
    b->streak += b->streak < (WF_BIAS_AFTER << b->level);
    return b->streak == (WF_BIAS_AFTER << b->level);
}

/* The lock is held by worker `me`, and the favourite is nobody, or REVOKED. */
static void count(wf_biased *b, uint16_t me, uint16_t favourite)
{
    bool is_free = favourite == WF_BIAS_NOBODY || favourite == (me | WF_BIAS_REVOKED);
    if (is_due(b, me) && is_free) {
        b->streak = 0;
        /* relaxed: only we enter by it, and others have the lock before they look */
        wf_store_relaxed(&b->favourite, me);
    } else if (is_free && favourite != WF_BIAS_NOBODY) {
        wf_store_relaxed(&b->favourite, WF_BIAS_NOBODY); /* relaxed: whoever acts on it has the lock */
    }
}

void wf_biased_take_shared(wf_biased *b, uint16_t me)
{
    wf_lock_take(&b->lock);
    uint16_t favourite = wf_load_relaxed(&b->favourite); /* relaxed: changes with the lock held only */
    if (favourite != WF_BIAS_NOBODY && !(favourite & WF_BIAS_REVOKED)) {
        revoke(b, favourite);
        favourite |= WF_BIAS_REVOKED;
    }
    /* From here on nobody else is in. */
    wf_plain_write(&b->by_favourite, 0);
    if (me != WF_BIAS_PLAIN_THREAD)
        count(b, me, favourite);
}
