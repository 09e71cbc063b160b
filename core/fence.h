/* Fences of which one side is nearly free: for a store-load pair that one side runs all the time and the other hardly ever.
 *
 *     often     store x;  wf_fence_light();  load y        a compiler barrier: no instruction
 *     seldom    store y;  wf_fence_heavy();  load x        membarrier(2): 0.4 µs alone, 9 µs with a second thread running
 *
 * As with two sequentially consistent fences, at least one of the two loads sees the other side's store. Two light fences order
 * nothing between each other: every use pairs a light one with heavy ones.
 *
 * The kernel makes every running thread of the process execute a full barrier before membarrier returns; one that does not run has
 * executed it when it was switched out. So what the often side has done up to that moment is visible afterwards, and what it
 * does later sees the store of y. Linux 4.14 (MEMBARRIER_CMD_PRIVATE_EXPEDITED); where it is refused (an emulator, a filter of
 * system calls) both are ordinary fences.
 */
#ifndef WF_CORE_FENCE_H
#define WF_CORE_FENCE_H

#include "core/atomics.h"
#include "core/compiler.h"

#ifndef WF_MODEL

/* Light fences are free. Set before the first worker starts, and never cleared. */
extern _Atomic(bool) wf_fence_is_asymmetric;

/* Calls of membarrier(2) by heavy fences since the runtime was started last. */
extern _Atomic(uint64_t) wf_fence_count;

/* Ask the kernel for it. Once per start of the runtime. */
void wf_fence_init(void);

void wf_fence_heavy(void);

WF_INLINE void wf_fence_light(void)
{
    /* relaxed: who misses that it has been set makes a real fence, which is light enough, too */
    if (wf_likely(wf_load_relaxed(&wf_fence_is_asymmetric)))
        wf_fence_compiler();
    else
        wf_fence_seq_cst(); /* ORDER(fence): pairs with wf_fence_heavy, when that is no more than a fence. */
}

#endif
#endif
