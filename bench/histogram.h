/* A log-linear histogram of nanoseconds, after the idea of HdrHistogram. It belongs to one thread.
 *
 * Values below 256 have a bucket each; above, each power of two is cut into 128 buckets of equal width. A bucket that
 * holds v is at most v/128 wide, and what is read back is the largest value of its bucket, so a percentile is exact below
 * 256 ns and else at most 1/128 (0.8 %) too large, never too small. All 64 bits have their buckets: nothing can be
 * too large to count, and no range has to be chosen. The maximum is kept as it is.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    BENCH_HISTOGRAM_BITS = 7,
    BENCH_HISTOGRAM_SUB = 1 << BENCH_HISTOGRAM_BITS,
    /* 2 × SUB for the values below 256, and SUB for each of the 56 powers of two from there to 2^63 */
    BENCH_HISTOGRAM_BUCKETS = (64 - BENCH_HISTOGRAM_BITS + 1) * BENCH_HISTOGRAM_SUB
};

/* All zero is empty. */
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

/* Count one value. A negative one, which only a clock that was set back makes, counts as 0. */
static inline void bench_histogram_add(bench_histogram *h, int64_t ns)
{
    uint64_t value = ns < 0 ? 0 : (uint64_t)ns;

    h->bucket[bench_histogram_index(value)]++;
    h->count++;
    if (value > h->max)
        h->max = value;
}

/* Add all that `from` has counted. */
static inline void bench_histogram_merge(bench_histogram *h, const bench_histogram *from)
{
    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
        h->bucket[i] += from->bucket[i];
    h->count += from->count;
    if (from->max > h->max)
        h->max = from->max;
}

/* The least value that at least `part` (0…1) of all values do not exceed, in nanoseconds; 0 when there are none. */
static inline uint64_t bench_histogram_ns(const bench_histogram *h, double part)
{
    double exact = part * (double)h->count;
    uint64_t wanted = (uint64_t)exact;
    uint64_t seen = 0;

    /* Rounded up, but not for the last bits of a product such as 0.999 * 1000. */
    if (exact - (double)wanted > 1e-9 * exact)
        wanted++;
    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > 0 && seen >= wanted) {
            uint64_t top = bench_histogram_top(i);

            return top < h->max ? top : h->max;
        }
    }
    return h->max;
}

/* The same in microseconds. */
static inline double bench_histogram_us(const bench_histogram *h, double part)
{
    return (double)bench_histogram_ns(h, part) / 1e3;
}

#endif
