/* weft_once: run to its success once, the others wait; a run that fails is repeated by the next; kills and deadlines. */
#include "runtime.h"

enum { CALLERS = 12, ROUNDS = 200 };

struct shared {
    weft_once once;
    weft_event go;
    _Atomic(int) runs, successes, failures;
    int fail_first; /* so many runs fail */
    int made;       /* once: */
    int result;
};

static int make(void *arg)
{
    struct shared *s = arg;
    /* relaxed, all: read after the joins, or ordered by what is tested. */
    int run = wf_fetch_add_relaxed(&s->runs, 1);
    weft_yield();
    if (run < s->fail_first)
        return -EIO;
    s->made++;
    return 0;
}

static int make_when_told(void *arg)
{
    struct shared *s = arg;
    int result = weft_event_wait(&s->go);
    s->made += result == 0;
    return result;
}

static void test_once_null_is_refused(void **state)
{
    weft_once once = WEFT_ONCE_INIT;
    (void)state;
    assert_int_equal(weft_once_init(NULL), -EINVAL);
    assert_int_equal(weft_once_fini(NULL), -EINVAL);
    assert_int_equal(weft_once_do(NULL, make, NULL), -EINVAL);
    assert_int_equal(weft_once_do(&once, NULL, NULL), -EINVAL);
    assert_int_equal(weft_once_do_until(NULL, make, NULL, 0), -EINVAL);
    assert_int_equal(weft_once_fini(&once), 0);
}

static void *call(void *arg)
{
    struct shared *s = arg;
    int result = weft_once_do(&s->once, make, s);
    if (result == 0)
        CHECK_INT(s->made, 1);
    else
        CHECK_INT(result, -EIO);
    wf_fetch_add_relaxed(result == 0 ? &s->successes : &s->failures, 1); /* relaxed: as in make */
    return NULL;
}

static void call_all(int fail_first)
{
    struct shared s = {.fail_first = fail_first};
    CHECK_INT(weft_once_init(&s.once), 0);
    wt_thread *thread = wt_thread_start(call, &s);
    wt_spawn_and_join(CALLERS, call, &s);
    wt_thread_join(thread);
    CHECK_INT(s.made, 1);
    CHECK_INT(wf_load_relaxed(&s.runs), fail_first + 1); /* relaxed: joined, as all */
    CHECK_INT(wf_load_relaxed(&s.failures), fail_first);
    CHECK_INT(wf_load_relaxed(&s.successes), CALLERS + 1 - fail_first);
    CHECK_INT(weft_once_fini(&s.once), 0);
}

static void *call_over_and_over(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++)
        call_all(i % 4);
    return NULL;
}

static void test_once_is_run_until_it_succeeds_and_not_again(void **state)
{
    (void)state;
    wt_over_workers(call_over_and_over, NULL);
}

static int call_again(void *arg)
{
    struct shared *s = arg;
    return weft_once_do(&s->once, make, s);
}

static void *call_from_within(void *arg)
{
    struct shared s = {0};
    (void)arg;
    CHECK_INT(weft_once_do(&s.once, call_again, &s), -EDEADLK);
    CHECK_INT(weft_once_do(&s.once, make, &s), 0);
    CHECK_INT(weft_once_do(&s.once, call_again, &s), 0);
    CHECK_INT(s.made, 1);
    return NULL;
}

static void test_once_from_within_itself_is_a_deadlock(void **state)
{
    (void)state;
    wt_over_workers_and_thread(call_from_within, NULL);
}

static void *run_when_told(void *arg)
{
    struct shared *s = arg;
    return (void *)(intptr_t)weft_once_do(&s->once, make_when_told, s);
}

static int joined(weft_t *t)
{
    void *result = NULL;
    CHECK_INT(weft_join(t, &result), 0);
    return (int)(intptr_t)result;
}

/* The one that runs it is killed: it fails with that, and one that waits runs it. */
static void *kill_runner(void *arg)
{
    struct shared s = {0};
    (void)arg;
    weft_t *runner = weft_spawn(run_when_told, &s);
    wt_until_waiting(runner, WF_WAIT_EVENT);
    weft_t *next = weft_spawn(run_when_told, &s);
    wt_until_waiting(next, WF_WAIT_ONCE);
    CHECK_INT(weft_once_fini(&s.once), -EBUSY);
    CHECK_INT(weft_kill(runner), 0);
    CHECK_INT(joined(runner), -ECANCELED);
    wt_until_waiting(next, WF_WAIT_EVENT);
    CHECK_INT(weft_event_set(&s.go), 0);
    CHECK_INT(joined(next), 0);
    CHECK_INT(s.made, 1);
    return NULL;
}

static void test_once_whose_runner_is_killed_is_run_by_the_next(void **state)
{
    (void)state;
    wt_over_workers(kill_runner, NULL);
}

static void *use_killed(void *arg)
{
    struct shared *s = arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    return (void *)(intptr_t)weft_once_do(&s->once, make, s);
}

static void *wait_briefly(void *arg)
{
    struct shared *s = arg;
    return (void *)(intptr_t)weft_once_do_until(&s->once, make, s, weft_after(WEFT_MILLISECOND));
}

static void *wait_under_timeout(void *arg)
{
    weft_timeout timeout = {0};
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    int result = weft_once_do(&((struct shared *)arg)->once, make, arg);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return (void *)(intptr_t)result;
}

static void *briefly_on_thread(void *arg)
{
    CHECK_INT((int)(intptr_t)wait_briefly(arg), -ETIMEDOUT);
    return NULL;
}

static void *give_up(void *arg)
{
    struct shared s = {0};
    (void)arg;
    CHECK_INT(joined(weft_spawn(use_killed, &s)), -ECANCELED);
    weft_t *runner = weft_spawn(run_when_told, &s);
    wt_until_waiting(runner, WF_WAIT_EVENT);
    weft_t *waiter = weft_spawn(run_when_told, &s);
    wt_until_waiting(waiter, WF_WAIT_ONCE);
    CHECK_INT(joined(weft_spawn(wait_briefly, &s)), -ETIMEDOUT);
    CHECK_INT(joined(weft_spawn(wait_under_timeout, &s)), -ETIMEDOUT);
    wt_on_thread(briefly_on_thread, &s);
    CHECK_INT(weft_kill(waiter), 0);
    CHECK_INT(joined(waiter), -ECANCELED);
    CHECK_INT(weft_event_set(&s.go), 0);
    CHECK_INT(joined(runner), 0);
    CHECK_INT(s.made, 1);
    CHECK_INT(joined(weft_spawn(use_killed, &s)), 0); /* it is done, which is all that was asked */
    CHECK_INT(weft_once_fini(&s.once), 0);
    return NULL;
}

static void test_once_waiters_that_give_up_run_nothing(void **state)
{
    (void)state;
    wt_over_workers(give_up, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once_null_is_refused),
        cmocka_unit_test(test_once_is_run_until_it_succeeds_and_not_again),
        cmocka_unit_test(test_once_from_within_itself_is_a_deadlock),
        cmocka_unit_test(test_once_whose_runner_is_killed_is_run_by_the_next),
        cmocka_unit_test(test_once_waiters_that_give_up_run_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
