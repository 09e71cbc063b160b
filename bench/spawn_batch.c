/* What does a crowd cost? Up to 100,000 coroutines are spawned before the first of them is joined; one operation is one
 * coroutine. */
#include "bench/bench.h"
#include "bench/runtime.h"

enum { BATCH = 100000 };

static uint64_t values[BATCH];
static weft_t *children[BATCH];

static void *increment(void *arg)
{
    (*(uint64_t *)arg)++;
    return arg;
}

/* True when each child incremented its own value once and returned its address. */
static bool run_batch(uint64_t count)
{
    bool right = true;

    for (uint64_t i = 0; i < count; i++) {
        values[i] = i;
        children[i] = bench_spawn(increment, &values[i]);
    }
    for (uint64_t i = 0; i < count; i++)
        right &= bench_join(children[i]) == &values[i] && values[i] == i + 1;
    return right;
}

static bool run(bench *b, uint64_t ops)
{
    bool right = true;

    (void)b;
    for (uint64_t left = ops; left > 0;) {
        uint64_t count = left < BATCH ? left : BATCH;

        right &= run_batch(count);
        left -= count;
    }
    return right;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, 1000000);
    checked = bench_run_measured(&b, run);
    return bench_report(&b, checked);
}
