/* weft_barrier: rounds of so many, one serial each; whoever gives up has not arrived. */
#include "runtime.h"

enum { PARTIES = 6, ROUNDS = 300 };

struct shared {
    weft_barrier barrier;
    _Atomic(int) serials;
    _Atomic(int) arrived[ROUNDS];
    int result;
};

static void test_barrier_null_and_zero_are_refused(void **state)
{
    weft_barrier barrier = {{0}};
    (void)state;
    assert_int_equal(weft_barrier_init(NULL, 1), -EINVAL);
    assert_int_equal(weft_barrier_init(&barrier, 0), -EINVAL);
    assert_int_equal(weft_barrier_wait(&barrier), -EINVAL); /* not initialised */
    assert_int_equal(weft_barrier_fini(NULL), -EINVAL);
    assert_int_equal(weft_barrier_wait(NULL), -EINVAL);
    assert_int_equal(weft_barrier_wait_until(NULL, 0), -EINVAL);
    assert_int_equal(weft_barrier_init(&barrier, 1), 0);
    assert_int_equal(weft_barrier_wait(&barrier), 1);
    assert_int_equal(weft_barrier_wait_until(&barrier, 0), 1);
    assert_int_equal(weft_barrier_fini(&barrier), 0);
}

static void *walk(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        wf_fetch_add_relaxed(&s->arrived[i], 1); /* relaxed: the barrier orders it, which is what is tested */
        int result = weft_barrier_wait(&s->barrier);
        CHECK(result == 0 || result == 1);
        CHECK_INT(wf_load_relaxed(&s->arrived[i]), PARTIES);
        wf_fetch_add_relaxed(&s->serials, result);
    }
    return NULL;
}

static void *walk_together(void *arg)
{
    struct shared s = {0};
    (void)arg;
    CHECK_INT(weft_barrier_init(&s.barrier, PARTIES), 0);
    wt_thread *thread = wt_thread_start(walk, &s);
    wt_spawn_and_join(PARTIES - 1, walk, &s);
    wt_thread_join(thread);
    CHECK_INT(wf_load_relaxed(&s.serials), wt_scaled(ROUNDS)); /* relaxed: joined */
    CHECK_INT(weft_barrier_fini(&s.barrier), 0);
    return NULL;
}

static void test_barrier_round_ends_when_all_have_come(void **state)
{
    (void)state;
    wt_over_workers(walk_together, NULL);
}

static void *wait_once(void *arg)
{
    return (void *)(intptr_t)weft_barrier_wait(arg);
}

static void *wait_briefly(void *arg)
{
    CHECK_INT(weft_barrier_wait_until(arg, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    return NULL;
}

static void *wait_under_timeout(void *arg)
{
    weft_timeout timeout = {0};
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_barrier_wait(arg), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void *wait_killed(void *arg)
{
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_barrier_wait(arg), -ECANCELED);
    return NULL;
}

static int joined(weft_t *t)
{
    void *result = NULL;
    CHECK_INT(weft_join(t, &result), 0);
    return (int)(intptr_t)result;
}

static void *give_up(void *arg)
{
    weft_barrier barrier;
    (void)arg;
    CHECK_INT(weft_barrier_init(&barrier, 2), 0);
    CHECK_INT(weft_barrier_wait_until(&barrier, 0), -ETIMEDOUT);
    weft_t *t = weft_spawn(wait_once, &barrier);
    wt_until_waiting(t, WF_WAIT_BARRIER);
    CHECK_INT(weft_barrier_fini(&barrier), -EBUSY);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(joined(t), -ECANCELED);
    wt_spawn_and_join(1, wait_killed, &barrier);
    wt_spawn_and_join(1, wait_briefly, &barrier);
    wt_spawn_and_join(1, wait_under_timeout, &barrier);
    wt_on_thread(wait_briefly, &barrier);
    CHECK_INT(weft_barrier_fini(&barrier), 0);
    t = weft_spawn(wait_once, &barrier); /* all of these have left nothing behind: it still takes two */
    wt_until_waiting(t, WF_WAIT_BARRIER);
    CHECK_INT(weft_barrier_wait(&barrier), 1);
    CHECK_INT(joined(t), 0);
    CHECK_INT(weft_barrier_fini(&barrier), 0);
    return NULL;
}

static void test_barrier_who_gives_up_has_not_arrived(void **state)
{
    (void)state;
    wt_over_workers(give_up, NULL);
}

/* Waits that end in all ways at once: for each serial there are PARTIES - 1 others, none more and none fewer. */
struct tally {
    weft_barrier barrier;
    _Atomic(int) serials, others, stop;
};

static void *wait_or_give_up(void *arg)
{
    struct tally *t = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        int result = weft_barrier_wait_until(&t->barrier, weft_after((i % 9) * 10 * WEFT_MICROSECOND));
        if (result == 1)
            wf_fetch_add_relaxed(&t->serials, 1); /* relaxed: read after the joins, as the other */
        else if (result == 0)
            wf_fetch_add_relaxed(&t->others, 1);
        else if (result == -ECANCELED)
            break;
        else
            CHECK_INT(result, -ETIMEDOUT);
    }
    return NULL;
}

static void *storm(void *arg)
{
    struct tally t = {0};
    weft_t *ts[3 * PARTIES];
    (void)arg;
    CHECK_INT(weft_barrier_init(&t.barrier, PARTIES), 0);
    for (int i = 0; i < 3 * PARTIES; i++)
        CHECK((ts[i] = weft_spawn(wait_or_give_up, &t)) != NULL);
    wt_thread *thread = wt_thread_start(wait_or_give_up, &t);
    for (int i = 0; i < PARTIES; i++) {
        CHECK_INT(weft_sleep(50 * WEFT_MICROSECOND), 0);
        CHECK_INT(weft_kill(ts[i]), 0);
    }
    for (int i = 0; i < 3 * PARTIES; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(thread);
    CHECK_INT(wf_load_relaxed(&t.others), wf_load_relaxed(&t.serials) * (PARTIES - 1)); /* relaxed: joined */
    CHECK_INT(weft_barrier_fini(&t.barrier), 0);
    return NULL;
}

static void test_barrier_rounds_are_whole_whoever_gives_up(void **state)
{
    (void)state;
    wt_over_workers(storm, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_barrier_null_and_zero_are_refused),
        cmocka_unit_test(test_barrier_round_ends_when_all_have_come),
        cmocka_unit_test(test_barrier_who_gives_up_has_not_arrived),
        cmocka_unit_test(test_barrier_rounds_are_whole_whoever_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
