/* core/pages: mapping, and advice for many ranges at once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/pages.h"

enum { RANGES = 8, PAGES_EACH = 2 };

/* Two pages of a range are present, and two pages lie between the ranges. */
static void fill(char *area, struct iovec *ranges)
{
    size_t page = wf_pages_size();
    memset(area, 1, RANGES * 2 * PAGES_EACH * page);
    for (int i = 0; i < RANGES; i++)
        ranges[i] = (struct iovec){area + i * 2 * PAGES_EACH * page, PAGES_EACH * page};
}

static void test_pages_map_is_zeroed_and_taken_back(void **state)
{
    (void)state;
    size_t size = 4 * wf_pages_size();
    char *area = wf_pages_map(NULL, size, 0);
    assert_non_null(area);
    assert_int_equal(area[0], 0);
    assert_int_equal(area[size - 1], 0);
    memset(area, 1, size);
    assert_ptr_equal(wf_pages_map(area, size, MAP_FIXED), area);
    assert_int_equal(area[0], 0);
    wf_pages_unmap(area, size);
}

static void test_pages_map_of_too_much_is_null(void **state)
{
    (void)state;
    assert_null(wf_pages_map(NULL, SIZE_MAX / 2, 0));
}

static void test_pages_advice_for_many_reaches_each_range_and_nothing_between(void **state)
{
    (void)state;
    size_t page = wf_pages_size();
    size_t size = RANGES * 2 * PAGES_EACH * page;
    struct iovec ranges[RANGES];
    char *area = wf_pages_map(NULL, size, 0);
    fill(area, ranges);
    assert_int_equal(wf_pages_advise_many(ranges, RANGES, MADV_DONTNEED), 0);
    for (size_t at = 0; at < size; at += page)
        assert_int_equal(area[at], at / page / PAGES_EACH % 2);
    wf_pages_unmap(area, size);
}

static void test_pages_advice_for_none_is_fine(void **state)
{
    (void)state;
    assert_int_equal(wf_pages_advise_many(NULL, 0, MADV_DONTNEED), 0);
}

static void test_pages_advice_stops_at_the_first_range_that_cannot_be_advised(void **state)
{
    (void)state;
    size_t page = wf_pages_size();
    size_t size = RANGES * 2 * PAGES_EACH * page;
    struct iovec ranges[RANGES];
    char *area = wf_pages_map(NULL, size, 0);
    fill(area, ranges);
    wf_pages_unmap(ranges[2].iov_base, ranges[2].iov_len);
    if (wf_pages_advise(ranges[2].iov_base, ranges[2].iov_len, MADV_DONTNEED) == 0) {
        wf_pages_unmap(area, size);
        print_message("this kernel is emulated, and takes advice for what is not mapped: ");
        skip();
    }
    assert_int_equal(wf_pages_advise_many(ranges, RANGES, MADV_DONTNEED), -ENOMEM);
    assert_int_equal(area[0], 0);
    assert_int_equal(*(char *)ranges[1].iov_base, 0);
    assert_int_equal(*(char *)ranges[3].iov_base, 1);
    wf_pages_unmap(area, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_map_is_zeroed_and_taken_back),
        cmocka_unit_test(test_pages_map_of_too_much_is_null),
        cmocka_unit_test(test_pages_advice_for_many_reaches_each_range_and_nothing_between),
        cmocka_unit_test(test_pages_advice_for_none_is_fine),
        cmocka_unit_test(test_pages_advice_stops_at_the_first_range_that_cannot_be_advised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
