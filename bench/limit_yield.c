/* What would a yield cost if it were nothing but the switch? Two contexts, each in a loop of its own; one operation is
 * one of them giving way to the other. */
#include "bench/bench.h"
#include "bench/context.h"

static void *main_sp;
static void *context_sp[2];
static uint64_t quota;
static uint64_t done[2];

static void turn(uintptr_t me)
{
    for (;;) {
        for (uint64_t i = 0; i < quota; i++) {
            done[me]++;
            bench_context_switch(&context_sp[me], context_sp[1 - me], 1 - me);
        }
        bench_context_switch(&context_sp[me], main_sp, 0);
    }
}

/* `ops` yields. The first context ends its loop first and comes back; then the second does. */
static void run(uint64_t ops)
{
    quota = ops / 2;
    bench_context_switch(&main_sp, context_sp[0], 0);
    bench_context_switch(&main_sp, context_sp[1], 1);
}

int main(int argc, char **argv)
{
    bench b;
    uint64_t before;

    bench_init(&b, argc, argv, 20000000);
    b.ops &= ~UINT64_C(1);
    for (int i = 0; i < 2; i++)
        context_sp[i] = bench_context_make(bench_stack_new(), turn);
    run(bench_warmup_ops(&b) & ~UINT64_C(1));
    before = done[0] + done[1];
    bench_begin(&b);
    run(b.ops);
    bench_end(&b);
    return bench_report(&b, done[0] + done[1] - before == b.ops);
}
