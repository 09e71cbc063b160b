/* How fast can two stacks take turns at all? Two contexts switch to each other and hand on a number that grows by one;
 * one operation is one switch. Both are in the same loop, so the processor predicts where each switch returns to: this
 * is the best case, and the weft program is written the same way. */
#include "bench/bench.h"
#include "bench/context.h"

static void *main_sp;
static void *context_sp[2];
static uint64_t quota;
static int turns_started;

static void turn(uintptr_t value)
{
    int me = turns_started++;

    for (;;) {
        for (uint64_t i = 0; i < quota; i++)
            value = bench_context_switch(&context_sp[me], context_sp[1 - me], value + 1);
        value = bench_context_switch(&context_sp[me], main_sp, value);
    }
}

/* `ops` switches; returns the number handed on last. The first context ends its loop first; the second gives it the
 * last number, and it comes back with it. */
static uintptr_t run(uint64_t ops)
{
    uintptr_t value;

    quota = ops / 2;
    value = bench_context_switch(&main_sp, context_sp[0], 0);
    bench_context_switch(&main_sp, context_sp[1], 0);
    return value;
}

int main(int argc, char **argv)
{
    bench b;
    uintptr_t value;

    bench_init(&b, argc, argv, 50000000);
    b.ops &= ~UINT64_C(1);
    for (int i = 0; i < 2; i++)
        context_sp[i] = bench_context_make(bench_stack_new(), turn);
    run(bench_warmup_ops(&b) & ~UINT64_C(1));
    bench_begin(&b);
    value = run(b.ops);
    bench_end(&b);
    return bench_report(&b, value == b.ops);
}
