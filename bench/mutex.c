/* What does a lock cost that many want? 64 coroutines share one mutex; one operation is a lock, an increment and an
 * unlock. */
#include "bench/bench.h"
#include "bench/runtime.h"

enum { MEMBERS = 64 };

static weft_mutex mutex = WEFT_MUTEX_INIT;
static uint64_t counter; /* lock: mutex */

static void *increment(void *arg)
{
    uint64_t times = (uint64_t)(uintptr_t)arg;

    for (uint64_t i = 0; i < times; i++) {
        int error = weft_mutex_lock(&mutex);

        if (error < 0)
            bench_die("weft_mutex_lock", error);
        counter++;
        error = weft_mutex_unlock(&mutex);
        if (error < 0)
            bench_die("weft_mutex_unlock", error);
    }
    return NULL;
}

static bool run(bench *b, uint64_t ops)
{
    weft_t *members[MEMBERS];

    (void)b;
    counter = 0;
    for (uint64_t i = 0; i < MEMBERS; i++) {
        uint64_t times = ops * (i + 1) / MEMBERS - ops * i / MEMBERS;

        members[i] = bench_spawn(increment, (void *)(uintptr_t)times);
    }
    for (int i = 0; i < MEMBERS; i++)
        bench_join(members[i]);
    return counter == ops;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, 20000000);
    checked = bench_run_measured(&b, run);
    return bench_report(&b, checked);
}
