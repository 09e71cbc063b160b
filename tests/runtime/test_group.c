/* weft_group: waits for as many done as add. How waits end otherwise is in tests/runtime/test_blocking.c. */
#include <limits.h>

#include "runtime.h"

enum { CHILDREN = 200, ROUNDS = 300, PASSES = 20000, SPINS = 100 };

struct shared {
    weft_group group;
    _Atomic(int) done;
};

static void test_group_null_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weft_group_init(NULL), -EINVAL);
    assert_int_equal(weft_group_fini(NULL), -EINVAL);
    assert_int_equal(weft_group_add(NULL, 1), -EINVAL);
    assert_int_equal(weft_group_done(NULL), -EINVAL);
    assert_int_equal(weft_group_wait(NULL), -EINVAL);
    assert_int_equal(weft_group_wait_until(NULL, 0), -EINVAL);
}

static void test_group_count_stays_between_zero_and_int_max(void **state)
{
    weft_group group;
    (void)state;
    assert_int_equal(weft_group_init(&group), 0);
    assert_int_equal(weft_group_wait(&group), 0);
    assert_int_equal(weft_group_done(&group), -EINVAL);
    assert_int_equal(weft_group_add(&group, INT_MIN), -EINVAL);
    assert_int_equal(weft_group_add(&group, INT_MAX), 0);
    assert_int_equal(weft_group_add(&group, 1), -EOVERFLOW);
    assert_int_equal(weft_group_wait_until(&group, 0), -ETIMEDOUT);
    assert_int_equal(weft_group_add(&group, 1 - INT_MAX), 0);
    assert_int_equal(weft_group_add(&group, -2), -EINVAL);
    assert_int_equal(weft_group_done(&group), 0);
    assert_int_equal(weft_group_wait(&group), 0);
    assert_int_equal(weft_group_fini(&group), 0);
}

static void *be_done(void *arg)
{
    struct shared *s = arg;
    wf_fetch_add_relaxed(&s->done, 1); /* relaxed: published by the group */
    CHECK_INT(weft_group_done(&s->group), 0);
    return NULL;
}

static void *wait_for_children(void *arg)
{
    struct shared s = {0};
    (void)arg;
    CHECK_INT(weft_group_add(&s.group, CHILDREN + 1), 0);
    for (int i = 0; i < CHILDREN; i++)
        CHECK_INT(weft_go(be_done, &s), 0);
    wt_thread *thread = wt_thread_start(be_done, &s);
    CHECK_INT(weft_group_wait(&s.group), 0);
    CHECK_INT(wf_load_relaxed(&s.done), CHILDREN + 1); /* relaxed: as above */
    wt_thread_join(thread);
    return NULL;
}

static void test_group_wait_returns_when_all_are_done(void **state)
{
    (void)state;
    wt_over_workers(wait_for_children, NULL);
}

static void *wait_and_count(void *arg)
{
    struct shared *s = arg;
    CHECK_INT(weft_group_wait(&s->group), 0);
    wf_fetch_add_relaxed(&s->done, 1); /* relaxed: read after the joins */
    return NULL;
}

static void *wake_all(void *arg)
{
    struct shared s = {0};
    weft_t *ts[3];
    (void)arg;
    CHECK_INT(weft_group_add(&s.group, 1), 0);
    for (int i = 0; i < 3; i++) {
        ts[i] = weft_spawn(wait_and_count, &s);
        wt_until_waiting(ts[i], WF_WAIT_GROUP);
    }
    wt_thread *thread = wt_thread_start(wait_and_count, &s);
    wt_until_block_waits(wt_thread_block(thread), WF_WAIT_GROUP);
    CHECK_INT(weft_group_fini(&s.group), -EBUSY);
    CHECK_INT(weft_group_done(&s.group), 0);
    CHECK_INT(weft_group_add(&s.group, 1), 0); /* those that waited are woken all the same */
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(thread);
    CHECK_INT(wf_load_relaxed(&s.done), 4); /* relaxed: joined */
    return NULL;
}

