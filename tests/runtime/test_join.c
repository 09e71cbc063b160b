/* Joining one, all, any; deadlines, circles, stale handles. */
#include "runtime.h"

enum { MANY = 50 };

static void *wait_for_event(void *arg)
{
    return (void *)(intptr_t)weft_event_wait(arg);
}

static void *return_arg(void *arg)
{
    return arg;
}

static void *stale(void *arg)
{
    void *result = (void *)1;
    (void)arg;
    weft_t *t = weft_spawn(return_arg, (void *)7);
    CHECK_INT(weft_join(t, &result), 0);
    CHECK_INT((intptr_t)result, 7);
    CHECK_INT(weft_join(t, &result), -ESRCH);
    CHECK_INT((intptr_t)result, 7);
    CHECK_INT(weft_join(NULL, NULL), -ESRCH);
    weft_t *next = weft_spawn(return_arg, NULL); /* most likely in the same block */
    CHECK_INT(weft_join(t, NULL), -ESRCH);
    CHECK_INT(weft_kill(t), -ESRCH);
    CHECK_INT(weft_wait_any(&t, 1), -ESRCH);
    CHECK_INT(weft_joinall(&t, 1), -ESRCH);
    CHECK_INT(weft_join(next, NULL), 0);
    return NULL;
}

static void test_join_stale_handle_is_an_error(void **state)
{
    (void)state;
    wt_over_workers(stale, NULL);
}

/* At once, though its worker may still be tidying up after it. */
static void *stale_at_once(void *arg)
{
    char name[8];
    (void)arg;
    for (int i = 0; i < wt_scaled(5000); i++) {
        weft_t *t = weft_spawn(return_arg, NULL);
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK_INT(weft_kill(t), -ESRCH);
        CHECK_INT(weft_ready(t), -ESRCH);
        CHECK_INT(weft_error(t), -ESRCH);
        CHECK_INT(weft_name(t, name, sizeof name), -ESRCH);
        CHECK_INT((int64_t)weft_id(t), 0);
        CHECK(weft_ref(t) == NULL);
    }
    return NULL;
}

static void test_join_leaves_the_handle_stale_at_once(void **state)
{
    (void)state;
    wt_over_workers_and_thread(stale_at_once, NULL);
}

static void *time_out(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    (void)arg;
    weft_t *ts[2] = {weft_spawn(wait_for_event, &event), weft_spawn(wait_for_event, &event)};
    int64_t end = weft_after(2 * WEFT_MILLISECOND);
    CHECK_INT(weft_join_until(ts[0], NULL, 0), -ETIMEDOUT);
    CHECK_INT(weft_join_until(ts[0], NULL, end), -ETIMEDOUT);
    CHECK(weft_now() >= end);
    CHECK_INT(weft_joinall_until(ts, 2, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_wait_any_until(ts, 2, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_wait_any_until(ts, 2, 0), -ETIMEDOUT);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_joinall(ts, 2), 0); /* the handles were still ours */
    CHECK_INT(weft_join(ts[1], NULL), -ESRCH);
    return NULL;
}

static void test_join_deadline_leaves_the_handle_to_the_caller(void **state)
{
    (void)state;
    wt_over_workers(time_out, NULL);
}

struct circle {
    weft_t *ts[3];
    weft_event go;
    int results[3];
    _Atomic(int) next;
};

static void *join_next(void *arg)
{
    struct circle *c = arg;
    int i = wf_fetch_add_relaxed(&c->next, 1); /* relaxed: a number each */
    CHECK_INT(weft_event_wait(&c->go), 0);
    int self = -1;
    for (int k = 0; k < 3; k++)
        if (c->ts[k] == weft_self())
            self = k;
    c->results[i] = weft_join(c->ts[(self + 1) % 3], NULL);
    return NULL;
}

static void *circles(void *arg)
{
    (void)arg;
    CHECK_INT(weft_join(weft_self(), NULL), -EDEADLK);
    for (int round = 0; round < 20; round++) {
        struct circle c = {.results = {1, 1, 1}};
        int deadlocks = 0;
        for (int i = 0; i < 3; i++)
            c.ts[i] = weft_spawn(join_next, &c);
        for (int i = 0; i < 3; i++)
            CHECK(weft_ref(c.ts[i]) != NULL);
        CHECK_INT(weft_event_set(&c.go), 0);
        for (int i = 0; i < 3; i++)
            CHECK_INT(weft_join(c.ts[i], NULL), 0);
        for (int i = 0; i < 3; i++) {
            CHECK(c.results[i] == 0 || c.results[i] == -EDEADLK);
            deadlocks += c.results[i] == -EDEADLK;
            weft_unref(c.ts[i]); /* the reference of a join that was refused */
        }
        CHECK(deadlocks >= 1);
    }
    return NULL;
}

static void test_join_circle_is_refused(void **state)
{
    (void)state;
    wt_over_workers(circles, NULL);
}

static void *join_event(void *arg)
{
    return (void *)(intptr_t)weft_join(arg, NULL);
}

static void *kill_joiner(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    void *result;
    (void)arg;
    weft_t *target = weft_spawn(wait_for_event, &event);
    weft_t *joiner = weft_spawn(join_event, target);
    wt_until_waiting(joiner, WF_WAIT_JOIN);
    CHECK_INT(weft_kill(joiner), 0);
    CHECK_INT(weft_join(joiner, &result), 0);
    CHECK_INT((intptr_t)result, -ECANCELED);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_join(target, &result), 0); /* the handle is still there */
    CHECK_INT((intptr_t)result, 0);
    return NULL;
}

