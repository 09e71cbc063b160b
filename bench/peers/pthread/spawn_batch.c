/* Create threads, then join all; one operation is one thread. A thousand at a time: a hundred thousand threads are more
 * than a system allows. Their stacks are small, and the same ones are used again. */
#include <pthread.h>

#include "bench/bench.h"

enum { BATCH = 1000, STACK_SIZE = 64 * 1024 };

static uint64_t values[BATCH];
static pthread_t children[BATCH];
static pthread_attr_t attr;

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
        int error;

        values[i] = i;
        error = pthread_create(&children[i], &attr, increment, &values[i]);
        if (error != 0)
            bench_die("pthread_create", error);
    }
    for (uint64_t i = 0; i < count; i++) {
        void *result = NULL;

        right &= pthread_join(children[i], &result) == 0 && result == &values[i] && values[i] == i + 1;
    }
    return right;
}

static bool run(uint64_t ops)
{
    bool right = true;

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

    bench_init(&b, argc, argv, 50000);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    checked = run(bench_warmup_ops(&b));
    bench_begin(&b);
    checked = run(b.ops) && checked;
    bench_end(&b);
    return bench_report(&b, checked);
}