static void test_group_all_that_wait_are_woken(void **state)
{
    (void)state;
    wt_over_workers(wake_all, NULL);
}

static void *use_killed(void *arg)
{
    weft_group *group = arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_group_wait(group), -ECANCELED);
    CHECK_INT(weft_group_add(group, 1), 0);
    CHECK_INT(weft_group_done(group), 0);
    return NULL;
}

static void *wait_after_kill(void *arg)
{
    weft_group group = WEFT_GROUP_INIT;
    (void)arg;
    wt_spawn_and_join(1, use_killed, &group);
    return NULL;
}

static void test_group_killed_coroutine_is_done_but_does_not_wait(void **state)
{
    (void)state;
    wt_over_workers(wait_after_kill, NULL);
}

/* The group is in a frame that is gone as soon as the wait returns. */
static void wait_in_own_frame(void)
{
    struct shared s = {0};
    CHECK_INT(weft_group_add(&s.group, 2), 0);
    CHECK_INT(weft_go(be_done, &s), 0);
    CHECK_INT(weft_go(be_done, &s), 0);
    CHECK_INT(weft_group_wait(&s.group), 0);
    volatile uint64_t *gone = &s.group.opaque[0];
    *gone = UINT64_MAX;
    weft_yield();
    CHECK(*gone == UINT64_MAX); /* nobody came back to it */
}

static void *one_shot(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++)
        wait_in_own_frame();
    return NULL;
}

static void test_group_may_go_as_soon_as_wait_returns(void **state)
{
    (void)state;
    wt_over_workers(one_shot, NULL);
}

struct passing {
    weft_group object;
    _Atomic(int) round, done;
};

static void *pass_by(void *arg)
{
    struct passing *p = arg;
    for (int i = 1; i <= wt_scaled(PASSES); i++) {
        while (wf_load_acquire(&p->round) != i) /* ORDER(passing): pairs with catch_it. */
            weft_yield();
        CHECK_INT(weft_group_done(&p->object), 0);
        wf_store_release(&p->done, i); /* ORDER(passing): pairs with catch_it. */
    }
    return NULL;
}

/* Goes on in the moment in which the other one is about to leave, and then nothing may be written to the object. */
static void catch_it(struct passing *p, int round)
{
    p->object = (weft_group)WEFT_GROUP_INIT;
    CHECK_INT(weft_group_add(&p->object, 1), 0);
    wf_store_release(&p->round, round); /* ORDER(passing): pairs with pass_by. */
    for (int spins = 1; weft_group_wait_until(&p->object, 0) != 0; spins++)
        if (spins % SPINS == 0)
            weft_yield(); /* it may wait for this very CPU */
    volatile uint64_t *gone = &p->object.opaque[0];
    *gone = UINT64_MAX;
    while (wf_load_acquire(&p->done) != round) /* ORDER(passing): pairs with pass_by. */
        weft_yield();
    CHECK(*gone == UINT64_MAX);
}

static void test_group_is_left_alone_once_a_waiter_may_pass(void **state)
{
    (void)state;
    struct passing p = {.done = 0};
    wt_thread *thread = wt_thread_start(pass_by, &p);
    for (int i = 1; i <= wt_scaled(PASSES); i++)
        catch_it(&p, i);
    wt_thread_join(thread);
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_null_is_refused),
        cmocka_unit_test(test_group_count_stays_between_zero_and_int_max),
        cmocka_unit_test(test_group_wait_returns_when_all_are_done),
        cmocka_unit_test(test_group_all_that_wait_are_woken),
        cmocka_unit_test(test_group_killed_coroutine_is_done_but_does_not_wait),
        cmocka_unit_test(test_group_may_go_as_soon_as_wait_returns),
        cmocka_unit_test(test_group_is_left_alone_once_a_waiter_may_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
