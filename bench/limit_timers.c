/* How late are a million timers of 1 to 1000 ms when there is nothing but a timer wheel, and a thread that sleeps until
 * its next tick? */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/histogram.h"
#include "bench/wheel.h"

enum { LONGEST_MS = 1000, WARMUP_MS = 20, LOOK_EVERY = 64 /* timers set between two looks at the wheel */ };

static wheel timers;
static wheel_timer *timer;
static int64_t longest_ns;

static void sleep_until_next_tick(void)
{
    int64_t then_ns = timers.tick << WHEEL_TICK_SHIFT;
    struct timespec then = {.tv_sec = then_ns / 1000000000, .tv_nsec = then_ns % 1000000000};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
}

static void run(uint64_t count, uint64_t longest_ms)
{
    uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
    uint64_t fired = 0;

    wheel_init(&timers);
    for (uint64_t i = 0; i < count; i++) {
        int64_t sleep_ns = (int64_t)(1 + bench_random(&state) % longest_ms) * 1000000;
        int64_t now_ns = bench_now_ns();

        if (sleep_ns > longest_ns)
            longest_ns = sleep_ns;
        wheel_add(&timers, &timer[i], now_ns + sleep_ns);
        if (i % LOOK_EVERY == 0)
            fired += wheel_advance(&timers, now_ns);
    }
    while (fired < count) {
        sleep_until_next_tick();
        fired += wheel_advance(&timers, bench_now_ns());
    }
}

int main(int argc, char **argv)
{
    static bench_histogram late;
    bench b;
    bool right = true;

    bench_init(&b, argc, argv, 1000000);
    timer = calloc(b.ops + 2, sizeof *timer);
    if (timer == NULL)
        bench_die("timers", ENOMEM);
    run(bench_warmup_ops(&b), WARMUP_MS);
    bench_begin(&b);
    run(b.ops, LONGEST_MS);
    bench_end(&b);
    for (uint64_t i = 0; i < b.ops; i++) {
        right &= timer[i].late_ns >= 0;
        bench_histogram_add(&late, timer[i].late_ns);
    }
    bench_add_metric(&b, "over_ms", (double)(b.ended_ns - b.began_ns - longest_ns) / 1e6);
    bench_add_latency(&b, &late);
    return bench_report(&b, right);
}
