/* Start, stop, run: again and again, with coroutines that end by themselves, by a kill, or late; what is refused. */
#include "runtime.h"

enum { ROUNDS = 20, CHILDREN = 100 };

static int start(unsigned workers)
{
    weft_config config;
    CHECK_INT(weft_config_from_env(&config), 0);
    config.threads = workers;
    return weft_start(&config);
}

static void test_start_stop_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(start((unsigned)i % 4 + 1), 0);
        assert_int_equal(start(1), -EALREADY);
        assert_int_equal(weft_stop(WEFT_NEVER), 0);
        assert_int_equal(weft_stop(WEFT_NEVER), -ESRCH);
    }
    wt_finish();
}

static void *start_and_stop_inside(void *arg)
{
    weft_stats_info stats;
    CHECK_INT(weft_start(NULL), -EDEADLK);
    CHECK_INT(weft_stop(0), -EDEADLK);
    CHECK_INT(weft_stats(&stats), 0);
    CHECK(stats.coroutines_live >= 1);
    CHECK_INT(weft_stats(NULL), -EINVAL);
    CHECK_INT(stats.workers, wt_workers());
    return arg;
}

static void test_start_and_stop_by_a_coroutine_are_refused(void **state)
{
    (void)state;
    wt_over_workers(start_and_stop_inside, NULL);
}

static void *add_one(void *arg)
{
    void *result = NULL;
    if ((intptr_t)arg == 0)
        return (void *)1;
    CHECK_INT(weft_run(add_one, (void *)((intptr_t)arg - 1), &result), 0); /* inside: spawn and join */
    return (void *)((intptr_t)result + 1);
}

static void test_run_starts_the_runtime_and_returns_the_result(void **state)
{
    void *result = NULL;
    weft_stats_info stats;
    (void)state;
    assert_int_equal(weft_stats(&stats), -ESRCH);
    assert_int_equal(weft_run(add_one, (void *)4, &result), 0);
    assert_int_equal((intptr_t)result, 5);
    assert_int_equal(weft_stats(&stats), 0); /* it is still on */
    assert_int_equal(weft_run(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(weft_stop(WEFT_NEVER), 0);
    assert_int_equal(weft_stats(&stats), -ESRCH);
    wt_finish();
}

static void *spawn_once(void *arg)
{
    void *result = NULL;
    weft_t *t = weft_spawn(add_one, NULL);
    if (CHECK(t != NULL))
        CHECK_INT(weft_join(t, &result), 0);
    CHECK_INT((intptr_t)result, 1);
    return arg;
}

static void test_start_by_the_first_spawns_of_many_threads(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        wt_thread *threads[4];
        for (int k = 0; k < 4; k++)
            threads[k] = wt_thread_start(spawn_once, NULL);
        for (int k = 0; k < 4; k++)
            wt_thread_join(threads[k]);
        assert_int_equal(weft_stop(WEFT_NEVER), 0);
    }
    wt_finish();
}

static void *sleep_briefly(void *arg)
{
    CHECK_INT(weft_sleep((intptr_t)arg % 10 * 100 * WEFT_MICROSECOND), 0);
    return NULL;
}

static void test_stop_waits_for_all_that_end_by_themselves(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        assert_int_equal(start(workers), 0);
        for (intptr_t i = 0; i < CHILDREN; i++)
            assert_int_equal(weft_go(sleep_briefly, (void *)i), 0);
        assert_int_equal(weft_stop(weft_after(100 * WEFT_SECOND)), 0);
    }
    wt_finish();
}

static void *wait_for_event(void *arg)
{
    CHECK_INT(weft_event_wait(arg), 0);
    return NULL;
}

static void *stop_it(void *arg)
{
    (void)arg;
    CHECK_INT(weft_stop(weft_after(100 * WEFT_SECOND)), 0);
    return NULL;
}

static void count_argument(void *arg)
{
    wf_fetch_add_relaxed((_Atomic(int) *)arg, 1); /* relaxed: one thread only */
}

