/* What does it take to get workers up and to bed again? A burst of coroutines that compute, then a sleep of a millisecond, and so
 * on; one operation is one of the coroutines. There are 200 in a burst, 5 µs each: a millisecond for one worker.
 *
 * With the mode "asleep" they keep their worker for a millisecond by sleeping in the kernel, and there are four per worker: so all
 * workers are busy at the same time, also where there are many more than CPUs. full_us is how long it takes from the start of a burst
 * until as many coroutines have begun as there are workers, and with that all workers are up; the median over the bursts. */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/runtime.h"

enum { BURST = 200, COMPUTE_NS = 5000, BURST_PER_WORKER = 4, ASLEEP_NS = 1000000, BURSTS_MOST = 4096 };

static atomic_uint begun; /* in this burst */
static int64_t full_at;   /* when the last worker was up; read after the burst */
static int64_t full_ns[BURSTS_MOST];
static unsigned bursts;

static void *compute(void *arg)
{
    int64_t until = bench_now_ns() + COMPUTE_NS;

    while (bench_now_ns() < until)
        continue;
    return arg;
}

static void *stay(void *arg)
{
    const bench *b = arg;

    if (atomic_fetch_add_explicit(&begun, 1, memory_order_relaxed) + 1 == b->workers)
        full_at = bench_now_ns();
    nanosleep(&(struct timespec){.tv_nsec = ASLEEP_NS}, NULL);
    return arg;
}

/* False: one had another result than it should. */
static bool burst(bench *b, weft_fn *fn, weft_t **working, unsigned count)
{
    bool right = true;

    for (unsigned i = 0; i < count; i++)
        working[i] = bench_spawn(fn, b);
    for (unsigned i = 0; i < count; i++)
        right = bench_join(working[i]) == b && right;
    return right;
}

static bool run(bench *b, uint64_t ops)
{
    bool asleep = bench_mode_is(b, "asleep");
    unsigned size = asleep ? BURST_PER_WORKER * b->workers : BURST;
    weft_t **working = calloc(size, sizeof *working);
    bool right = working != NULL;

    bursts = 0;
    while (ops > 0 && right) {
        unsigned count = ops < size ? (unsigned)ops : size;
        int64_t began_ns = bench_now_ns();

        atomic_store_explicit(&begun, 0, memory_order_relaxed);
        right = burst(b, asleep ? stay : compute, working, count);
        if (count >= b->workers && bursts < BURSTS_MOST)
            full_ns[bursts++] = full_at - began_ns;
        ops -= count;
        weft_sleep(WEFT_MILLISECOND);
    }
    free(working);
    return right;
}

static int compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a;
    int64_t other = *(const int64_t *)b;

    return (one > other) - (one < other);
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init_modes(&b, argc, argv, 100000, "asleep");
    checked = bench_run_measured(&b, run);
    if (bench_mode_is(&b, "asleep") && bursts > 0) {
        qsort(full_ns, bursts, sizeof full_ns[0], compare);
        bench_add_metric(&b, "full_us", (double)full_ns[bursts / 2] / 1e3);
    }
    return bench_report(&b, checked);
}
