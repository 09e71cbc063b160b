/* What does fib(n) by recursion cost when both calls are plain? One operation is one call of fib. */
#include "bench/bench.h"
#include "bench/tree.h"

/* One operation has to be one call, so it is not inlined into itself, and the second call is not made a loop: the empty
 * statement wants the sum. */
static __attribute__((noinline)) uint64_t fib(unsigned n)
{
    uint64_t sum;

    if (n < 2)
        return n;
    sum = fib(n - 1);
    sum += fib(n - 2);
    __asm__("" : "+r"(sum));
    return sum;
}

static bool run(bench *b, uint64_t ops)
{
    unsigned n = bench_fib_size(ops);

    (void)b;
    return fib(n) == bench_fib(n);
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, bench_fib_calls(32));
    b.ops = bench_fib_calls(bench_fib_size(b.ops));
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
