/* Waiting for some of many; killing and waiting. */
#include "runtime.h"

static void *return_arg(void *arg)
{
    return arg;
}

static void *wait_for_event(void *arg)
{
    return (void *)(intptr_t)weft_event_wait(arg);
}

static void *fail_with(void *arg)
{
    CHECK_INT(weft_set_error((int)(intptr_t)arg), 0);
    return NULL;
}

static void *wait_and_fail(void *arg)
{
    weft_event_wait(arg);
    return fail_with((void *)(intptr_t)-EIO);
}

static void *sleep_long(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)weft_sleep(WEFT_NEVER);
}

static void join_each(weft_t *const *ts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
}

/* ---- some of many ---- */

static void *some(void *arg)
{
    weft_event go = WEFT_EVENT_INIT, never = WEFT_EVENT_INIT;
    bool done[4];
    (void)arg;
    weft_t *ts[] = {weft_spawn(wait_for_event, &never), weft_spawn(return_arg, NULL), weft_spawn(wait_for_event, &go),
                    weft_spawn(return_arg, NULL)};
    CHECK_INT(weft_joinall_some(ts, 4, 2, 0, done, WEFT_NEVER), 2);
    CHECK(!done[0] && done[1] && !done[2] && done[3]);
    CHECK_INT(weft_joinall_some(ts, 4, 3, 0, done, weft_after(WEFT_MILLISECOND)), 2); /* so far */
    CHECK(!done[0] && done[1] && !done[2] && done[3]);
    CHECK_INT(weft_joinall_some(ts, 4, SIZE_MAX, 0, NULL, 0), 2);
    CHECK_INT(weft_joinall_some(ts, 4, 0, 0, NULL, WEFT_NEVER), 2);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_joinall_some(ts, 4, 3, WEFT_JOIN_FIRST_ERROR, done, WEFT_NEVER), 3);
    CHECK(!done[0] && done[1] && done[2] && done[3]);
    CHECK_INT(weft_event_set(&never), 0);
    CHECK_INT(weft_joinall_some(ts, 4, SIZE_MAX, 0, done, WEFT_NEVER), 4);
    CHECK_INT(weft_joinall_some(NULL, 0, 1, 0, NULL, WEFT_NEVER), 0);
    join_each(ts, 4);
    return NULL;
}

static void test_joinall_some_returns_how_many_and_which(void **state)
{
    (void)state;
    wt_over_workers_and_thread(some, NULL);
}

static void *first_error(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    bool done[3];
    (void)arg;
    weft_t *ts[] = {weft_spawn(wait_and_fail, &go), weft_spawn(fail_with, (void *)(intptr_t)-EPROTO),
                    weft_spawn(wait_for_event, &go)};
    CHECK_INT(weft_joinall_some(ts, 3, SIZE_MAX, WEFT_JOIN_FIRST_ERROR, done, WEFT_NEVER), -EPROTO);
    CHECK(!done[0] && done[1] && !done[2]);
    CHECK_INT(weft_joinall_some(ts, 3, 1, 0, done, WEFT_NEVER), 1); /* not asked for */
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_joinall_some(ts, 3, 3, 0, done, WEFT_NEVER), 3);
    CHECK_INT(weft_joinall_some(ts, 1, 1, WEFT_JOIN_FIRST_ERROR, done, WEFT_NEVER), -EIO);
    join_each(ts, 3);
    weft_t *late = weft_spawn(fail_with, (void *)(intptr_t)-ETIMEDOUT); /* its own error, and no deadline of ours */
    CHECK_INT(weft_joinall_some(&late, 1, 1, WEFT_JOIN_FIRST_ERROR, NULL, weft_after(WEFT_SECOND * 100)), -ETIMEDOUT);
    CHECK_INT(weft_join(late, NULL), 0);
    return NULL;
}

static void test_joinall_some_returns_the_first_error(void **state)
{
    (void)state;
    wt_over_workers_and_thread(first_error, NULL);
}

struct crowd {
    weft_t *ts[2];
    bool done[2];
};

