/* bench/histogram: what is read back, against the same values sorted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/histogram.h"

enum { VALUES = 20000 };

static bench_histogram histogram;
static uint64_t values[VALUES];
static uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int reset(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    seed = UINT64_C(0x9e3779b97f4a7c15);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Every 2^k - 1, 2^k and 2^k + 1, and some in between. */
static void test_index_all_powers_fall_into_their_bucket(void **state)
{
    (void)state;
    for (unsigned power = 0; power < 64; power++) {
        for (int64_t near = -1; near <= 1; near++) {
            uint64_t value = (UINT64_C(1) << power) + (uint64_t)near;
            unsigned index = bench_histogram_index(value);

            assert_in_range(index, 0, BENCH_HISTOGRAM_BUCKETS - 1);
            assert_true(bench_histogram_top(index) >= value);
            assert_true(index == 0 || bench_histogram_top(index - 1) < value);
        }
    }
}

static void test_index_buckets_follow_each_other_without_a_gap(void **state)
{
    (void)state;
    for (unsigned i = 0; i + 1 < BENCH_HISTOGRAM_BUCKETS; i++) {
        assert_int_equal(bench_histogram_index(bench_histogram_top(i)), i);
        assert_int_equal(bench_histogram_index(bench_histogram_top(i) + 1), i + 1);
    }
    assert_true(bench_histogram_top(BENCH_HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
}

static void test_top_is_exact_below_256_and_within_a_128th_above(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 256; value++)
        assert_true(bench_histogram_top(bench_histogram_index(value)) == value);
    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t value = draw() >> (draw() % 56);
        uint64_t top = bench_histogram_top(bench_histogram_index(value));

        assert_true(top >= value && top - value <= value / 128);
    }
}

/* Heavy tail, over seven powers of ten, as latencies have it. */
static void test_percentiles_are_within_the_bound_of_the_sorted_values(void **state)
{
    static const double parts[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};

    (void)state;
    for (unsigned i = 0; i < VALUES; i++) {
        values[i] = 50 + (draw() % 1000) * (UINT64_C(1) << (draw() % 14));
        bench_histogram_add(&histogram, (int64_t)values[i]);
    }
    qsort(values, VALUES, sizeof values[0], by_size);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        double rank = parts[i] * VALUES;
        unsigned nth = (unsigned)rank + (rank > (unsigned)rank + 1e-6);
        uint64_t exact = values[nth > 0 ? nth - 1 : 0];
        uint64_t read = bench_histogram_ns(&histogram, parts[i]);

        assert_true(read >= exact && read - exact <= exact / 128);
    }
    assert_true(histogram.max == values[VALUES - 1]);
}

static void test_percentile_counts_ranks_up(void **state)
{
    (void)state;
    for (int64_t i = 1; i <= 160; i++)
        bench_histogram_add(&histogram, i);
    assert_int_equal(bench_histogram_ns(&histogram, 0.5), 80);
    assert_int_equal(bench_histogram_ns(&histogram, 0.99), 159); /* 158 of 160 would be 98.75 % */
    assert_int_equal(bench_histogram_ns(&histogram, 1), 160);
    assert_int_equal(bench_histogram_ns(&histogram, 0), 1);
}

static void test_percentile_of_nothing_is_0(void **state)
{
    (void)state;
    assert_int_equal(bench_histogram_ns(&histogram, 0.99), 0);
    assert_true(bench_histogram_us(&histogram, 0.5) == 0);
}

static void test_add_extreme_values_are_counted_at_the_ends(void **state)
{
    (void)state;
    bench_histogram_add(&histogram, INT64_MIN);
    bench_histogram_add(&histogram, -1);
    bench_histogram_add(&histogram, INT64_MAX);
    assert_int_equal(histogram.count, 3);
    assert_int_equal(bench_histogram_ns(&histogram, 0.5), 0);
    assert_true(bench_histogram_ns(&histogram, 1) == INT64_MAX);
    assert_true(histogram.max == INT64_MAX);
}

static void test_percentile_never_exceeds_the_maximum(void **state)
{
    (void)state;
    bench_histogram_add(&histogram, 1000001);
    assert_int_equal(bench_histogram_ns(&histogram, 0.5), 1000001);
    assert_true(bench_histogram_us(&histogram, 0.999) == 1000.001);
}

static void test_merge_is_as_if_one_had_counted_all(void **state)
{
    static bench_histogram halves[2];

    (void)state;
    memset(halves, 0, sizeof halves);
    for (unsigned i = 0; i < VALUES; i++) {
        int64_t value = (int64_t)(draw() >> (draw() % 40 + 24));

        bench_histogram_add(&histogram, value);
        bench_histogram_add(&halves[i % 2], value);
    }
    bench_histogram_merge(&halves[0], &halves[1]);
    assert_memory_equal(&halves[0], &histogram, sizeof histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_all_powers_fall_into_their_bucket),
        cmocka_unit_test(test_index_buckets_follow_each_other_without_a_gap),
        cmocka_unit_test_setup(test_top_is_exact_below_256_and_within_a_128th_above, reset),
        cmocka_unit_test_setup(test_percentiles_are_within_the_bound_of_the_sorted_values, reset),
        cmocka_unit_test_setup(test_percentile_counts_ranks_up, reset),
        cmocka_unit_test_setup(test_percentile_of_nothing_is_0, reset),
        cmocka_unit_test_setup(test_add_extreme_values_are_counted_at_the_ends, reset),
        cmocka_unit_test_setup(test_percentile_never_exceeds_the_maximum, reset),
        cmocka_unit_test_setup(test_merge_is_as_if_one_had_counted_all, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
