/* One operation creates a thread that does nothing and joins it. */
#include <pthread.h>

#include "bench/bench.h"

static void *count(void *arg)
{
    (*(uint64_t *)arg)++;
    return arg;
}

static uint64_t run(uint64_t ops)
{
    uint64_t counted = 0;

    for (uint64_t i = 0; i < ops; i++) {
        pthread_t child;
        void *result = NULL;
        int error = pthread_create(&child, NULL, count, &counted);

        if (error != 0)
            bench_die("pthread_create", error);
        if (pthread_join(child, &result) != 0 || result != &counted)
            break;
    }
    return counted;
}

int main(int argc, char **argv)
{
    bench b;
    uint64_t counted;

    bench_init(&b, argc, argv, 50000);
    run(bench_warmup_ops(&b));
    bench_begin(&b);
    counted = run(b.ops);
    bench_end(&b);
    return bench_report(&b, counted == b.ops);
}
