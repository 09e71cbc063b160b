/* How fast can a thread that is none of weft's feed it with coroutines? It spawns as fast as it can, with at most 16,384
 * that have not run yet; one operation is one coroutine. */
#include <sched.h>
#include <stdatomic.h>

#include "bench/bench.h"
#include "bench/runtime.h"

enum { BACKLOG = 16384, LOOK_EVERY = 1024 };

static atomic_uint_least64_t ended;

static void *count(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&ended, 1, memory_order_relaxed);
    return NULL;
}

static void wait_until_ended(uint64_t least)
{
    while (atomic_load_explicit(&ended, memory_order_relaxed) < least)
        sched_yield();
}

static bool run(bench *b, uint64_t ops)
{
    (void)b;
    atomic_store_explicit(&ended, 0, memory_order_relaxed);
    for (uint64_t i = 0; i < ops; i++) {
        int error = weft_go(count, NULL);

        if (error < 0)
            bench_die("weft_go", error);
        if (i % LOOK_EVERY == 0 && i > BACKLOG)
            wait_until_ended(i - BACKLOG);
    }
    wait_until_ended(ops);
    return true;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;
    int error;

    bench_init(&b, argc, argv, 2000000);
    bench_start_runtime(&b);
    checked = bench_measure(&b, run);
    error = weft_stop(WEFT_NEVER);
    if (error < 0)
        bench_die("weft_stop", error);
    return bench_report(&b, checked && atomic_load(&ended) == b.ops);
}
