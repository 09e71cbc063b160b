/* weft_mutex: exclusion, order, misuse, kill and deadlines, from coroutines and plain threads. */
#include "runtime.h"

enum { LOCKERS = 16, ROUNDS = 500, WAITERS = 5 };

struct shared {
    weft_mutex mutex;
    int64_t count; /* guarded by mutex */
    int inside;    /* guarded by mutex: how many are in the section */
    int order[WAITERS];
    int arrived; /* guarded by mutex */
    int result;
    _Atomic(int) done;
};

static void test_mutex_null_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weft_mutex_init(NULL), -EINVAL);
    assert_int_equal(weft_mutex_init_recursive(NULL), -EINVAL);
    assert_int_equal(weft_mutex_fini(NULL), -EINVAL);
    assert_int_equal(weft_mutex_lock(NULL), -EINVAL);
    assert_int_equal(weft_mutex_lock_until(NULL, WEFT_NEVER), -EINVAL);
    assert_int_equal(weft_mutex_trylock(NULL), -EINVAL);
    assert_int_equal(weft_mutex_unlock(NULL), -EINVAL);
}

static void *try_and_unlock(void *arg)
{
    weft_mutex *mutex = arg;
    CHECK_INT(weft_mutex_trylock(mutex), -EBUSY);
    CHECK_INT(weft_mutex_lock_until(mutex, 0), -ETIMEDOUT);
    CHECK_INT(weft_mutex_unlock(mutex), -EPERM);
    CHECK_INT(weft_mutex_fini(mutex), -EBUSY);
    return NULL;
}

static void *misuse(void *arg)
{
    weft_mutex mutex = WEFT_MUTEX_INIT;
    (void)arg;
    CHECK_INT(weft_mutex_unlock(&mutex), -EPERM);
    CHECK_INT(weft_mutex_lock(&mutex), 0);
    CHECK_INT(weft_mutex_lock(&mutex), -EDEADLK);
    CHECK_INT(weft_mutex_lock_until(&mutex, 0), -EDEADLK);
    CHECK_INT(weft_mutex_trylock(&mutex), -EDEADLK);
    CHECK_INT(weft_mutex_fini(&mutex), -EBUSY);
    wt_spawn_and_join(1, try_and_unlock, &mutex);
    wt_on_thread(try_and_unlock, &mutex);
    CHECK_INT(weft_mutex_unlock(&mutex), 0);
    CHECK_INT(weft_mutex_unlock(&mutex), -EPERM);
    CHECK_INT(weft_mutex_lock_until(&mutex, 0), 0);
    CHECK_INT(weft_mutex_unlock(&mutex), 0);
    CHECK_INT(weft_mutex_fini(&mutex), 0);
    return NULL;
}

static void test_mutex_misuse_is_an_error_and_changes_nothing(void **state)
{
    (void)state;
    wt_over_workers(misuse, NULL);
}

static void *lock_recursively(void *arg)
{
    weft_mutex mutex;
    (void)arg;
    CHECK_INT(weft_mutex_init_recursive(&mutex), 0);
    CHECK_INT(weft_mutex_lock(&mutex), 0);
    CHECK_INT(weft_mutex_lock(&mutex), 0);
    CHECK_INT(weft_mutex_trylock(&mutex), 0);
    for (int i = 0; i < 3; i++) {
        wt_spawn_and_join(1, try_and_unlock, &mutex);
        CHECK_INT(weft_mutex_unlock(&mutex), 0);
    }
    CHECK_INT(weft_mutex_unlock(&mutex), -EPERM);
    CHECK_INT(weft_mutex_fini(&mutex), 0);
    return NULL;
}

static void test_mutex_recursive_is_free_after_as_many_unlocks(void **state)
{
    (void)state;
    wt_over_workers(lock_recursively, NULL);
}

/* One section: alone in it, also when it is left in the middle. */
static void count_up(struct shared *s, int round)
{
    CHECK_INT(weft_mutex_lock(&s->mutex), 0);
    CHECK_INT(s->inside++, 0);
    if (round % 16 == 0)
        weft_yield();
    s->count++;
    CHECK_INT(--s->inside, 0);
    CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
}

static void *count_many(void *arg)
{
    for (int i = 0; i < wt_scaled(ROUNDS); i++)
        count_up(arg, i);
    return NULL;
}

static void *contend(void *arg)
{
    struct shared s = {0};
    (void)arg;
    wt_spawn_and_join(LOCKERS, count_many, &s);
    CHECK_INT(s.count, (int64_t)LOCKERS * wt_scaled(ROUNDS));
    CHECK_INT(weft_mutex_fini(&s.mutex), 0);
    return NULL;
}

