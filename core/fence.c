/* The heavy half of the asymmetric fences: see core/fence.h. */
#include "core/fence.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>

#include "core/syscall.h"
#include "core/write.h"

_Atomic(bool) wf_fence_is_asymmetric;
_Atomic(uint64_t) wf_fence_count;

static long membarrier(long command)
{
    return wf_syscall3(SYS_membarrier, command, 0, 0);
}

void wf_fence_init(void)
{
    wf_store_relaxed(&wf_fence_count, 0); /* relaxed: statistics */
    if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0)
        wf_store_relaxed(&wf_fence_is_asymmetric, true); /* relaxed: starting the workers publishes it */
}

static _Noreturn void refused(void)
{
    static const char message[] =
        "weft: membarrier(2) worked at the start and is refused now, and without it threads would "
        "race: install filters of system calls before weft_start\n";
    wf_write_all(2, message, sizeof(message) - 1);
    abort();
}

void wf_fence_heavy(void)
{
    wf_fence_seq_cst(); /* ORDER(fence): pairs with wf_fence_light, where the kernel does not help. */
    /* Whatever the flag says: it may have been set a moment ago, and somebody else have seen it. */
    long error = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    wf_fetch_add_relaxed(&wf_fence_count, 1); /* relaxed: statistics */
    if (error == -EPERM) {                    /* not registered: before the first start, or in the child of a fork */
        membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
        error = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    }
    if (error != 0 && wf_load_relaxed(&wf_fence_is_asymmetric)) /* relaxed: nothing hangs on it */
        refused();
}
