/* 64 threads count under one mutex; one operation locks and unlocks. */
#include <pthread.h>

#include "bench/bench.h"

enum { MEMBERS = 64 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t counter; /* lock: mutex */

static void *count(void *arg)
{
    const uint64_t *times = arg;

    for (uint64_t i = 0; i < *times; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static uint64_t run(uint64_t ops)
{
    pthread_t members[MEMBERS];
    uint64_t times[MEMBERS];

    counter = 0;
    for (uint64_t i = 0; i < MEMBERS; i++) {
        int error;

        times[i] = ops * (i + 1) / MEMBERS - ops * i / MEMBERS;
        error = pthread_create(&members[i], NULL, count, &times[i]);
        if (error != 0)
            bench_die("pthread_create", error);
    }
    for (int i = 0; i < MEMBERS; i++)
        pthread_join(members[i], NULL);
    return counter;
}

int main(int argc, char **argv)
{
    bench b;
    uint64_t counted;

    bench_init(&b, argc, argv, 1000000);
    run(bench_warmup_ops(&b));
    bench_begin(&b);
    counted = run(b.ops);
    bench_end(&b);
    return bench_report(&b, counted == b.ops);
}
