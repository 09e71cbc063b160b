/* weft_event: set wakes all that wait and lets later ones pass. How waits end otherwise is in tests/runtime/test_blocking.c. */
#include "runtime.h"

enum { WAITERS = 100, ROUNDS = 300, PASSES = 20000, SPINS = 100 };

struct shared {
    weft_event event, back;
    _Atomic(int) woken;
    int value; /* published by the event */
};

static void test_event_null_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weft_event_init(NULL), -EINVAL);
    assert_int_equal(weft_event_fini(NULL), -EINVAL);
    assert_int_equal(weft_event_set(NULL), -EINVAL);
    assert_int_equal(weft_event_clear(NULL), -EINVAL);
    assert_int_equal(weft_event_is_set(NULL), -EINVAL);
    assert_int_equal(weft_event_wait(NULL), -EINVAL);
    assert_int_equal(weft_event_wait_until(NULL, 0), -EINVAL);
}

static void test_event_is_set_until_it_is_cleared(void **state)
{
    weft_event event = WEFT_EVENT_INIT;
    (void)state;
    assert_int_equal(weft_event_is_set(&event), 0);
    assert_int_equal(weft_event_wait_until(&event, 0), -ETIMEDOUT);
    assert_int_equal(weft_event_set(&event), 0);
    assert_int_equal(weft_event_set(&event), 0);
    assert_int_equal(weft_event_is_set(&event), 1);
    assert_int_equal(weft_event_wait(&event), 0);
    assert_int_equal(weft_event_clear(&event), 0);
    assert_int_equal(weft_event_is_set(&event), 0);
    assert_int_equal(weft_event_wait_until(&event, 0), -ETIMEDOUT);
    assert_int_equal(weft_event_fini(&event), 0);
}

static void *wait_and_read(void *arg)
{
    struct shared *s = arg;
    CHECK_INT(weft_event_wait(&s->event), 0);
    CHECK_INT(s->value, 42);
    wf_fetch_add_relaxed(&s->woken, 1); /* relaxed: read after the joins */
    return NULL;
}

static void *wake_all(void *arg)
{
    struct shared s = {0};
    weft_t *ts[WAITERS];
    (void)arg;
    for (int i = 0; i < WAITERS; i++)
        CHECK((ts[i] = weft_spawn(wait_and_read, &s)) != NULL);
    wt_thread *thread = wt_thread_start(wait_and_read, &s);
    for (int i = 0; i < WAITERS; i++)
        wt_until_waiting(ts[i], WF_WAIT_EVENT);
    wt_until_block_waits(wt_thread_block(thread), WF_WAIT_EVENT);
    CHECK_INT(weft_event_fini(&s.event), -EBUSY);
    s.value = 42;
    CHECK_INT(weft_event_set(&s.event), 0);
    CHECK_INT(weft_event_clear(&s.event), 0); /* those that waited are woken all the same */
    for (int i = 0; i < WAITERS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(thread);
    CHECK_INT(wf_load_relaxed(&s.woken), WAITERS + 1); /* relaxed: joined */
    CHECK_INT(weft_event_fini(&s.event), 0);
    return NULL;
}

static void test_event_set_wakes_all_that_wait(void **state)
{
    (void)state;
    wt_over_workers(wake_all, NULL);
}

static void *use_killed(void *arg)
{
    weft_event *event = arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_event_set(event), 0);
    CHECK_INT(weft_event_is_set(event), 1);
    CHECK_INT(weft_event_wait(event), -ECANCELED);
    return NULL;
}

static void *wait_after_kill(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    (void)arg;
    wt_spawn_and_join(1, use_killed, &event);
    return NULL;
}

static void test_event_killed_coroutine_sets_but_does_not_wait(void **state)
{
    (void)state;
    wt_over_workers(wait_after_kill, NULL);
}

static void *set_it(void *arg)
{
    CHECK_INT(weft_event_set(arg), 0);
    return NULL;
}

/* The event is in a frame that is gone as soon as the wait returns. */
static void wait_in_own_frame(void)
{
    weft_event event = WEFT_EVENT_INIT;
    CHECK_INT(weft_go(set_it, &event), 0);
    CHECK_INT(weft_event_wait(&event), 0);
    volatile uint64_t *gone = &event.opaque[0];
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

static void test_event_may_go_as_soon_as_wait_returns(void **state)
{
    (void)state;
    wt_over_workers(one_shot, NULL);
}

static void *answer(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        CHECK_INT(weft_event_wait(&s->event), 0);
        CHECK_INT(weft_event_clear(&s->event), 0);
        CHECK_INT(s->value, i);
        CHECK_INT(weft_event_set(&s->back), 0);
    }
    return NULL;
}

static void *ask(struct shared *s)
{
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        s->value = i;
        CHECK_INT(weft_event_set(&s->event), 0);
        CHECK_INT(weft_event_wait(&s->back), 0);
        CHECK_INT(weft_event_clear(&s->back), 0);
    }
    return NULL;
}

static void *ping_pong(void *arg)
{
    struct shared s = {0};
    (void)arg;
    weft_t *t = weft_spawn(answer, &s);
    ask(&s);
    CHECK_INT(weft_join(t, NULL), 0);
    wt_thread *thread = wt_thread_start(answer, &s);
    ask(&s);
    wt_thread_join(thread);
    return NULL;
}

static void test_event_ping_pong_loses_no_set(void **state)
{
    (void)state;
    wt_over_workers(ping_pong, NULL);
}

struct passing {
    weft_event object;
    _Atomic(int) round, done;
};

static void *pass_by(void *arg)
{
    struct passing *p = arg;
    for (int i = 1; i <= wt_scaled(PASSES); i++) {
        while (wf_load_acquire(&p->round) != i) /* ORDER(passing): pairs with catch_it. */
            weft_yield();
        CHECK_INT(weft_event_set(&p->object), 0);
        wf_store_release(&p->done, i); /* ORDER(passing): pairs with catch_it. */
    }
    return NULL;
}

/* Goes on in the moment in which the other one is about to leave, and then nothing may be written to the object. */
static void catch_it(struct passing *p, int round)
{
    p->object = (weft_event)WEFT_EVENT_INIT;
    wf_store_release(&p->round, round); /* ORDER(passing): pairs with pass_by. */
    for (int spins = 1; weft_event_is_set(&p->object) == 0; spins++)
        if (spins % SPINS == 0)
            weft_yield(); /* it may wait for this very CPU */
    CHECK_INT(weft_event_wait(&p->object), 0);
    volatile uint64_t *gone = &p->object.opaque[0];
    *gone = UINT64_MAX;
    while (wf_load_acquire(&p->done) != round) /* ORDER(passing): pairs with pass_by. */
        weft_yield();
    CHECK(*gone == UINT64_MAX);
}

static void test_event_is_left_alone_once_a_waiter_may_pass(void **state)
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
        cmocka_unit_test(test_event_null_is_refused),
        cmocka_unit_test(test_event_is_set_until_it_is_cleared),
        cmocka_unit_test(test_event_set_wakes_all_that_wait),
        cmocka_unit_test(test_event_killed_coroutine_sets_but_does_not_wait),
        cmocka_unit_test(test_event_may_go_as_soon_as_wait_returns),
        cmocka_unit_test(test_event_ping_pong_loses_no_set),
        cmocka_unit_test(test_event_is_left_alone_once_a_waiter_may_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