static void *some_of(void *arg)
{
    struct crowd *c = arg;
    return (void *)(intptr_t)weft_joinall_some(c->ts, 2, 2, 0, c->done, WEFT_NEVER);
}

static void *some_ended_otherwise(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    weft_timeout timeout;
    void *result = NULL;
    (void)arg;
    struct crowd c = {{weft_spawn(return_arg, NULL), weft_spawn(wait_for_event, &go)}, {false, true}};
    weft_t *killed = weft_spawn(some_of, &c);
    wt_until_waiting(killed, WF_WAIT_ITER);
    wt_until_waiting(c.ts[1], WF_WAIT_EVENT);
    CHECK_INT(weft_joinall_some(c.ts, 2, 1, 0, NULL, WEFT_NEVER), 1);
    CHECK_INT(weft_kill_join(killed, &result, WEFT_NEVER), 0);
    CHECK_INT((intptr_t)result, -ECANCELED);
    CHECK(c.done[0] && !c.done[1]);
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_joinall_some(c.ts, 2, 2, 0, c.done, WEFT_NEVER), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_joinall_some(c.ts, 2, 2, 2, NULL, WEFT_NEVER), -EINVAL);
    CHECK_INT(weft_joinall_some(NULL, 2, 2, 0, NULL, WEFT_NEVER), -EINVAL);
    CHECK_INT(weft_event_set(&go), 0);
    join_each(c.ts, 2);
    CHECK_INT(weft_joinall_some(c.ts, 2, 2, 0, NULL, WEFT_NEVER), -ESRCH);
    return NULL;
}

static void test_joinall_some_ended_by_kill_and_timeout_says_which(void **state)
{
    (void)state;
    wt_over_workers_and_thread(some_ended_otherwise, NULL);
}

/* ---- kill and join ---- */

static void *clean_up_for_long(void *arg)
{
    weft_sleep(WEFT_NEVER);
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_event_wait(arg), 0);
    CHECK_INT(weft_shield_end(), 0);
    return (void *)5;
}

static void *kill_and_join(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    void *result = NULL;
    (void)arg;
    weft_t *slow = weft_spawn(clean_up_for_long, &go);
    wt_until_waiting(slow, WF_WAIT_SLEEP);
    CHECK_INT(weft_kill_join(slow, &result, 0), -ETIMEDOUT);
    CHECK_INT(weft_kill_join(slow, &result, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    weft_t *ts[] = {slow, weft_spawn(sleep_long, NULL)};
    CHECK_INT(weft_killall_join(ts, 2, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_killall_join(ts, 2, WEFT_NEVER), 0);
    CHECK_INT(weft_kill_join(slow, &result, WEFT_NEVER), -ESRCH);
    CHECK_INT(weft_killall_join(ts, 2, WEFT_NEVER), -ESRCH);
    CHECK_INT(weft_killall_join(NULL, 2, WEFT_NEVER), -EINVAL);
    CHECK_INT(weft_killall_join(NULL, 0, WEFT_NEVER), 0);
    weft_t *last = weft_spawn(sleep_long, NULL);
    weft_t *with_self[] = {last, weft_self()};
    if (weft_self() != NULL) {
        CHECK_INT(weft_kill_join(weft_self(), NULL, WEFT_NEVER), -EDEADLK);
        CHECK_INT(weft_killall_join(with_self, 2, WEFT_NEVER), -EDEADLK);
        CHECK_INT(weft_checkpoint(), 0);
    }
    wt_until_waiting(last, WF_WAIT_SLEEP); /* and the other one was not killed either */
    CHECK_INT(weft_kill_join(last, &result, WEFT_NEVER), 0);
    CHECK_INT((intptr_t)result, -ECANCELED);
    return NULL;
}

static void test_kill_join_waits_for_the_end(void **state)
{
    (void)state;
    wt_over_workers_and_thread(kill_and_join, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joinall_some_returns_how_many_and_which),
        cmocka_unit_test(test_joinall_some_returns_the_first_error),
        cmocka_unit_test(test_joinall_some_ended_by_kill_and_timeout_says_which),
        cmocka_unit_test(test_kill_join_waits_for_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
