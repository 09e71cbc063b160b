/* The one place that allocates small things, so that a test can make it fail, and so that errno stays as it was: clang
 * takes malloc for a function that does not write errno, and drops a `saved = errno; malloc(…); errno = saved;` around
 * it. */
#ifndef WF_CORE_ALLOC_H
#define WF_CORE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory, aligned for anything up to 16 bytes; NULL when there is none. Leaves errno alone. */
void *wf_alloc(size_t size);

/* The same, aligned to `alignment`, a power of two. */
void *wf_alloc_aligned(size_t alignment, size_t size);

/* Give it back; NULL is fine. Leaves errno alone. */
void wf_free(void *memory);

/* For tests: from now on the allocations of all threads are counted from 0, and number n fails; with for_good all from
 * that one on. UINT64_MAX: none fails. Returns how many there were since the last call. */
uint64_t wf_alloc_fail_after(uint64_t n, bool for_good);

#endif
