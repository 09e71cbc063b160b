/* Ambient timeouts: they bound every wait inside them, nested, each telling whether it was the one. */
#include "runtime.h"

enum { MANY = 2000 };

static void test_timeout_misuse_is_refused(void **state)
{
    weft_timeout timeout = {0};
    (void)state;
    assert_int_equal(weft_timeout_start(NULL, 1), -EINVAL);
    assert_int_equal(weft_timeout_stop(NULL), -EINVAL);
    assert_int_equal(weft_timeout_fired(NULL), -EINVAL);
    assert_int_equal(weft_timeout_stop(&timeout), -EINVAL);
    assert_int_equal(weft_timeout_start(&timeout, WEFT_NEVER), 0);
    assert_int_equal(weft_timeout_start(&timeout, 1), -EINVAL);
    assert_int_equal(weft_timeout_stop(&timeout), 0);
    assert_int_equal(weft_timeout_stop(&timeout), -EINVAL);
    assert_int_equal(weft_timeout_fired(&timeout), 0);
}

static void *stop_of_another(void *arg)
{
    CHECK_INT(weft_timeout_stop(arg), -EINVAL);
    return NULL;
}

/* Code that knows of no deadline. */
static int wait_for_ever(void)
{
    weft_event event = WEFT_EVENT_INIT;
    int result = weft_event_wait(&event);
    CHECK_INT(weft_event_fini(&event), 0);
    return result;
}

static void *nest(void *arg)
{
    weft_timeout outer, inner;
    int64_t before = weft_now();
    (void)arg;
    CHECK_INT(weft_timeout_start(&outer, 100 * WEFT_SECOND), 0);
    wt_spawn_and_join(1, stop_of_another, &outer);
    CHECK_INT(weft_timeout_start(&inner, 2 * WEFT_MILLISECOND), 0);
    CHECK_INT(wait_for_ever(), -ETIMEDOUT);
    CHECK(weft_now() - before >= 2 * WEFT_MILLISECOND);
    CHECK_INT(weft_timeout_fired(&inner), 1);
    CHECK_INT(weft_timeout_fired(&outer), 0);
    CHECK_INT(weft_checkpoint(), -ETIMEDOUT);
    CHECK_INT(weft_sleep(WEFT_SECOND), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&inner), 0);
    CHECK_INT(weft_checkpoint(), 0);
    CHECK_INT(weft_sleep(WEFT_MICROSECOND), 0);
    CHECK_INT(weft_timeout_stop(&outer), 0);
    CHECK_INT(weft_timeout_fired(&inner), 1); /* also after stop */
    return NULL;
}

static void test_timeout_inner_ends_the_wait_and_says_so(void **state)
{
    (void)state;
    wt_over_workers(nest, NULL);
}

static void *outer_first(void *arg)
{
    weft_timeout outer, inner;
    (void)arg;
    CHECK_INT(weft_timeout_start(&outer, 2 * WEFT_MILLISECOND), 0);
    CHECK_INT(weft_timeout_start(&inner, 100 * WEFT_SECOND), 0);
    CHECK_INT(wait_for_ever(), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&outer), 1);
    CHECK_INT(weft_timeout_fired(&inner), 0);
    CHECK_INT(weft_timeout_stop(&outer), 0); /* not the innermost */
    CHECK_INT(weft_sleep(WEFT_MICROSECOND), 0);
    CHECK_INT(weft_timeout_stop(&inner), 0);
    return NULL;
}

static void test_timeout_outer_may_end_it_too(void **state)
{
    (void)state;
    wt_over_workers(outer_first, NULL);
}

