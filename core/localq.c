/* Robbing a worker's own queue, and waiting while one is robbed: see core/localq.h. */
#include "core/localq.h"

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

/* Both are inside for well under a microsecond, unless the kernel has taken the CPU away. */
#ifndef WF_LOCALQ_SPINS
#define WF_LOCALQ_SPINS 200 /* the model uses 1 */
#endif

/* The owner has found a thief: stay out until it is gone, then be inside. */
void wf_localq_wait(wf_localq *q)
{
    do {
        wf_store_release(&q->busy, 0); /* ORDER(localq-busy): as wf_localq_leave */
        /* ORDER(localq-robbed): pairs with wf_localq_rob. */
        for (int spins = 1; wf_load_acquire(&q->robbed); spins++) {
            if (spins % WF_LOCALQ_SPINS == 0)
                nap();
            else
                wf_spin_pause();
        }
        wf_store_relaxed(&q->busy, 1);     /* relaxed: the fence orders it */
        wf_fence_light();                  /* ORDER(localq-rob): as wf_localq_enter */
    } while (wf_load_acquire(&q->robbed)); /* ORDER(localq-robbed): as above */
}

uint32_t wf_localq_rob(wf_localq *q, void **taken)
{
    uint32_t n = 0;
    wf_lock_take(&q->lock);
    wf_store_relaxed(&q->robbed, 1); /* relaxed: the fence orders it */
    wf_fence_heavy();                /* ORDER(localq-rob): robbed, then busy; pairs with wf_localq_enter. */
    /* ORDER(localq-busy): pairs with wf_localq_leave. */
    for (int spins = 1; wf_load_acquire(&q->busy); spins++) {
        if (spins % WF_LOCALQ_SPINS == 0)
            nap();
        else
            wf_spin_pause();
    }
    for (uint32_t half = (wf_localq_count(q) + 1) / 2; n < half; n++)
        taken[n] = wf_localq_pop(q);
    if (n == 0 && (taken[0] = wf_localq_replace(q, NULL)) != NULL)
        n = 1;
    wf_store_release(&q->robbed, 0); /* ORDER(localq-robbed): pairs with wf_localq_enter. */
    wf_unlock(&q->lock);
    return n;
}