static void test_mutex_many_coroutines_exclude_each_other(void **state)
{
    (void)state;
    wt_over_workers(contend, NULL);
}

static void *contend_with_threads(void *arg)
{
    struct shared s = {0};
    wt_thread *threads[4];
    (void)arg;
    for (int i = 0; i < 4; i++)
        threads[i] = wt_thread_start(count_many, &s);
    wt_spawn_and_join(LOCKERS, count_many, &s);
    for (int i = 0; i < 4; i++)
        wt_thread_join(threads[i]);
    CHECK_INT(s.count, (int64_t)(LOCKERS + 4) * wt_scaled(ROUNDS));
    CHECK_INT(weft_mutex_fini(&s.mutex), 0);
    return NULL;
}

static void test_mutex_coroutines_and_threads_exclude_each_other(void **state)
{
    (void)state;
    wt_over_workers(contend_with_threads, NULL);
}

struct waiter {
    struct shared *shared;
    int index;
};

static void *note_turn(void *arg)
{
    struct waiter *w = arg;
    struct shared *s = w->shared;
    CHECK_INT(weft_mutex_lock(&s->mutex), 0);
    s->order[s->arrived++] = w->index;
    weft_yield();
    CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    return NULL;
}

static void *wait_in_order(void *arg)
{
    struct shared s = {0};
    struct waiter waiters[WAITERS];
    weft_t *ts[WAITERS];
    (void)arg;
    CHECK_INT(weft_mutex_lock(&s.mutex), 0);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){&s, i};
        ts[i] = weft_spawn(note_turn, &waiters[i]);
        wt_until_waiting(ts[i], WF_WAIT_MUTEX);
    }
    CHECK_INT(weft_mutex_unlock(&s.mutex), 0);
    for (int i = 0; i < WAITERS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    for (int i = 0; i < WAITERS; i++)
        CHECK_INT(s.order[i], i);
    return NULL;
}

static void test_mutex_waiters_are_served_in_order(void **state)
{
    (void)state;
    wt_over_workers(wait_in_order, NULL);
}

static void *lock_once(void *arg)
{
    struct shared *s = arg;
    s->result = weft_mutex_lock(&s->mutex);
    if (s->result == 0)
        CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    return NULL;
}

static void *kill_waiter(void *arg)
{
    struct shared s = {0};
    (void)arg;
    CHECK_INT(weft_mutex_lock(&s.mutex), 0);
    weft_t *t = weft_spawn(lock_once, &s);
    wt_until_waiting(t, WF_WAIT_MUTEX);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(s.result, -ECANCELED);
    CHECK_INT(weft_mutex_unlock(&s.mutex), 0);
    wt_spawn_and_join(1, lock_once, &s);
    CHECK_INT(s.result, 0);
    CHECK_INT(weft_mutex_fini(&s.mutex), 0);
    return NULL;
}

static void test_mutex_killed_waiter_does_not_get_it(void **state)
{
    (void)state;
    wt_over_workers(kill_waiter, NULL);
}

static void *use_killed(void *arg)
{
    weft_mutex *mutex = arg;
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_mutex_lock(mutex), -ECANCELED);
    CHECK_INT(weft_mutex_trylock(mutex), 0);
    CHECK_INT(weft_mutex_unlock(mutex), 0);
    return NULL;
}

static void *lock_after_kill(void *arg)
{
    weft_mutex mutex = WEFT_MUTEX_INIT;
    (void)arg;
    wt_spawn_and_join(1, use_killed, &mutex);
    CHECK_INT(weft_mutex_fini(&mutex), 0);
    return NULL;
}

static void test_mutex_killed_coroutine_locks_nothing_but_may_try(void **state)
{
    (void)state;
    wt_over_workers(lock_after_kill, NULL);
}

static void *lock_until_soon(void *arg)
{
    weft_mutex *mutex = arg;
    int64_t end = weft_after(2 * WEFT_MILLISECOND);
    CHECK_INT(weft_mutex_lock_until(mutex, end), -ETIMEDOUT);
    CHECK(weft_now() >= end);
    return NULL;
}