static bool is_refused(void *arg)
{
    (void)arg;
    return weft_go(sleep_briefly, NULL) == -ESHUTDOWN;
}

static void test_stop_refuses_spawns_of_others_from_its_start(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        weft_event event = WEFT_EVENT_INIT;
        _Atomic(int) cleaned = 0;
        weft_spawn_options options = {.cleanup = count_argument};
        assert_int_equal(start(workers), 0);
        assert_int_equal(weft_go(wait_for_event, &event), 0); /* keeps the stop from coming to its end */
        wt_thread *stopper = wt_thread_start(stop_it, NULL);
        wt_until(is_refused, NULL);
        CHECK(weft_spawn_opt(&options, sleep_briefly, &cleaned) == NULL);
        CHECK_INT(weft_last_error(), -ESHUTDOWN);
        CHECK_INT(wf_load_relaxed(&cleaned), 1); /* relaxed: ran here */
        CHECK_INT(weft_run(sleep_briefly, NULL, NULL), -ESHUTDOWN);
        CHECK_INT(weft_stop(0), -EALREADY);
        CHECK_INT(weft_start(NULL), -EALREADY);
        CHECK_INT(weft_event_set(&event), 0);
        wt_thread_join(stopper);
    }
    wt_finish();
}

struct ends {
    _Atomic(int) canceled, cleaned, ended;
};

static void count_cleanup(void *arg)
{
    struct ends *ends = arg;
    weft_sleep(10 * WEFT_MICROSECOND);       /* under a shield: it may block */
    wf_fetch_add_relaxed(&ends->cleaned, 1); /* relaxed, as below: read after the stop */
}

static void *wait_until_killed(void *arg)
{
    struct ends *ends = arg;
    CHECK_INT(weft_cleanup_push(count_cleanup, ends), 0);
    if (weft_sleep(1000 * WEFT_SECOND) == -ECANCELED)
        wf_fetch_add_relaxed(&ends->canceled, 1);
    wf_fetch_add_relaxed(&ends->ended, 1);
    return NULL;
}

static void test_stop_kills_at_the_deadline_and_waits_for_the_end(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        struct ends ends = {0};
        assert_int_equal(start(workers), 0);
        for (int i = 0; i < CHILDREN; i++) {
            weft_t *t = weft_spawn(wait_until_killed, &ends);
            wt_until_waiting(t, WF_WAIT_SLEEP);
            assert_int_equal(weft_detach(t), 0);
        }
        assert_int_equal(weft_stop(weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
        assert_int_equal(wf_load_relaxed(&ends.canceled), CHILDREN);
        assert_int_equal(wf_load_relaxed(&ends.ended), CHILDREN);
        assert_int_equal(wf_load_relaxed(&ends.cleaned), CHILDREN);
    }
    wt_finish();
}

static void *keep_waiting(void *arg)
{
    struct ends *ends = arg;
    weft_sleep(1000 * WEFT_SECOND);
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_sleep(150 * WEFT_MILLISECOND), 0);
    CHECK_INT(weft_shield_end(), 0);
    wf_fetch_add_relaxed(&ends->ended, 1); /* relaxed: read after the stop */
    return NULL;
}

static void test_stop_waits_for_one_that_goes_on_after_the_kill(void **state)
{
    struct ends ends = {0};
    (void)state;
    assert_int_equal(start(2), 0);
    weft_t *t = weft_spawn(keep_waiting, &ends);
    wt_until_waiting(t, WF_WAIT_SLEEP);
    assert_int_equal(weft_stop(0), -ETIMEDOUT);
    assert_int_equal(wf_load_relaxed(&ends.ended), 1);
    assert_int_equal(weft_ready(t), 1); /* the handle is still the caller's */
    assert_int_equal(weft_join(t, NULL), 0);
    wt_finish();
}

static void *do_nothing(void *arg)
{
    (void)arg;
    return NULL;
}

