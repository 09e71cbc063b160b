/* weft_cond: signals reach those that wait, one or all; the mutex is held again afterwards, whatever ended the wait. */
#include "runtime.h"

enum { WAITERS = 6, ITEMS = 2000, SLOTS = 4 };

struct shared {
    weft_mutex mutex;
    weft_cond cond, other;
    int ready; /* guarded by mutex, as all below */
    int woken;
    int result;
    int filled;
    int64_t put, got;
};

static void test_cond_null_is_refused(void **state)
{
    weft_cond cond = WEFT_COND_INIT;
    weft_mutex mutex = WEFT_MUTEX_INIT;
    (void)state;
    assert_int_equal(weft_cond_init(NULL), -EINVAL);
    assert_int_equal(weft_cond_fini(NULL), -EINVAL);
    assert_int_equal(weft_cond_wait(NULL, &mutex), -EINVAL);
    assert_int_equal(weft_cond_wait(&cond, NULL), -EINVAL);
    assert_int_equal(weft_cond_signal(NULL), -EINVAL);
    assert_int_equal(weft_cond_broadcast(NULL), -EINVAL);
}

static void *wait_without_mutex(void *arg)
{
    struct shared *s = arg;
    CHECK_INT(weft_cond_wait(&s->cond, &s->mutex), -EPERM);
    return NULL;
}

static void *misuse(void *arg)
{
    struct shared s = {0};
    (void)arg;
    wait_without_mutex(&s);
    CHECK_INT(weft_mutex_lock(&s.mutex), 0);
    wt_spawn_and_join(1, wait_without_mutex, &s);
    wt_on_thread(wait_without_mutex, &s);
    CHECK_INT(weft_mutex_unlock(&s.mutex), 0);
    CHECK_INT(weft_cond_signal(&s.cond), 0);
    CHECK_INT(weft_cond_broadcast(&s.cond), 0);
    CHECK_INT(weft_cond_fini(&s.cond), 0);
    return NULL;
}

static void test_cond_wait_without_the_mutex_is_refused(void **state)
{
    (void)state;
    wt_over_workers(misuse, NULL);
}

/* Wait for a token and take it. */
static void *wait_for_token(void *arg)
{
    struct shared *s = arg;
    CHECK_INT(weft_mutex_lock(&s->mutex), 0);
    while (s->ready == 0)
        CHECK_INT(weft_cond_wait(&s->cond, &s->mutex), 0);
    s->ready--;
    s->woken++;
    CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    return NULL;
}

static void add_tokens(struct shared *s, int n)
{
    CHECK_INT(weft_mutex_lock(&s->mutex), 0);
    s->ready += n;
    CHECK_INT(n == 1 ? weft_cond_signal(&s->cond) : weft_cond_broadcast(&s->cond), 0);
    CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
}

