/* What does it cost to make a coroutine of every second call? fib(n) by recursion: one of the two calls is spawned and
 * joined, the other is plain; one operation is one call of fib. */
#include "bench/bench.h"
#include "bench/runtime.h"
#include "bench/tree.h"

static void *fib(void *arg)
{
    uintptr_t n = (uintptr_t)arg;
    weft_t *child;
    uintptr_t other;

    if (n < 2)
        return (void *)n;
    child = bench_spawn(fib, (void *)(n - 1));
    other = (uintptr_t)fib((void *)(n - 2));
    return (void *)((uintptr_t)bench_join(child) + other);
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
    checked = bench_run_measured(&b, run);
    return bench_report(&b, checked);
}
