/* Two threads on one CPU give way to each other with sched_yield; one operation is one call. With more workers the
 * threads may be on different CPUs, where a yield finds nobody to give way to. */
#include <pthread.h>
#include <sched.h>

#include "bench/bench.h"

typedef struct turn {
    uint64_t quota;
    uint64_t done;
} turn;

static void *take_turns(void *arg)
{
    turn *t = arg;

    for (uint64_t i = 0; i < t->quota; i++)
        if (sched_yield() == 0)
            t->done++;
    return NULL;
}

static uint64_t run(uint64_t ops)
{
    turn turns[2] = {{.quota = ops / 2}, {.quota = ops / 2}};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++) {
        int error = pthread_create(&threads[i], NULL, take_turns, &turns[i]);

        if (error != 0)
            bench_die("pthread_create", error);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return turns[0].done + turns[1].done;
}

int main(int argc, char **argv)
{
    bench b;
    uint64_t done;

    bench_init(&b, argc, argv, 1000000);
    b.ops &= ~UINT64_C(1);
    run(bench_warmup_ops(&b));
    bench_begin(&b);
    done = run(b.ops);
    bench_end(&b);
    return bench_report(&b, done == b.ops);
}
