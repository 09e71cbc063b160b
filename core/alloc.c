/* See alloc.h. */
#include "core/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomics.h"

/* What a test asked for. Relaxed, all of them: they publish nothing, and the test arms them before it makes the calls. */
static struct {
    _Atomic(bool) armed; /* somebody has asked: else an allocation costs one load more */
    _Atomic(bool) for_good;
    _Atomic(uint64_t) count;
    _Atomic(uint64_t) failing;
} faults;

uint64_t wf_alloc_fail_after(uint64_t n, bool for_good)
{
    uint64_t count = wf_load_relaxed(&faults.count); /* relaxed, as all below: see above */
    wf_store_relaxed(&faults.armed, false);
    wf_store_relaxed(&faults.for_good, for_good);
    wf_store_relaxed(&faults.failing, n);
    wf_store_relaxed(&faults.count, 0);
    wf_store_relaxed(&faults.armed, true);
    return count;
}

static bool must_fail(void)
{
    if (!wf_load_relaxed(&faults.armed)) /* relaxed, as all below: see above */
        return false;
    uint64_t number = wf_fetch_add_relaxed(&faults.count, 1);
    uint64_t failing = wf_load_relaxed(&faults.failing);
    return number == failing || (number > failing && wf_load_relaxed(&faults.for_good));
}

void *wf_alloc(size_t size)
{
    int saved = errno;
    void *memory = must_fail() ? NULL : calloc(1, size);
    __asm__ volatile("" ::: "memory"); /* calloc may have written errno, whatever the compiler thinks */
    errno = saved;
    return memory;
}

void *wf_alloc_aligned(size_t alignment, size_t size)
{
    int saved = errno;
    void *memory = NULL;
    if (must_fail() || posix_memalign(&memory, alignment, size) != 0)
        memory = NULL;
    __asm__ volatile("" ::: "memory"); /* as above */
    errno = saved;
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

void wf_free(void *memory)
{
    int saved = errno;
    free(memory);
    __asm__ volatile("" ::: "memory"); /* as above */
    errno = saved;
}
