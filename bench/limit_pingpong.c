/* What would a hop cost if a channel were nothing but a variable and a switch? Two contexts take a number, add one, put
 * it back and give way; one operation is one hop. */
#include "bench/bench.h"
#include "bench/context.h"

static void *main_sp;
static void *context_sp[2];
static uint64_t quota;
static uint64_t ball;
static uint64_t sum;

static void play(uintptr_t me)
{
    for (;;) {
        for (uint64_t i = 0; i < quota; i++) {
            sum += ball;
            ball++;
            bench_context_switch(&context_sp[me], context_sp[1 - me], 1 - me);
        }
        bench_context_switch(&context_sp[me], main_sp, 0);
    }
}

/* `ops` hops; returns the sum of the numbers taken: 0 + 1 + … + (ops - 1). */
static uint64_t run(uint64_t ops)
{
    quota = ops / 2;
    ball = 0;
    sum = 0;
    bench_context_switch(&main_sp, context_sp[0], 0);
    bench_context_switch(&main_sp, context_sp[1], 1);
    return sum;
}

int main(int argc, char **argv)
{
    bench b;
    uint64_t total;

    bench_init(&b, argc, argv, 10000000);
    b.ops &= ~UINT64_C(1);
    for (int i = 0; i < 2; i++)
        context_sp[i] = bench_context_make(bench_stack_new(), play);
    run(bench_warmup_ops(&b) & ~UINT64_C(1));
    bench_begin(&b);
    total = run(b.ops);
    bench_end(&b);
    return bench_report(&b, total == b.ops / 2 * (b.ops - 1));
}
