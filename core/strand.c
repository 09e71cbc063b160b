/* Stacks of strands. */
#include "core/strand.h"

#include "core/fiber.h"

bool wf_strand_bind(wf_strand *strand, wf_stack_cache *cache)
{
    wf_stack *stack = wf_stack_new(cache, strand->stack_class);
    if (stack == NULL)
        return false;
    wf_fiber_bind(stack->sanitizer, stack->base, stack->top);
    stack->strand = strand;
    strand->stack = stack;
    return true;
}

void wf_strand_unbind(wf_strand *strand, wf_stack_cache *cache)
{
    wf_stack *stack = strand->stack;
    strand->stack = NULL;
    wf_fiber_unbind(stack->sanitizer);
    wf_stack_free(cache, stack, strand->secret);
}