static void *own_deadline_first(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    weft_timeout timeout;
    (void)arg;
    CHECK_INT(weft_timeout_start(&timeout, 100 * WEFT_SECOND), 0);
    CHECK_INT(weft_event_wait_until(&event, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_event_wait_until(&event, 0), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 0);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void test_timeout_does_not_claim_what_the_call_s_own_deadline_ended(void **state)
{
    (void)state;
    wt_over_workers(own_deadline_first, NULL);
}

static void *compute(void *arg)
{
    weft_timeout timeout;
    weft_sem sem;
    (void)arg;
    CHECK_INT(weft_sem_init(&sem, 1), 0);
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    for (int64_t end = weft_after(2 * WEFT_MILLISECOND); weft_now() < end;)
        ;
    CHECK_INT(weft_sem_wait(&sem), 0); /* it has not to wait */
    CHECK_INT(weft_timeout_fired(&timeout), 0);
    CHECK_INT(weft_sem_wait(&sem), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void test_timeout_that_expires_while_computing_ends_the_next_wait(void **state)
{
    (void)state;
    wt_over_workers(compute, NULL);
}

static void *wait_some_time(void *arg)
{
    intptr_t i = (intptr_t)arg;
    weft_timeout timeout;
    int64_t ns = (i % 50) * 100 * WEFT_MICROSECOND;
    int64_t before = weft_now();
    CHECK_INT(weft_timeout_start(&timeout, ns), 0);
    CHECK_INT(wait_for_ever(), -ETIMEDOUT);
    CHECK(weft_now() - before >= ns);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void *many(void *arg)
{
    weft_t *ts[MANY];
    (void)arg;
    int n = wt_scaled(MANY);
    for (intptr_t i = 0; i < n; i++)
        ts[i] = weft_spawn(wait_some_time, (void *)i);
    CHECK_INT(weft_joinall(ts, (size_t)n), 0);
    return NULL;
}

static void test_timeout_many_at_once_each_at_its_time(void **state)
{
    (void)state;
    wt_over_workers(many, NULL);
}

/* The usual case: set, and stopped long before it expires. */
static void *cancel_many(void *arg)
{
    weft_timeout timeout;
    (void)arg;
    for (int i = 0; i < wt_scaled(MANY); i++) {
        CHECK_INT(weft_timeout_start(&timeout, 100 * WEFT_SECOND), 0);
        CHECK_INT(i % 4 == 0 ? weft_sleep(WEFT_MICROSECOND) : weft_yield(), 0);
        CHECK_INT(weft_timeout_stop(&timeout), 0);
    }
    return NULL;
}

static void *cancel_by_many(void *arg)
{
    (void)arg;
    wt_spawn_and_join(8, cancel_many, NULL);
    return NULL;
}

static void test_timeout_stopped_in_time_never_fires(void **state)
{
    (void)state;
    wt_over_workers(cancel_by_many, NULL);
}

/* A loop that only ever sleeps for nothing ends too, and one that computes and asks, on a plain thread as on a coroutine. */
static void *sleep_for_nothing(void *arg)
{
    weft_timeout timeout;
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    int64_t end = weft_after(10 * WEFT_SECOND);
    int result = 0;
    while (result == 0 && weft_now() < end)
        result = weft_sleep(0);
    CHECK_INT(result, -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_sleep_until(0), -ETIMEDOUT);
    CHECK_INT(weft_checkpoint(), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_sleep(0), 0);
    CHECK_INT(weft_checkpoint(), 0);
    return arg;
}

static void test_timeout_ends_a_sleep_of_nothing_and_a_computation_that_asks(void **state)
{
    (void)state;
    wt_over_workers(sleep_for_nothing, NULL);
    wt_on_thread(sleep_for_nothing, NULL);
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeout_misuse_is_refused),
        cmocka_unit_test(test_timeout_inner_ends_the_wait_and_says_so),
        cmocka_unit_test(test_timeout_outer_may_end_it_too),
        cmocka_unit_test(test_timeout_does_not_claim_what_the_call_s_own_deadline_ended),
        cmocka_unit_test(test_timeout_that_expires_while_computing_ends_the_next_wait),
        cmocka_unit_test(test_timeout_many_at_once_each_at_its_time),
        cmocka_unit_test(test_timeout_stopped_in_time_never_fires),
        cmocka_unit_test(test_timeout_ends_a_sleep_of_nothing_and_a_computation_that_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