static void *spawn_while_draining(void *arg)
{
    struct ends *ends = arg;
    weft_spawn_options options = {.cleanup = count_cleanup};
    int spawned = 0;
    for (;;) {
        weft_t *t = weft_spawn_opt(&options, do_nothing, ends);
        spawned++;
        if (t == NULL)
            break;
        CHECK_INT(weft_detach(t), 0);
        if (weft_sleep(100 * WEFT_MICROSECOND) != 0)
            weft_shield_begin(); /* killed: go on until a spawn is refused */
    }
    CHECK_INT(weft_last_error(), -ESHUTDOWN);
    wf_store_relaxed(&ends->ended, spawned); /* relaxed: read after the stop */
    return NULL;
}

static void test_stop_lets_coroutines_spawn_until_the_deadline(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        struct ends ends = {0};
        assert_int_equal(start(workers), 0);
        assert_int_equal(weft_go(spawn_while_draining, &ends), 0);
        assert_int_equal(weft_stop(weft_after(5 * WEFT_MILLISECOND)), -ETIMEDOUT);
        assert_int_equal(wf_load_relaxed(&ends.cleaned), wf_load_relaxed(&ends.ended)); /* each argument once */
    }
    wt_finish();
}

static struct {
    _Atomic(int) spawned, ended;
} delayed;

static void count_end(void *arg)
{
    (void)arg;
    wf_fetch_add_relaxed(&delayed.ended, 1); /* relaxed: a counter */
}

static void *return_nothing(void *arg)
{
    (void)arg;
    return NULL;
}

/* Delayed ones are killed by the stop in the very moment in which they are spawned. */
static void *spawn_delayed(void *arg)
{
    weft_spawn_options options = {.start_after = 100 * WEFT_SECOND, .cleanup = count_end};
    weft_t *t;
    while ((t = weft_spawn_opt(&options, return_nothing, arg)) != NULL) {
        CHECK_INT(weft_detach(t), 0);
        wf_fetch_add_relaxed(&delayed.spawned, 1); /* relaxed, as above */
    }
    CHECK_INT(weft_last_error(), -ESHUTDOWN);
    wf_fetch_add_relaxed(&delayed.spawned, 1); /* the refused one's argument has its destructor too */
    return NULL;
}

static void test_stop_kills_delayed_ones_that_are_just_being_spawned(void **state)
{
    (void)state;
    for (int round = 0; round < wt_scaled(10); round++) {
        wf_store_relaxed(&delayed.spawned, 0); /* relaxed, as all: read when the runtime has stopped */
        wf_store_relaxed(&delayed.ended, 0);
        assert_int_equal(start(2), 0);
        assert_int_equal(weft_go(spawn_delayed, NULL), 0);
        assert_int_equal(weft_go(spawn_delayed, NULL), 0);
        assert_int_equal(weft_stop(weft_after(2 * WEFT_MILLISECOND)), -ETIMEDOUT);
        assert_int_equal(wf_load_relaxed(&delayed.ended), wf_load_relaxed(&delayed.spawned));
    }
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_stop_again_and_again),
        cmocka_unit_test(test_start_and_stop_by_a_coroutine_are_refused),
        cmocka_unit_test(test_run_starts_the_runtime_and_returns_the_result),
        cmocka_unit_test(test_start_by_the_first_spawns_of_many_threads),
        cmocka_unit_test(test_stop_waits_for_all_that_end_by_themselves),
        cmocka_unit_test(test_stop_refuses_spawns_of_others_from_its_start),
        cmocka_unit_test(test_stop_kills_at_the_deadline_and_waits_for_the_end),
        cmocka_unit_test(test_stop_waits_for_one_that_goes_on_after_the_kill),
        cmocka_unit_test(test_stop_lets_coroutines_spawn_until_the_deadline),
        cmocka_unit_test(test_stop_kills_delayed_ones_that_are_just_being_spawned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
