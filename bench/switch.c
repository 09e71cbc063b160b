/* What does the library's bare context switch cost, below its scheduler? Two contexts switch to each other and hand on
 * a number that grows by one; one operation is one switch. The same program as limit_switch.c. */
#include <stddef.h>

#include "bench/bench.h"
#include "core/context.h"

enum { STACK_SIZE = 64 * 1024 };

static _Alignas(64) char stacks[2][STACK_SIZE];
static void *main_sp;
static void *context_sp[2];
static uint64_t quota;

static void turn(void *arg, void *value)
{
    uintptr_t me = (uintptr_t)arg;
    uintptr_t number = (uintptr_t)value;

    for (;;) {
        for (uint64_t i = 0; i < quota; i++)
            number = (uintptr_t)wf_context_switch(&context_sp[me], context_sp[1 - me], (void *)(number + 1));
        number = (uintptr_t)wf_context_switch(&context_sp[me], main_sp, (void *)number);
    }
}

/* `ops` switches; returns the number handed on last. The first context ends its loop first and comes back with it; then
 * the second one's loop ends. */
static uintptr_t run(uint64_t ops)
{
    uintptr_t number;

    quota = ops / 2;
    number = (uintptr_t)wf_context_switch(&main_sp, context_sp[0], NULL);
    wf_context_switch(&main_sp, context_sp[1], NULL);
    return number;
}

int main(int argc, char **argv)
{
    bench b;
    uintptr_t number;

    bench_init(&b, argc, argv, 50000000);
    b.ops &= ~UINT64_C(1);
    for (uintptr_t i = 0; i < 2; i++)
        context_sp[i] = wf_context_make(stacks[i] + STACK_SIZE, turn, (void *)i);
    run(bench_warmup_ops(&b) & ~UINT64_C(1));
    bench_begin(&b);
    number = run(b.ops);
    bench_end(&b);
    return bench_report(&b, number == b.ops);
}
