/* Where stacks come from and go back to: slabs of address space, and the pool of their free spans. For stack.c, which keeps some
 * warm in front of them.
 */
#ifndef WF_CORE_SLAB_H
#define WF_CORE_SLAB_H

#include "core/pages.h"
#include "core/stack.h"

static inline size_t wf_slab_span(int stack_class)
{
    return (size_t)1 << (stack_class + WF_STACK_SHIFT_MIN);
}

/* `count` stacks, or fewer if these take more than 2^shift bytes of address space. */
static inline uint32_t wf_slab_fitting(uint32_t count, int shift, int stack_class)
{
    size_t fitting = ((size_t)1 << shift) / wf_slab_span(stack_class);
    return fitting < count ? (uint32_t)fitting : count;
}

/* A guarded stack, its descriptor written. NULL: no memory, or no more guards. From any thread. */
wf_stack *wf_slab_take(int stack_class);

/* Give the pages of `count` stacks of one class, at most WF_PAGES_MOST, back to the kernel and them to their slabs. Sorts the array.
 * From any thread. */
void wf_slab_put(wf_stack **stacks, uint32_t count);

/* As wf_stack_fork_lock. */
void wf_slab_fork_lock(void);
void wf_slab_fork_unlock(void);

#endif