static void *signal_and_broadcast(void *arg)
{
    struct shared s = {0};
    weft_t *ts[WAITERS];
    (void)arg;
    for (int i = 0; i < WAITERS; i++) {
        ts[i] = weft_spawn(wait_for_token, &s);
        wt_until_waiting(ts[i], WF_WAIT_COND);
    }
    CHECK_INT(weft_cond_fini(&s.cond), -EBUSY);
    wt_thread *thread = wt_thread_start(wait_for_token, &s);
    wt_until_block_waits(wt_thread_block(thread), WF_WAIT_COND);
    add_tokens(&s, 1);
    CHECK_INT(weft_join(ts[0], NULL), 0); /* the one that has waited longest */
    CHECK_INT(s.woken, 1);
    add_tokens(&s, WAITERS);
    for (int i = 1; i < WAITERS; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(thread);
    CHECK_INT(s.woken, WAITERS + 1);
    CHECK_INT(weft_cond_fini(&s.cond), 0);
    return NULL;
}

static void test_cond_signal_wakes_the_first_and_broadcast_all(void **state)
{
    (void)state;
    wt_over_workers(signal_and_broadcast, NULL);
}

static void *wait_once(void *arg)
{
    struct shared *s = arg;
    CHECK_INT(weft_mutex_lock(&s->mutex), 0);
    s->result = weft_cond_wait(&s->cond, &s->mutex);
    CHECK_INT(weft_mutex_trylock(&s->mutex), -EDEADLK); /* held again */
    CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    return NULL;
}

static void *kill_waiter(void *arg)
{
    struct shared s = {0};
    (void)arg;
    weft_t *t = weft_spawn(wait_once, &s);
    wt_until_waiting(t, WF_WAIT_COND);
    CHECK_INT(weft_mutex_lock(&s.mutex), 0);
    CHECK_INT(weft_kill(t), 0);
    wt_until_waiting(t, WF_WAIT_MUTEX); /* it comes back for the mutex, and waits for it though it was killed */
    CHECK_INT(weft_mutex_unlock(&s.mutex), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(s.result, -ECANCELED);
    CHECK_INT(weft_cond_fini(&s.cond), 0);
    CHECK_INT(weft_mutex_fini(&s.mutex), 0);
    return NULL;
}

static void test_cond_killed_waiter_holds_the_mutex_again(void **state)
{
    (void)state;
    wt_over_workers(kill_waiter, NULL);
}

static void *wait_until_soon(void *arg)
{
    struct shared *s = arg;
    int64_t end = weft_after(2 * WEFT_MILLISECOND);
    CHECK_INT(weft_mutex_lock(&s->mutex), 0);
    CHECK_INT(weft_cond_wait_until(&s->cond, &s->mutex, end), -ETIMEDOUT);
    CHECK(weft_now() >= end);
    CHECK_INT(weft_mutex_trylock(&s->mutex), -EDEADLK);
    CHECK_INT(weft_cond_wait_until(&s->cond, &s->mutex, 0), -ETIMEDOUT);
    CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    return NULL;
}

static void *time_out(void *arg)
{
    struct shared s = {0};
    (void)arg;
    wt_spawn_and_join(3, wait_until_soon, &s);
    wt_on_thread(wait_until_soon, &s);
    CHECK_INT(weft_cond_fini(&s.cond), 0);
    return NULL;
}

static void test_cond_deadline_ends_the_wait_with_the_mutex_held(void **state)
{
    (void)state;
    wt_over_workers(time_out, NULL);
}

static void *wait_recursively(void *arg)
{
    struct shared *s = arg;
    CHECK_INT(weft_mutex_lock(&s->mutex), 0);
    CHECK_INT(weft_mutex_lock(&s->mutex), 0);
    while (s->ready == 0)
        CHECK_INT(weft_cond_wait(&s->cond, &s->mutex), 0);
    CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    CHECK_INT(weft_mutex_unlock(&s->mutex), -EPERM);
    return NULL;
}

static void *recursive_mutex(void *arg)
{
    struct shared s = {0};
    (void)arg;
    CHECK_INT(weft_mutex_init_recursive(&s.mutex), 0);
    weft_t *t = weft_spawn(wait_recursively, &s);
    wt_until_waiting(t, WF_WAIT_COND);
    add_tokens(&s, 1);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_mutex_fini(&s.mutex), 0);
    return NULL;
}

static void test_cond_wait_gives_a_recursive_mutex_up_entirely(void **state)
{
    (void)state;
    wt_over_workers(recursive_mutex, NULL);
}

static void *put_items(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ITEMS); i++) {
        CHECK_INT(weft_mutex_lock(&s->mutex), 0);
        while (s->filled == SLOTS)
            CHECK_INT(weft_cond_wait(&s->other, &s->mutex), 0);
        s->filled++;
        s->put++;
        CHECK_INT(weft_cond_signal(&s->cond), 0);
        CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
    }
    return NULL;
}

static void *get_items(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < wt_scaled(ITEMS); i++) {
        CHECK_INT(weft_mutex_lock(&s->mutex), 0);
        while (s->filled == 0)
            CHECK_INT(weft_cond_wait(&s->cond, &s->mutex), 0);
        s->filled--;
        s->got++;
        CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
        CHECK_INT(weft_cond_signal(&s->other), 0);
    }
    return NULL;
}

static void *pass_items(void *arg)
{
    struct shared s = {0};
    weft_t *ts[6];
    (void)arg;
    wt_thread *getter = wt_thread_start(get_items, &s);
    for (int i = 0; i < 6; i++)
        CHECK((ts[i] = weft_spawn(i % 2 == 0 ? put_items : get_items, &s)) != NULL);
    wt_thread *putter = wt_thread_start(put_items, &s);
    for (int i = 0; i < 6; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
    wt_thread_join(getter);
    wt_thread_join(putter);
    CHECK_INT(s.put, 4 * (int64_t)wt_scaled(ITEMS));
    CHECK_INT(s.got, s.put);
    CHECK_INT(s.filled, 0);
    return NULL;
}

static void test_cond_bounded_buffer_loses_no_signal(void **state)
{
    (void)state;
    wt_over_workers(pass_items, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cond_null_is_refused),
        cmocka_unit_test(test_cond_wait_without_the_mutex_is_refused),
        cmocka_unit_test(test_cond_signal_wakes_the_first_and_broadcast_all),
        cmocka_unit_test(test_cond_killed_waiter_holds_the_mutex_again),
        cmocka_unit_test(test_cond_deadline_ends_the_wait_with_the_mutex_held),
        cmocka_unit_test(test_cond_wait_gives_a_recursive_mutex_up_entirely),
        cmocka_unit_test(test_cond_bounded_buffer_loses_no_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
