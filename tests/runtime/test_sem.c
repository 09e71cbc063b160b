/* weft_sem: counts exactly, serves in order, bounded on request; kill and deadlines take nothing. */
#include "runtime.h"

enum { TAKERS = 12, ROUNDS = 1000, WAITERS = 5 };

struct shared {
    weft_sem sem;
    _Atomic(int) inside, taken, turn;
    int order[WAITERS];
    int result;
};

static void test_sem_null_and_bad_counts_are_refused(void **state)
{
    weft_sem sem;
    (void)state;
    assert_int_equal(weft_sem_init(NULL, 1), -EINVAL);
    assert_int_equal(weft_sem_init_bounded(NULL, 1, 1), -EINVAL);
    assert_int_equal(weft_sem_init_bounded(&sem, 2, 1), -EINVAL);
    assert_int_equal(weft_sem_fini(NULL), -EINVAL);
    assert_int_equal(weft_sem_wait(NULL), -EINVAL);
    assert_int_equal(weft_sem_wait_until(NULL, 0), -EINVAL);
    assert_int_equal(weft_sem_trywait(NULL), -EINVAL);
    assert_int_equal(weft_sem_post(NULL), -EINVAL);
    assert_int_equal(weft_sem_value(NULL), -EINVAL);
}

static void test_sem_counts_up_to_its_limit(void **state)
{
    weft_sem sem;
    (void)state;
    assert_int_equal(weft_sem_init_bounded(&sem, 1, 2), 0);
    assert_int_equal(weft_sem_post(&sem), 0);
    assert_int_equal(weft_sem_post(&sem), -EOVERFLOW);
    assert_int_equal(weft_sem_value(&sem), 2);
    assert_int_equal(weft_sem_wait(&sem), 0);
    assert_int_equal(weft_sem_trywait(&sem), 0);
    assert_int_equal(weft_sem_trywait(&sem), -EAGAIN);
    assert_int_equal(weft_sem_wait_until(&sem, 0), -ETIMEDOUT);
    assert_int_equal(weft_sem_value(&sem), 0);
    assert_int_equal(weft_sem_post(&sem), 0);
    assert_int_equal(weft_sem_value(&sem), 1);
    assert_int_equal(weft_sem_fini(&sem), 0);
    assert_int_equal(weft_sem_init(&sem, UINT32_MAX), 0);
    assert_int_equal(weft_sem_post(&sem), -EOVERFLOW);
    assert_int_equal(weft_sem_value(&sem), INT32_MAX);
    assert_int_equal(weft_sem_trywait(&sem), 0);
}

static void *enter_and_leave(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        CHECK_INT(weft_sem_wait(&s->sem), 0);
        /* relaxed: bounds only; the sum is read after the joins. */
        CHECK(wf_fetch_add_relaxed(&s->inside, 1) < 3);
        if (i % 8 == 0)
            weft_yield();
        wf_fetch_add_relaxed(&s->taken, 1);
        wf_fetch_sub_relaxed(&s->inside, 1);
        CHECK_INT(weft_sem_post(&s->sem), 0);
    }
    return NULL;
}

static void *bound(void *arg)
{
    struct shared s = {0};
    (void)arg;
    CHECK_INT(weft_sem_init_bounded(&s.sem, 3, 3), 0);
    wt_thread *thread = wt_thread_start(enter_and_leave, &s);
    wt_spawn_and_join(TAKERS, enter_and_leave, &s);
    wt_thread_join(thread);
    CHECK_INT(wf_load_relaxed(&s.taken), (TAKERS + 1) * wt_scaled(ROUNDS)); /* relaxed: joined */
    CHECK_INT(weft_sem_value(&s.sem), 3);
    CHECK_INT(weft_sem_fini(&s.sem), 0);
    return NULL;
}

static void test_sem_never_lets_more_in_than_it_counts(void **state)
{
    (void)state;
    wt_over_workers(bound, NULL);
}

struct waiter {
    struct shared *shared;
    int index;
};

static void *wait_turn(void *arg)
{
    struct waiter *w = arg;
    CHECK_INT(weft_sem_wait(&w->shared->sem), 0);
    w->shared->order[wf_fetch_add_acq_rel(&w->shared->turn, 1)] = w->index; /* ORDER(turn): see wait_in_order. */
    return NULL;
}

static void *wait_in_order(void *arg)
{
    struct shared s = {0};
    struct waiter waiters[WAITERS];
    weft_t *ts[WAITERS];
    (void)arg;
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){&s, i};
        ts[i] = weft_spawn(wait_turn, &waiters[i]);
        wt_until_waiting(ts[i], WF_WAIT_SEM);
    }
    CHECK_INT(weft_sem_fini(&s.sem), -EBUSY);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_INT(weft_sem_post(&s.sem), 0);
        CHECK_INT(weft_sem_trywait(&s.sem), -EAGAIN); /* it went to the one that waits */
        CHECK_INT(weft_join(ts[i], NULL), 0);
        CHECK_INT(wf_load_acquire(&s.turn), i + 1); /* ORDER(turn): pairs with wait_turn. */
        CHECK_INT(s.order[i], i);
    }
    return NULL;
}