static void test_join_killed_joiner_leaves_the_handle(void **state)
{
    (void)state;
    wt_over_workers(kill_joiner, NULL);
}

static void *join_by_many(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    weft_t *joiners[MANY];
    (void)arg;
    weft_t *target = weft_spawn(wait_for_event, &event);
    for (int i = 0; i < MANY; i++) {
        CHECK(weft_ref(target) != NULL);
        joiners[i] = weft_spawn(join_event, target);
    }
    for (int i = 0; i < MANY; i += 2)
        wt_until_waiting(joiners[i], WF_WAIT_JOIN);
    CHECK_INT(weft_event_set(&event), 0);
    for (int i = 0; i < MANY; i++) {
        void *result;
        CHECK_INT(weft_join(joiners[i], &result), 0);
        CHECK_INT((intptr_t)result, 0);
    }
    CHECK_INT(weft_join(target, NULL), 0);
    return NULL;
}

static void test_join_many_joiners_of_one_are_all_woken(void **state)
{
    (void)state;
    wt_over_workers(join_by_many, NULL);
}

static void *any(void *arg)
{
    weft_event events[3] = {WEFT_EVENT_INIT, WEFT_EVENT_INIT, WEFT_EVENT_INIT};
    weft_t *ts[3];
    (void)arg;
    CHECK_INT(weft_wait_any(NULL, 0), -EINVAL);
    for (int i = 0; i < 3; i++)
        ts[i] = weft_spawn(wait_for_event, &events[i]);
    CHECK_INT(weft_event_set(&events[1]), 0);
    CHECK_INT(weft_wait_any(ts, 3), 1);
    CHECK_INT(weft_wait_any(ts, 3), 1); /* no handle was given back */
    CHECK_INT(weft_event_set(&events[0]), 0);
    CHECK_INT(weft_wait_any(&ts[0], 1), 0);
    CHECK_INT(weft_wait_any(ts, 3), 0);
    CHECK_INT(weft_event_set(&events[2]), 0);
    CHECK_INT(weft_joinall(ts, 3), 0);
    return NULL;
}

static void test_join_wait_any_tells_the_lowest_that_has_ended(void **state)
{
    (void)state;
    wt_over_workers(any, NULL);
}

static void *sleep_briefly(void *arg)
{
    weft_sleep((intptr_t)arg * WEFT_MICROSECOND);
    return arg;
}

static void *any_in_turn(void *arg)
{
    weft_t *ts[MANY];
    (void)arg;
    for (intptr_t i = 0; i < MANY; i++)
        ts[i] = weft_spawn(sleep_briefly, (void *)((i * 37) % MANY));
    for (int left = MANY; left > 0; left--) {
        int i = weft_wait_any(ts, (size_t)left);
        if (!CHECK(i >= 0 && i < left))
            break;
        CHECK_INT(weft_join(ts[i], NULL), 0);
        ts[i] = ts[left - 1];
    }
    return NULL;
}

static void test_join_wait_any_until_none_is_left(void **state)
{
    (void)state;
    wt_over_workers(any_in_turn, NULL);
}

static void *use_killed(void *arg)
{
    weft_t *t = arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_join(t, NULL), -ECANCELED);
    CHECK_INT(weft_joinall(&t, 1), -ECANCELED);
    CHECK_INT(weft_wait_any(&t, 1), -ECANCELED);
    CHECK_INT(weft_ready(t), 1);
    CHECK_INT(weft_detach(t), 0);
    return NULL;
}

static void *join_after_kill(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(return_arg, NULL);
    CHECK_INT(weft_wait_any(&t, 1), 0);
    wt_spawn_and_join(1, use_killed, t);
    return NULL;
}

static void test_join_by_a_killed_coroutine_is_canceled(void **state)
{
    (void)state;
    wt_over_workers(join_after_kill, NULL);
}

static void *use_twice(void *arg)
{
    (void)arg;
    weft_t *t = weft_spawn(return_arg, (void *)7);
    weft_t *twice[2] = {t, t};
    CHECK_INT(weft_wait_any(twice, 2), 0);
    CHECK(weft_ref(t) == t);
    CHECK_INT(weft_joinall(twice, 2), 0); /* each of the two gives a reference back */
    CHECK_INT(weft_joinall(twice, 2), -ESRCH);
    CHECK_INT(weft_joinall(NULL, 0), 0);
    CHECK_INT(weft_joinall(NULL, 1), -EINVAL);
    CHECK_INT(weft_wait_any(NULL, 0), -EINVAL);
    CHECK_INT(weft_wait_any(NULL, 1), -EINVAL);
    CHECK_INT(weft_killall(NULL, 0), 0);
    CHECK_INT(weft_killall(NULL, 1), -EINVAL);
    weft_t *self = weft_self();
    CHECK_INT(weft_joinall(&self, 1), -EDEADLK);
    CHECK_INT(weft_wait_any(&self, 1), -EDEADLK);
    return NULL;
}

