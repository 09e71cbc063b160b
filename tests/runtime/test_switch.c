/* sched/switch, with a made-up event source: coroutines come and go over several workers where there is neither a ring nor epoll.
 * The program is linked with tests/fake/select.c. */
#include <fenv.h>
#include <stdlib.h>

#include "fake_driver.h"
#include "runtime.h"

enum { MANY = 500, TURNS = 100 };

/* ---- spawn, yield, join ---- */

static void *add_up(void *arg)
{
    /* More than one double and one integer that live across a switch: in callee-saved registers, if there are any. */
    double seed = (double)(intptr_t)arg, sum = 0, product = 1, alternating = 0;
    int64_t count = 0;
    for (int i = 1; i <= TURNS; i++) {
        sum += seed;
        product *= i % 2 == 0 ? 0.5 : 2;
        alternating += i % 2 == 0 ? -seed : seed;
        count += i;
        CHECK_INT(weft_yield(), 0);
    }
    CHECK(sum == seed * TURNS);
    CHECK(product == 1);
    CHECK(alternating == 0);
    CHECK_INT(count, TURNS * (TURNS + 1) / 2);
    return arg;
}

static void *spawn_and_join_many(void *arg)
{
    (void)arg;
    weft_t **ts = calloc(MANY, sizeof(*ts));
    for (intptr_t i = 0; i < MANY; i++)
        CHECK((ts[i] = weft_spawn(add_up, (void *)i)) != NULL);
    for (intptr_t i = 0; i < MANY; i++) {
        void *result = NULL;
        CHECK_INT(weft_join(ts[i], &result), 0);
        CHECK_INT((intptr_t)result, i);
    }
    free(ts);
    return NULL;
}

static void test_switch_yielding_coroutines_keep_what_they_compute(void **state)
{
    (void)state;
    wt_over_workers(spawn_and_join_many, NULL);
}

static void *go_deep(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    if (depth == 0)
        return (void *)(intptr_t)1;
    void *below = NULL;
    weft_t *t = weft_spawn(go_deep, (void *)(depth - 1));
    CHECK_INT(weft_join(t, &below), 0);
    return (void *)((intptr_t)below + 1);
}

static void *spawn_a_chain(void *arg)
{
    (void)arg;
    CHECK_INT((intptr_t)go_deep((void *)(intptr_t)TURNS), TURNS + 1);
    return NULL;
}

static void test_switch_chain_of_joins_unwinds(void **state)
{
    (void)state;
    wt_over_workers(spawn_a_chain, NULL);
}

/* ---- sleep and kill ---- */

static void *sleep_a_little(void *arg)
{
    int64_t ns = (intptr_t)arg * 7919 % 2000 * WEFT_MICROSECOND;
    int64_t before = weft_now();
    CHECK_INT(weft_sleep(ns), 0);
    CHECK(weft_now() - before >= ns);
    return NULL;
}

static void *sleep_side_by_side(void *arg)
{
    (void)arg;
    weft_t *ts[50];
    for (intptr_t i = 0; i < 50; i++)
        ts[i] = weft_spawn(sleep_a_little, (void *)i);
    for (int i = 0; i < 50; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    return NULL;
}

static void test_switch_sleepers_wake_no_earlier_than_asked(void **state)
{
    (void)state;
    wt_over_workers(sleep_side_by_side, NULL);
}

static void *sleep_for_ever(void *arg)
{
    (void)arg;
    CHECK_INT(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    return NULL;
}

static void *kill_a_sleeper(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(sleep_for_ever, NULL);
    wt_until_waiting(t, WF_WAIT_SLEEP);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_switch_killed_sleeper_returns(void **state)
{
    (void)state;
    wt_over_workers(kill_a_sleeper, NULL);
}

/* ---- floating-point environments ---- */

static void *round_up(void *arg)
{
    (void)arg;
    CHECK_INT(fegetround(), FE_TONEAREST);
    fesetround(FE_UPWARD);
    for (int i = 0; i < TURNS; i++) {
        weft_yield();
        CHECK_INT(fegetround(), FE_UPWARD);
    }
    return NULL;
}

static void *round_as_usual(void *arg)
{
    (void)arg;
    for (int i = 0; i < TURNS; i++) {
        CHECK_INT(fegetround(), FE_TONEAREST);
        weft_yield();
    }
    return NULL;
}

static void *mix_roundings(void *arg)
{
    (void)arg;
    weft_spawn_options own = {.fpenv = true};
    weft_t *ts[20];
    for (int i = 0; i < 20; i++)
        CHECK((ts[i] = i % 2 ? weft_spawn(round_as_usual, NULL) : weft_spawn_opt(&own, round_up, NULL)) != NULL);
    for (int i = 0; i < 20; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    return NULL;
}

static void test_switch_fpenv_stays_with_its_coroutine(void **state)
{
    (void)state;
    wt_over_workers(mix_roundings, NULL);
}

/* ---- an event source with something in flight ---- */

static void *operate(void *arg)
{
    int number = (int)(intptr_t)arg;
    CHECK_INT(wt_fake_operation(number % 7 * WEFT_MILLISECOND, number), number);
    return NULL;
}

static void *operate_side_by_side(void *arg)
{
    (void)arg;
    weft_t *ts[50];
    for (intptr_t i = 0; i < 50; i++)
        ts[i] = weft_spawn(operate, (void *)i);
    for (int i = 0; i < 50; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    return NULL;
}

static void test_switch_operations_return_their_results(void **state)
{
    (void)state;
    unsigned before = wt_fake_waits();
    wt_over_workers(operate_side_by_side, NULL);
    assert_true(wt_fake_waits() > before); /* the workers slept in the source meanwhile */
}

static void *operate_for_ever(void *arg)
{
    (void)arg;
    CHECK_INT(wt_fake_operation(1000 * WEFT_SECOND, 1), -ECANCELED);
    return NULL;
}

static void *operate_against_time(void *arg)
{
    (void)arg;
    weft_timeout timeout;
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    CHECK_INT(wt_fake_operation(1000 * WEFT_SECOND, 1), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    weft_timeout_stop(&timeout);
    return NULL;
}

static void *end_operations_early(void *arg)
{
    (void)arg;
    weft_t *eternal = weft_spawn(operate_for_ever, NULL);
    weft_t *timed = weft_spawn(operate_against_time, NULL);
    wt_until_waiting(eternal, WF_WAIT_IO);
    CHECK_INT(weft_kill(eternal), 0);
    CHECK_INT(weft_join(eternal, NULL), 0);
    CHECK_INT(weft_join(timed, NULL), 0);
    return NULL;
}

static void test_switch_operation_ends_by_kill_and_by_timeout(void **state)
{
    (void)state;
    wt_over_workers(end_operations_early, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switch_yielding_coroutines_keep_what_they_compute),
        cmocka_unit_test(test_switch_chain_of_joins_unwinds),
        cmocka_unit_test(test_switch_sleepers_wake_no_earlier_than_asked),
        cmocka_unit_test(test_switch_killed_sleeper_returns),
        cmocka_unit_test(test_switch_fpenv_stays_with_its_coroutine),
        cmocka_unit_test(test_switch_operations_return_their_results),
        cmocka_unit_test(test_switch_operation_ends_by_kill_and_by_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