static void test_sem_post_goes_to_the_longest_waiter(void **state)
{
    (void)state;
    wt_over_workers(wait_in_order, NULL);
}

static void *wait_once(void *arg)
{
    struct shared *s = arg;
    s->result = weft_sem_wait(&s->sem);
    return NULL;
}

static void *kill_waiter(void *arg)
{
    struct shared s = {0};
    (void)arg;
    weft_t *t = weft_spawn(wait_once, &s);
    wt_until_waiting(t, WF_WAIT_SEM);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_sem_post(&s.sem), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(s.result, -ECANCELED);
    CHECK_INT(weft_sem_value(&s.sem), 1);
    return NULL;
}

static void test_sem_post_after_a_kill_is_counted(void **state)
{
    (void)state;
    wt_over_workers(kill_waiter, NULL);
}

static void *use_killed(void *arg)
{
    weft_sem *sem = arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_sem_wait(sem), -ECANCELED);
    CHECK_INT(weft_sem_trywait(sem), 0);
    CHECK_INT(weft_sem_post(sem), 0);
    return NULL;
}

static void *wait_after_kill(void *arg)
{
    weft_sem sem;
    (void)arg;
    CHECK_INT(weft_sem_init(&sem, 1), 0);
    wt_spawn_and_join(1, use_killed, &sem);
    CHECK_INT(weft_sem_value(&sem), 1);
    return NULL;
}

static void test_sem_killed_coroutine_takes_nothing_but_may_try(void **state)
{
    (void)state;
    wt_over_workers(wait_after_kill, NULL);
}

static void *wait_until_soon(void *arg)
{
    weft_sem *sem = arg;
    int64_t end = weft_after(2 * WEFT_MILLISECOND);
    CHECK_INT(weft_sem_wait_until(sem, end), -ETIMEDOUT);
    CHECK(weft_now() >= end);
    return NULL;
}

static void *time_out(void *arg)
{
    weft_sem sem;
    (void)arg;
    CHECK_INT(weft_sem_init(&sem, 0), 0);
    wt_spawn_and_join(3, wait_until_soon, &sem);
    wt_on_thread(wait_until_soon, &sem);
    CHECK_INT(weft_sem_post(&sem), 0);
    CHECK_INT(weft_sem_value(&sem), 1);
    CHECK_INT(weft_sem_wait(&sem), 0);
    CHECK_INT(weft_sem_fini(&sem), 0);
    return NULL;
}

static void test_sem_deadline_takes_nothing(void **state)
{
    (void)state;
    wt_over_workers(time_out, NULL);
}

/* Takers that give up now and then, against posters: what was posted was taken or is still there. */
static void *take_or_give_up(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        int result = weft_sem_wait_until(&s->sem, weft_after((i % 7) * WEFT_MICROSECOND));
        if (result == -ECANCELED)
            break;
        if (result == 0)
            wf_fetch_add_relaxed(&s->taken, 1); /* relaxed: summed up after the joins */
        else
            CHECK_INT(result, -ETIMEDOUT);
    }
    return NULL;
}

static void *post_many(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        CHECK_INT(weft_sem_post(&s->sem), 0);
        if (i % 32 == 0)
            weft_yield();
    }
    return NULL;
}

static void *storm(void *arg)
{
    struct shared s = {0};
    weft_t *ts[TAKERS];
    (void)arg;
    for (int i = 0; i < TAKERS; i++)
        CHECK((ts[i] = weft_spawn(take_or_give_up, &s)) != NULL);
    wt_thread *taker = wt_thread_start(take_or_give_up, &s);
    wt_thread *poster = wt_thread_start(post_many, &s);
    wt_spawn_and_join(3, post_many, &s);
    for (int i = 0; i < TAKERS; i += 2)
        CHECK_INT(weft_kill(ts[i]), 0);
    for (int i = 0; i < TAKERS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(taker);
    wt_thread_join(poster);
    CHECK_INT(wf_load_relaxed(&s.taken) + weft_sem_value(&s.sem), 4 * wt_scaled(ROUNDS)); /* relaxed: joined */
    CHECK_INT(weft_sem_fini(&s.sem), 0);
    return NULL;
}

static void test_sem_kills_and_deadlines_lose_no_post(void **state)
{
    (void)state;
    wt_over_workers(storm, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sem_null_and_bad_counts_are_refused),
        cmocka_unit_test(test_sem_counts_up_to_its_limit),
        cmocka_unit_test(test_sem_never_lets_more_in_than_it_counts),
        cmocka_unit_test(test_sem_post_goes_to_the_longest_waiter),
        cmocka_unit_test(test_sem_post_after_a_kill_is_counted),
        cmocka_unit_test(test_sem_killed_coroutine_takes_nothing_but_may_try),
        cmocka_unit_test(test_sem_deadline_takes_nothing),
        cmocka_unit_test(test_sem_kills_and_deadlines_lose_no_post),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