static void test_join_arrays_may_hold_one_twice_and_nothing_bad(void **state)
{
    (void)state;
    wt_over_workers(use_twice, NULL);
}

/* Nobody can join it any more, though it still runs: an error at once, and not after its end. */
static void *join_detached(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    (void)arg;
    weft_t *t = weft_spawn(wait_for_event, &event);
    wt_until_waiting(t, WF_WAIT_EVENT);
    weft_t *kept = weft_spawn(wait_for_event, &event);
    weft_t *both[2] = {kept, t};
    CHECK_INT(weft_detach(t), 0);
    CHECK_INT(weft_join(t, NULL), -ESRCH);
    CHECK_INT(weft_joinall(both, 2), -ESRCH);
    CHECK_INT(weft_wait_any(both, 2), -ESRCH);
    CHECK_INT(weft_detach(t), -ESRCH);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_join(kept, NULL), 0);
    return NULL;
}

static void test_join_detached_one_is_refused_at_once(void **state)
{
    (void)state;
    wt_over_workers(join_detached, NULL);
}

/* It joins the one that kills it and joins it: its own join is over, so there is no circle. */
static void *join_killed_joiner(void *arg)
{
    void *result = NULL;
    (void)arg;
    weft_t *child = weft_spawn(join_event, weft_self());
    wt_until_waiting(child, WF_WAIT_JOIN);
    CHECK(weft_ref(weft_self()) != NULL); /* what its join would have given back */
    CHECK_INT(weft_kill(child), 0);
    CHECK_INT(weft_join(child, &result), 0);
    CHECK_INT((intptr_t)result, -ECANCELED);
    CHECK_INT(weft_unref(weft_self()), 0);
    return NULL;
}

static void test_join_killed_joiner_of_oneself_is_no_circle(void **state)
{
    (void)state;
    wt_over_workers(join_killed_joiner, NULL);
}

/* Whoever was woken by the end sees that it has ended, also while many others are still to be woken. */
enum { WATCHERS = 20 };

static void *join_and_look(void *arg)
{
    CHECK_INT(weft_join(arg, NULL), 0);
    CHECK_INT(weft_ready(arg), 1);
    CHECK_INT(weft_error(arg), -EIO);
    CHECK_INT((intptr_t)weft_value(arg), 5);
    return NULL;
}

static void *fail_after_event(void *arg)
{
    CHECK_INT(weft_event_wait(arg), 0);
    CHECK_INT(weft_set_error(-EIO), 0);
    return (void *)5;
}

static void *look_after_join(void *arg)
{
    (void)arg;
    for (int round = 0; round < 10; round++) {
        weft_event event = WEFT_EVENT_INIT;
        wt_thread *threads[WATCHERS];
        weft_t *t = weft_spawn(fail_after_event, &event);
        for (int i = 0; i < WATCHERS; i++) {
            CHECK(weft_ref(t) == t);
            threads[i] = wt_thread_start(join_and_look, t);
            wt_until_block_waits(wt_thread_block(threads[i]), WF_WAIT_JOIN);
        }
        CHECK_INT(weft_event_set(&event), 0);
        for (int i = 0; i < WATCHERS; i++)
            wt_thread_join(threads[i]);
        CHECK_INT(weft_unref(t), 0);
    }
    return NULL;
}

static void test_join_who_was_woken_finds_that_it_has_ended(void **state)
{
    (void)state;
    wt_run(2, look_after_join, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_stale_handle_is_an_error),
        cmocka_unit_test(test_join_leaves_the_handle_stale_at_once),
        cmocka_unit_test(test_join_deadline_leaves_the_handle_to_the_caller),
        cmocka_unit_test(test_join_circle_is_refused),
        cmocka_unit_test(test_join_killed_joiner_leaves_the_handle),
        cmocka_unit_test(test_join_many_joiners_of_one_are_all_woken),
        cmocka_unit_test(test_join_wait_any_tells_the_lowest_that_has_ended),
        cmocka_unit_test(test_join_wait_any_until_none_is_left),
        cmocka_unit_test(test_join_by_a_killed_coroutine_is_canceled),
        cmocka_unit_test(test_join_arrays_may_hold_one_twice_and_nothing_bad),
        cmocka_unit_test(test_join_detached_one_is_refused_at_once),
        cmocka_unit_test(test_join_killed_joiner_of_oneself_is_no_circle),
        cmocka_unit_test(test_join_who_was_woken_finds_that_it_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