static void *lock_under_timeout(void *arg)
{
    weft_mutex *mutex = arg;
    weft_timeout timeout = {0};
    CHECK_INT(weft_timeout_start(&timeout, 2 * WEFT_MILLISECOND), 0);
    CHECK_INT(weft_mutex_lock(mutex), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void *time_out(void *arg)
{
    weft_mutex mutex = WEFT_MUTEX_INIT;
    (void)arg;
    CHECK_INT(weft_mutex_lock(&mutex), 0);
    wt_spawn_and_join(3, lock_until_soon, &mutex);
    wt_spawn_and_join(1, lock_under_timeout, &mutex);
    wt_on_thread(lock_until_soon, &mutex);
    wt_on_thread(lock_under_timeout, &mutex);
    CHECK_INT(weft_mutex_unlock(&mutex), 0);
    CHECK_INT(weft_mutex_fini(&mutex), 0);
    return NULL;
}

static void test_mutex_deadline_ends_the_wait(void **state)
{
    (void)state;
    wt_over_workers(time_out, NULL);
}

static void *hog(void *arg)
{
    struct shared *s = arg;
    while (!wf_load_relaxed(&s->done)) { /* relaxed: only ends the loop */
        CHECK_INT(weft_mutex_lock(&s->mutex), 0);
        weft_yield();
        CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    }
    return NULL;
}

static void *lock_a_few_times(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 20; i++) {
        CHECK_INT(weft_mutex_lock_until(&s->mutex, weft_after(10 * WEFT_SECOND)), 0);
        CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    }
    wf_store_relaxed(&s->done, 1); /* relaxed: only ends the loop */
    return NULL;
}

static void *starve(void *arg)
{
    struct shared s = {0};
    (void)arg;
    weft_t *hogs[2] = {weft_spawn(hog, &s), weft_spawn(hog, &s)};
    wt_spawn_and_join(1, lock_a_few_times, &s);
    for (int i = 0; i < 2; i++)
        CHECK_INT(weft_join(hogs[i], NULL), 0);
    return NULL;
}

static void test_mutex_waiter_is_not_starved_by_those_that_lock_again(void **state)
{
    (void)state;
    wt_over_workers(starve, NULL);
}

/* Some lock, some give up after a few microseconds, some are killed: who got it counts, and the count is exact. */
static void *lock_or_give_up(void *arg)
{
    struct shared *s = arg;
    int64_t got = 0;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        int result = weft_mutex_lock_until(&s->mutex, weft_after(i % 3 == 0 ? 5 * WEFT_MICROSECOND : WEFT_NEVER));
        if (result == -ECANCELED)
            break;
        if (result == -ETIMEDOUT)
            continue;
        CHECK_INT(result, 0);
        CHECK_INT(s->inside++, 0);
        if (i % 4 == 0)
            weft_yield();
        s->count++;
        got++;
        CHECK_INT(--s->inside, 0);
        CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    }
    wf_fetch_add_relaxed(&s->done, (int)got); /* relaxed: read after the join */
    return NULL;
}

static void *storm(void *arg)
{
    struct shared s = {0};
    weft_t *ts[LOCKERS];
    (void)arg;
    for (int i = 0; i < LOCKERS; i++)
        CHECK((ts[i] = weft_spawn(lock_or_give_up, &s)) != NULL);
    wt_thread *thread = wt_thread_start(lock_or_give_up, &s);
    for (int i = 0; i < LOCKERS; i += 2) {
        weft_sleep(100 * WEFT_MICROSECOND);
        CHECK_INT(weft_kill(ts[i]), 0);
    }
    for (int i = 0; i < LOCKERS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(thread);
    CHECK_INT(s.count, wf_load_relaxed(&s.done)); /* relaxed: ordered by the joins */
    CHECK_INT(weft_mutex_fini(&s.mutex), 0);
    return NULL;
}

static void test_mutex_kills_and_deadlines_lose_no_unlock(void **state)
{
    (void)state;
    wt_over_workers(storm, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutex_null_is_refused),
        cmocka_unit_test(test_mutex_misuse_is_an_error_and_changes_nothing),
        cmocka_unit_test(test_mutex_recursive_is_free_after_as_many_unlocks),
        cmocka_unit_test(test_mutex_many_coroutines_exclude_each_other),
        cmocka_unit_test(test_mutex_coroutines_and_threads_exclude_each_other),
        cmocka_unit_test(test_mutex_waiters_are_served_in_order),
        cmocka_unit_test(test_mutex_killed_waiter_does_not_get_it),
        cmocka_unit_test(test_mutex_killed_coroutine_locks_nothing_but_may_try),
        cmocka_unit_test(test_mutex_deadline_ends_the_wait),
        cmocka_unit_test(test_mutex_waiter_is_not_starved_by_those_that_lock_again),
        cmocka_unit_test(test_mutex_kills_and_deadlines_lose_no_unlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
