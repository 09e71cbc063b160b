/* Stacks for the limit programs. */
#include "bench/context.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "bench/bench.h"

void *bench_stack_new(void)
{
    char *base = mmap(NULL, BENCH_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        bench_die("mmap of a stack", errno);
    return base + BENCH_STACK_SIZE;
}

void bench_call_enter(uintptr_t value)
{
    bench_call *call = (bench_call *)value;
    void *own_sp;

    call->result = call->fn(call->arg);
    bench_context_switch(&own_sp, call->caller_sp, 0);
    __builtin_unreachable();
}
