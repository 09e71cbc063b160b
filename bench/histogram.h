/* A log-linear histogram of nanoseconds: 128 buckets per power of two, so a value read back is at most 1/128 too
 * large. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    BENCH_HISTOGRAM_BITS = 7,
    BENCH_HISTOGRAM_SUB = 1 << BENCH_HISTOGRAM_BITS,
    BENCH_HISTOGRAM_BUCKETS = (64 - BENCH_HISTOGRAM_BITS + 1) * BENCH_HISTOGRAM_SUB
};

typedef struct bench_histogram {
    uint64_t count;
    uint64_t max;
    uint64_t bucket[BENCH_HISTOGRAM_BUCKETS];
} bench_histogram;

static inline unsigned bench_histogram_index(uint64_t value)
{
    unsigned shift;

    if (value < BENCH_HISTOGRAM_SUB)
        return (unsigned)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - BENCH_HISTOGRAM_BITS;
    return shift * BENCH_HISTOGRAM_SUB + (unsigned)(value >> shift);
}

/* The largest value that falls into a bucket. */
static inline uint64_t bench_histogram_top(unsigned index)
{
    unsigned shift = index / BENCH_HISTOGRAM_SUB;

    if (shift == 0)
        return index;
    shift--;
    return ((uint64_t)(index - shift * BENCH_HISTOGRAM_SUB + 1) << shift) - 1;
}

static inline void bench_histogram_add(bench_histogram *h, int64_t ns)
{
    uint64_t value = ns < 0 ? 0 : (uint64_t)ns;

    h->bucket[bench_histogram_index(value)]++;
    h->count++;
    if (value > h->max)
        h->max = value;
}

/* The value that `part` (0…1) of all do not exceed, in microseconds; 0 when there are none. */
static inline double bench_histogram_us(const bench_histogram *h, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)h->count + 0.5);
    uint64_t seen = 0;

    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > 0 && seen >= wanted) {
            uint64_t top = bench_histogram_top(i);

            return (double)(top < h->max ? top : h->max) / 1e3;
        }
    }
    return 0;
}

#endif
