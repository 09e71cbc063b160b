/* How fast can one stack ask another for a value at all? Two bare switches, there and back, which hand on a number that
 * grows by one; one operation is both. As in limit_switch.c both are in the same loop, so the processor predicts where each
 * switch returns to: two loops, one that asks and one that answers, take three times as long with this switch. */
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

/* `ops` times there and back; returns the number handed on last. */
static uintptr_t run(uint64_t ops)
{
    uintptr_t value;

    quota = ops;
    value = bench_context_switch(&main_sp, context_sp[0], 0);
    bench_context_switch(&main_sp, context_sp[1], 0);
    return value;
}

int main(int argc, char **argv)
{
    bench b;
    uintptr_t value;

    bench_init(&b, argc, argv, 20000000);
    for (int i = 0; i < 2; i++)
        context_sp[i] = bench_context_make(bench_stack_new(), turn);
    run(bench_warmup_ops(&b));
    bench_begin(&b);
    value = run(b.ops);
    bench_end(&b);
    return bench_report(&b, value == 2 * b.ops);
}
