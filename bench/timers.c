/* How late do sleepers wake when there are a million of them? Each coroutine sleeps once, for 1 to 1000 ms, and notes
 * how long after its time it runs again. One operation is one sleep; over_ms is what all of it took beyond the longest
 * sleep. */
#include <errno.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/histogram.h"
#include "bench/runtime.h"

enum { LONGEST_MS = 1000, WARMUP_MS = 20 };

typedef struct sleeper {
    int64_t sleep_ns;
    int64_t late_ns;
} sleeper;

static sleeper *sleepers;
static weft_group all = WEFT_GROUP_INIT;

static void *sleep_once(void *arg)
{
    sleeper *s = arg;
    int64_t due_ns = weft_after(s->sleep_ns);

    if (weft_sleep_until(due_ns) < 0)
        bench_die("weft_sleep_until", EINTR);
    s->late_ns = weft_now() - due_ns;
    weft_group_done(&all);
    return NULL;
}

static void run(uint64_t count, uint64_t longest_ms)
{
    uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
    int error = weft_group_add(&all, (int)count);

    for (uint64_t i = 0; error == 0 && i < count; i++) {
        sleepers[i].sleep_ns = (int64_t)(1 + bench_random(&state) % longest_ms) * 1000000;
        error = weft_go(sleep_once, &sleepers[i]);
    }
    if (error == 0)
        error = weft_group_wait(&all);
    if (error < 0)
        bench_die("sleepers", error);
}

/* Adds the figures; true when nobody woke too early. */
static bool judge(bench *b)
{
    static bench_histogram late;
    int64_t longest_ns = 0;
    bool right = true;

    for (uint64_t i = 0; i < b->ops; i++) {
        right &= sleepers[i].late_ns >= 0;
        bench_histogram_add(&late, sleepers[i].late_ns);
        if (sleepers[i].sleep_ns > longest_ns)
            longest_ns = sleepers[i].sleep_ns;
    }
    bench_add_metric(b, "over_ms", (double)(b->ended_ns - b->began_ns - longest_ns) / 1e6);
    bench_add_latency(b, &late);
    return right;
}

static void *body(void *arg)
{
    bench *b = arg;

    run(bench_warmup_ops(b), WARMUP_MS);
    bench_begin(b);
    run(b->ops, LONGEST_MS);
    bench_end(b);
    return NULL;
}

int main(int argc, char **argv)
{
    bench b;

    bench_init(&b, argc, argv, 1000000);
    sleepers = calloc(b.ops + 2, sizeof *sleepers);
    if (sleepers == NULL)
        bench_die("sleepers", ENOMEM);
    bench_run(&b, body, &b);
    return bench_report(&b, judge(&b));
}
