/* The calendar of the wake programs: when each wake-up is due. They are far enough apart for the sleeper to be asleep. */
#ifndef BENCH_WAKE_H
#define BENCH_WAKE_H

#include <errno.h>
#include <stdlib.h>

#include "bench/bench.h"

enum { WAKE_LEAST_GAP_NS = 150000, WAKE_MORE_GAP_NS = 100000 };

/* `count` times from now on, 150 to 250 µs apart; never freed. */
static inline int64_t *wake_calendar(uint64_t count)
{
    uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
    int64_t *due_ns = calloc(count, sizeof *due_ns);
    int64_t now_ns = bench_now_ns();

    if (due_ns == NULL)
        bench_die("calendar", ENOMEM);
    for (uint64_t i = 0; i < count; i++) {
        now_ns += WAKE_LEAST_GAP_NS + (int64_t)(bench_random(&state) % WAKE_MORE_GAP_NS);
        due_ns[i] = now_ns;
    }
    return due_ns;
}

#endif
