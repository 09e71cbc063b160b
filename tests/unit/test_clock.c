/* core/clock and the deadlines that the public functions make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "core/clock.h"
#include "weft.h"

static void test_clock_never_goes_back(void **state)
{
    (void)state;
    int64_t last = wf_clock_now();
    for (int i = 0; i < 100000; i++) {
        int64_t now = weft_now();
        assert_true(now >= last);
        last = now;
    }
}

static void test_clock_is_that_of_the_system_in_nanoseconds(void **state)
{
    (void)state;
    struct timespec before, after;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &before), 0);
    int64_t now = weft_now();
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &after), 0);
    assert_true(now >= before.tv_sec * WEFT_SECOND + before.tv_nsec);
    assert_true(now <= after.tv_sec * WEFT_SECOND + after.tv_nsec);
}

static void test_clock_after_adds_and_never_overflows(void **state)
{
    (void)state;
    int64_t before = weft_now();
    int64_t deadline = weft_after(WEFT_SECOND);
    assert_true(deadline >= before + WEFT_SECOND && deadline <= weft_now() + WEFT_SECOND);
    assert_int_equal(weft_after(WEFT_NEVER), WEFT_NEVER);
    assert_int_equal(weft_after(WEFT_NEVER - 1), WEFT_NEVER);
    assert_true(weft_after(-1) < weft_now());
    assert_true(weft_after(INT64_MIN) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_never_goes_back),
        cmocka_unit_test(test_clock_is_that_of_the_system_in_nanoseconds),
        cmocka_unit_test(test_clock_after_adds_and_never_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
