/* core/wheel: against a model that keeps every timer in a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/wheel.h"

enum { TIMERS = 500 };
static const int64_t TICK = INT64_C(1) << WF_WHEEL_TICK_SHIFT;

static wf_wheel wheel;
static wf_timer timers[TIMERS];
static uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void start(int64_t now)
{
    memset(&wheel, 0xa5, sizeof wheel); /* init must not rely on zeroed memory */
    memset(timers, 0, sizeof timers);
    seed = UINT64_C(0x9e3779b97f4a7c15);
    wf_wheel_init(&wheel, now);
}

static void insert(int i, int64_t when)
{
    wf_wheel_insert(&wheel, &timers[i], when);
}

/* The time at which a timer may fire: the first tick at or after it. */
static int64_t due(const wf_timer *timer)
{
    if (timer->when_ns > INT64_MAX - TICK)
        return INT64_MAX;
    return timer->when_ns <= 0 ? 0 : (timer->when_ns + TICK - 1) / TICK * TICK;
}

static int64_t earliest(void)
{
    int64_t first = INT64_MAX;
    for (int i = 0; i < TIMERS; i++)
        if (wf_timer_is_linked(&timers[i]) && due(&timers[i]) < first)
            first = due(&timers[i]);
    return first;
}

/* Exactly the timers that the model says are due at `now` come out; never one early, never one twice. */
static void expect_expiries(int64_t now)
{
    int expected = 0;
    bool was[TIMERS];
    for (int i = 0; i < TIMERS; i++) {
        was[i] = wf_timer_is_linked(&timers[i]) && due(&timers[i]) <= now;
        expected += was[i];
    }
    wf_timer *timer;
    while ((timer = wf_wheel_expire(&wheel, now)) != NULL) {
        int i = (int)(timer - timers);
        assert_true(was[i]);
        was[i] = false;
        expected--;
        assert_false(wf_timer_is_linked(timer));
    }
    assert_int_equal(expected, 0);
}

static void expect_next(int64_t now)
{
    int64_t next = wf_wheel_next(&wheel);
    int64_t first = earliest();
    assert_true(next <= first || next <= now);
    assert_true((next == INT64_MAX) == (first == INT64_MAX));
    /* Exact when the earliest one is near: less than a slot of level 0 ahead in the same turn. */
    if (first != INT64_MAX && first > now && first / TICK / WF_WHEEL_SLOTS == now / TICK / WF_WHEEL_SLOTS)
        assert_int_equal(next, first);
}

static void test_wheel_empty_has_no_next_and_nothing_expires(void **state)
{
    (void)state;
    start(12345678);
    assert_int_equal(wf_wheel_next(&wheel), INT64_MAX);
    assert_null(wf_wheel_expire(&wheel, INT64_MAX));
    assert_null(wf_wheel_expire(&wheel, 0));
}

static void test_wheel_timer_fires_at_its_tick_and_not_before(void **state)
{
    (void)state;
    for (int bits = 0; bits < 62; bits++) {
        start(0);
        int64_t when = (INT64_C(1) << bits) + 1;
        insert(0, when);
        assert_null(wf_wheel_expire(&wheel, when - 1));
        assert_null(wf_wheel_expire(&wheel, due(&timers[0]) - 1));
        assert_ptr_equal(wf_wheel_expire(&wheel, due(&timers[0])), &timers[0]);
        assert_null(wf_wheel_expire(&wheel, due(&timers[0])));
    }
}

static void test_wheel_past_time_fires_at_next_expire(void **state)
{
    (void)state;
    start(1000 * TICK);
    insert(0, 0);
    insert(1, -5);
    insert(2, 1000 * TICK);
    insert(3, INT64_MIN);
    assert_true(wf_wheel_next(&wheel) <= 1000 * TICK);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(wf_wheel_expire(&wheel, 1000 * TICK), &timers[i]);
    assert_null(wf_wheel_expire(&wheel, 1000 * TICK));
}

static void test_wheel_clock_that_steps_back_fires_nothing_early(void **state)
{
    (void)state;
    start(1000 * TICK);
    insert(0, 1001 * TICK);
    assert_null(wf_wheel_expire(&wheel, 10 * TICK));
    assert_null(wf_wheel_expire(&wheel, 1000 * TICK));
    assert_ptr_equal(wf_wheel_expire(&wheel, 1001 * TICK), &timers[0]);
}

static void test_wheel_one_slot_keeps_the_order_of_filing(void **state)
{
    (void)state;
    /* Filed at level 2, so that they pass through two levels on the way. */
    start(0);
    int64_t when = (3 * 64 * 64 + 5 * 64 + 7) * TICK;
    for (int i = 0; i < 50; i++)
        insert(i, when - i);
    for (int i = 0; i < 50; i++)
        assert_ptr_equal(wf_wheel_expire(&wheel, when), &timers[i]);
}

static void test_wheel_expire_stopped_halfway_loses_nothing(void **state)
{
    (void)state;
    start(0);
    for (int i = 0; i < 100; i++)
        insert(i, (1 + i % 3) * 100 * TICK);
    for (int i = 0; i < 10; i++)
        assert_non_null(wf_wheel_expire(&wheel, 300 * TICK));
    insert(100, 0); /* the wheel stands somewhere in between */
    wf_wheel_remove(&wheel, &timers[99]);
    int rest = 0;
    while (wf_wheel_expire(&wheel, 300 * TICK) != NULL)
        rest++;
    assert_int_equal(rest, 100 - 10 + 1 - 1);
    assert_int_equal(wf_wheel_next(&wheel), INT64_MAX);
}

