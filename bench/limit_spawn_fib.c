/* What would fib cost if a spawned call were nothing but a call on a context of its own? One of the two calls is made
 * on a stack of its depth, the other is plain; one operation is one call of fib. */
#include "bench/bench.h"
#include "bench/context.h"
#include "bench/tree.h"

enum { DEPTH = 80 };

static void *stack_tops[DEPTH]; /* of a spawned fib(i), which never runs twice at a time */

static void *fib(void *arg)
{
    uintptr_t n = (uintptr_t)arg;
    uintptr_t other;

    if (n < 2)
        return (void *)n;
    other = (uintptr_t)fib((void *)(n - 2));
    return (void *)((uintptr_t)bench_call_on(stack_tops[n - 1], fib, (void *)(n - 1)) + other);
}

static bool run(bench *b, uint64_t ops)
{
    unsigned n = bench_fib_size(ops);

    (void)b;
    return (uintptr_t)fib((void *)(uintptr_t)n) == bench_fib(n);
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, bench_fib_calls(25));
    b.ops = bench_fib_calls(bench_fib_size(b.ops));
    for (int i = 0; i < DEPTH; i++)
        stack_tops[i] = bench_stack_new();
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
