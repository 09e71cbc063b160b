/* What would a timeout cost if it were nothing but an entry in a timer wheel? Of every hundred that are set, 1 to 1000
 * ms each, 99 are cancelled at once; the last, of up to 1 ms, fires. One operation is one timeout. */
#include <errno.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/wheel.h"

enum { ROUND = 100, LONGEST_MS = 1000, LOOK_EVERY = 64 };

static wheel timers;
static wheel_timer *kept; /* those that fire */

static bool run(bench *b, uint64_t ops)
{
    uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
    uint64_t fired = 0;

    (void)b;
    wheel_init(&timers);
    for (uint64_t i = 1; i <= ops; i++) {
        uint64_t number = bench_random(&state);
        int64_t now_ns = bench_now_ns();
        wheel_timer cancelled;

        if (i % ROUND == 0) {
            wheel_add(&timers, &kept[i / ROUND], now_ns + (int64_t)(number % 1000000));
        } else {
            wheel_add(&timers, &cancelled, now_ns + (int64_t)(1 + number % LONGEST_MS) * 1000000);
            wheel_remove(&cancelled);
        }
        if (i % LOOK_EVERY == 0)
            fired += wheel_advance(&timers, now_ns);
    }
    while (fired < ops / ROUND)
        fired += wheel_advance(&timers, bench_now_ns());
    return fired == ops / ROUND;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, 1000000);
    kept = calloc(b.ops / ROUND + 2, sizeof *kept);
    if (kept == NULL)
        bench_die("timers", ENOMEM);
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
