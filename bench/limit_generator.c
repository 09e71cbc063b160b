/* How fast can one stack ask another for values at all? Two bare switches: into the one that counts, and back with the number. One
 * operation is both. Each of the two is in a loop of its own, as a generator and the one that asks it are, and which no
 * inlining can change, so the processor's memory of return addresses is of no use: see limit_switch.c for where it is. */
#include "bench/bench.h"
#include "bench/context.h"

static void *asker_sp;
static void *counter_sp;

static void count(uintptr_t value)
{
    (void)value;
    for (uintptr_t i = 0;; i++)
        bench_context_switch(&counter_sp, asker_sp, i);
}

/* Ask `ops` times; returns the sum of the numbers. */
static uint64_t run(uint64_t ops)
{
    uint64_t sum = 0;

    counter_sp = bench_context_make(bench_stack_new(), count);
    for (uint64_t i = 0; i < ops; i++)
        sum += bench_context_switch(&asker_sp, counter_sp, 0);
    return sum;
}

int main(int argc, char **argv)
{
    bench b;
    uint64_t sum;

    bench_init(&b, argc, argv, 20000000);
    run(bench_warmup_ops(&b));
    bench_begin(&b);
    sum = run(b.ops);
    bench_end(&b);
    return bench_report(&b, sum == b.ops * (b.ops - 1) / 2);
}
