/* What would a crowd cost if a waiting coroutine were nothing but a function, its argument and room for its result? Up
 * to 100,000 of these are noted, then each runs on a new context on the same warm stack, then all results are read. */
#include "bench/bench.h"
#include "bench/context.h"

enum { BATCH = 100000 };

typedef struct child {
    void *(*fn)(void *arg);
    void *arg;
    void *result;
} child;

static uint64_t values[BATCH];
static child children[BATCH];
static void *stack_top;

static void *increment(void *arg)
{
    (*(uint64_t *)arg)++;
    return arg;
}

static bool run_batch(uint64_t count)
{
    bool right = true;

    for (uint64_t i = 0; i < count; i++) {
        values[i] = i;
        children[i] = (child){.fn = increment, .arg = &values[i]};
    }
    for (uint64_t i = 0; i < count; i++)
        children[i].result = bench_call_on(stack_top, children[i].fn, children[i].arg);
    for (uint64_t i = 0; i < count; i++)
        right &= children[i].result == &values[i] && values[i] == i + 1;
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
    stack_top = bench_stack_new();
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