static void test_wheel_remove_is_idempotent_and_clears_the_map(void **state)
{
    (void)state;
    start(77 * TICK);
    for (int i = 0; i < 40; i++)
        insert(i, INT64_C(1) << (i + 20));
    for (int i = 39; i >= 0; i--) {
        wf_wheel_remove(&wheel, &timers[i]);
        wf_wheel_remove(&wheel, &timers[i]);
    }
    assert_int_equal(wf_wheel_next(&wheel), INT64_MAX);
    assert_null(wf_wheel_expire(&wheel, INT64_C(1) << 61));
}

static void test_wheel_far_future_is_filed_again_and_kept(void **state)
{
    (void)state;
    /* The wheel covers 2^48 ticks; start beyond its last slot, with timers on both sides of the wrap. */
    int64_t last_slot = (INT64_C(63) << 42) * TICK;
    start(last_slot + 5);
    insert(0, INT64_MAX);
    insert(1, (INT64_C(1) << 48) * TICK + 3 * TICK);
    insert(2, (INT64_C(65) << 42) * TICK + 1);
    insert(3, last_slot + 100 * TICK);
    assert_ptr_equal(wf_wheel_expire(&wheel, last_slot + 100 * TICK), &timers[3]);
    assert_null(wf_wheel_expire(&wheel, due(&timers[1]) - 1));
    assert_ptr_equal(wf_wheel_expire(&wheel, due(&timers[1])), &timers[1]);
    assert_null(wf_wheel_expire(&wheel, due(&timers[2]) - 1));
    assert_ptr_equal(wf_wheel_expire(&wheel, due(&timers[2])), &timers[2]);
    assert_true(wf_timer_is_linked(&timers[0]));
    assert_null(wf_wheel_expire(&wheel, INT64_MAX - 2 * TICK));
    assert_true(wf_wheel_next(&wheel) > INT64_MAX - 2 * TICK);
}

/* Sleeping until wf_wheel_next, again and again, must end at the timer and not stand still. */
static void test_wheel_stepping_by_next_reaches_every_timer(void **state)
{
    (void)state;
    start(3);
    for (int i = 0; i < 58; i++)
        insert(i, (INT64_C(1) << i) + i);
    int fired = 0;
    int steps = 0;
    int64_t now = 3;
    while (fired < 58) {
        int64_t next = wf_wheel_next(&wheel);
        assert_true(next != INT64_MAX);
        if (next > now)
            now = next;
        while (wf_wheel_expire(&wheel, now) != NULL)
            fired++;
        assert_true(++steps < 58 * WF_WHEEL_LEVELS);
    }
}

static int64_t random_time(int64_t now)
{
    int64_t span = (int64_t)(draw() >> (1 + draw() % 63)); /* all magnitudes alike */
    if (draw() % 10 == 0)
        return now - span / 2;
    return span > INT64_MAX - now ? INT64_MAX : now + span;
}

static int64_t random_step(int64_t now)
{
    int64_t next = wf_wheel_next(&wheel);
    switch (draw() % 4) {
    case 0:
        return now;
    case 1:
        return next == INT64_MAX || next < now ? now : next;
    case 2:
        return now + (int64_t)(draw() % (uint64_t)(100 * TICK));
    default:
        return now + (int64_t)(draw() >> (20 + draw() % 40));
    }
}

static void run_against_model(int64_t now, int rounds)
{
    start(now);
    for (int round = 0; round < rounds; round++) {
        for (int n = (int)(draw() % 20); n > 0; n--) {
            int i = (int)(draw() % TIMERS);
            wf_wheel_remove(&wheel, &timers[i]);
            if (draw() % 3 != 0)
                insert(i, random_time(now));
        }
        expect_next(now);
        int64_t then = random_step(now);
        if (then < INT64_MAX / 4 * 3 && then >= now)
            now = then;
        expect_expiries(now);
    }
}

static void test_wheel_random_operations_agree_with_the_model(void **state)
{
    (void)state;
    run_against_model(0, 20000);
    run_against_model(123456789012345, 20000);
    run_against_model((INT64_C(1) << 40) - 3, 5000);
}

static void test_wheel_random_operations_past_its_end_agree_with_the_model(void **state)
{
    (void)state;
    run_against_model((INT64_C(62) << 42) * TICK + 9, 5000);
    run_against_model((INT64_C(1) << 48) * TICK - 5 * TICK, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wheel_empty_has_no_next_and_nothing_expires),
        cmocka_unit_test(test_wheel_timer_fires_at_its_tick_and_not_before),
        cmocka_unit_test(test_wheel_past_time_fires_at_next_expire),
        cmocka_unit_test(test_wheel_clock_that_steps_back_fires_nothing_early),
        cmocka_unit_test(test_wheel_one_slot_keeps_the_order_of_filing),
        cmocka_unit_test(test_wheel_expire_stopped_halfway_loses_nothing),
        cmocka_unit_test(test_wheel_remove_is_idempotent_and_clears_the_map),
        cmocka_unit_test(test_wheel_far_future_is_filed_again_and_kept),
        cmocka_unit_test(test_wheel_stepping_by_next_reaches_every_timer),
        cmocka_unit_test(test_wheel_random_operations_agree_with_the_model),
        cmocka_unit_test(test_wheel_random_operations_past_its_end_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
