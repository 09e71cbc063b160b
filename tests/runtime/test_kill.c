/* Kill: every blocking call from then on, shields, before the start, and against wake-ups in the same moment. */
#include "runtime.h"

enum { ROUNDS = 300 };

static void *run_killed(void *arg)
{
    (void)arg;
    CHECK_INT(weft_sleep(WEFT_SECOND * 100), -ECANCELED);
    CHECK_INT(weft_sleep(0), -ECANCELED);
    CHECK_INT(weft_yield(), -ECANCELED);
    CHECK_INT(weft_checkpoint(), -ECANCELED);
    CHECK_INT(weft_sleep_until(0), -ECANCELED);
    return (void *)3;
}

static void *kill_sleeper(void *arg)
{
    void *result = NULL;
    (void)arg;
    weft_t *t = weft_spawn(run_killed, NULL);
    wt_until_waiting(t, WF_WAIT_SLEEP);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK_INT((intptr_t)result, 3); /* what the body returned */
    CHECK_INT(weft_kill(t), -ESRCH);
    CHECK_INT(weft_kill(NULL), -ESRCH);
    return NULL;
}

static void test_kill_ends_every_blocking_call_from_then_on(void **state)
{
    (void)state;
    wt_over_workers(kill_sleeper, NULL);
}

static void *never_run(void *arg)
{
    wf_store_relaxed((_Atomic(int) *)arg, 1); /* relaxed: read after the join */
    return (void *)3;
}

static void *kill_unstarted(void *arg)
{
    _Atomic(int) ran = 0;
    void *result = (void *)1;
    (void)arg;
    weft_t *t = weft_spawn(never_run, &ran);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, &result), 0);
    if (wt_workers() == 1) { /* over several it may have begun before the kill */
        CHECK(result == NULL);
        CHECK_INT(wf_load_relaxed(&ran), 0); /* relaxed: joined */
    }
    return NULL;
}

static void test_kill_before_the_start_keeps_the_body_from_running(void **state)
{
    (void)state;
    wt_over_workers(kill_unstarted, NULL);
}

static void *block_shielded(void *arg)
{
    weft_event *event = arg;
    weft_timeout timeout;
    CHECK_INT(weft_shield_end(), -EINVAL);
    CHECK_INT(weft_timeout_start(&timeout, 0), 0);
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_event_wait(event), 0); /* neither the kill nor the timeout */
    CHECK_INT(weft_shield_end(), 0);
    CHECK_INT(weft_checkpoint(), 0);
    CHECK_INT(weft_sleep(WEFT_MICROSECOND), 0);
    CHECK_INT(weft_shield_end(), 0);
    CHECK_INT(weft_checkpoint(), -ECANCELED);
    CHECK_INT(weft_event_wait(event), -ECANCELED);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void *shield(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    (void)arg;
    weft_t *t = weft_spawn(block_shielded, &event);
    wt_until_waiting(t, WF_WAIT_EVENT);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join_until(t, NULL, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_kill_waits_for_the_end_of_the_shield(void **state)
{
    (void)state;
    wt_over_workers(shield, NULL);
}

static void *sleep_long(void *arg)
{
    (void)arg;
    CHECK_INT(weft_sleep(100 * WEFT_SECOND), -ECANCELED);
    return NULL;
}

static void *kill_all(void *arg)
{
    weft_t *ts[100];
    (void)arg;
    for (int i = 0; i < 100; i++)
        ts[i] = weft_spawn(sleep_long, NULL);
    for (int i = 0; i < 100; i += 3)
        wt_until_waiting(ts[i], WF_WAIT_SLEEP);
    CHECK_INT(weft_killall(ts, 100), 0);
    CHECK_INT(weft_joinall(ts, 100), 0);
    CHECK_INT(weft_killall(ts, 100), -ESRCH);
    CHECK_INT(weft_killall(NULL, 0), 0);
    CHECK_INT(weft_killall(NULL, 1), -EINVAL);
    return NULL;
}

static void test_kill_all_reaches_each(void **state)
{
    (void)state;
    wt_over_workers(kill_all, NULL);
}

struct race {
    weft_sem sem;
    _Atomic(int) taken, canceled, timed_out;
};

/* One wait that a post, a deadline and a kill may end; exactly one of them does. */
static void *wait_in_race(void *arg)
{
    struct race *r = arg;
    int result = weft_sem_wait_until(&r->sem, weft_after(30 * WEFT_MICROSECOND));
    /* relaxed: read after the joins. */
    if (result == 0)
        wf_fetch_add_relaxed(&r->taken, 1);
    else if (result == -ECANCELED)
        wf_fetch_add_relaxed(&r->canceled, 1);
    else if (CHECK_INT(result, -ETIMEDOUT))
        wf_fetch_add_relaxed(&r->timed_out, 1);
    return NULL;
}

static void *post_some(void *arg)
{
    struct race *r = arg;
    for (int i = 0; i < wt_scaled(ROUNDS) * 2; i++) {
        CHECK_INT(weft_sem_post(&r->sem), 0);
        weft_yield();
    }
    return NULL;
}

static void *race(void *arg)
{
    struct race r = {0};
    (void)arg;
    weft_t *poster = weft_spawn(post_some, &r);
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        weft_t *ts[4];
        for (int k = 0; k < 4; k++)
            ts[k] = weft_spawn(wait_in_race, &r);
        weft_yield();
        CHECK_INT(weft_killall(ts, 4), 0);
        CHECK_INT(weft_joinall(ts, 4), 0);
    }
    CHECK_INT(weft_join(poster, NULL), 0);
    /* relaxed: joined. Those killed before they began are in none of the three. */
    CHECK(wf_load_relaxed(&r.taken) + wf_load_relaxed(&r.canceled) + wf_load_relaxed(&r.timed_out) <=
          4 * wt_scaled(ROUNDS));
    CHECK_INT(wf_load_relaxed(&r.taken) + weft_sem_value(&r.sem), wt_scaled(ROUNDS) * 2);
    return NULL;
}

static void test_kill_wake_and_deadline_end_a_wait_once(void **state)
{
    (void)state;
    wt_over_workers(race, NULL);
}

static void *kill_other(void *arg)
{
    CHECK_INT(weft_kill(arg), 0);
    return NULL;
}

static void *kill_from_thread(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(sleep_long, NULL);
    wt_on_thread(kill_other, t);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_kill_from_a_plain_thread(void **state)
{
    (void)state;
    wt_over_workers(kill_from_thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_ends_every_blocking_call_from_then_on),
        cmocka_unit_test(test_kill_before_the_start_keeps_the_body_from_running),
        cmocka_unit_test(test_kill_waits_for_the_end_of_the_shield),
        cmocka_unit_test(test_kill_all_reaches_each),
        cmocka_unit_test(test_kill_wake_and_deadline_end_a_wait_once),
        cmocka_unit_test(test_kill_from_a_plain_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
