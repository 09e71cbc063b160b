/* Plain threads in weft: they spawn, join, wait and are woken as coroutines are, with or without a runtime. */
#include "runtime.h"

enum { ROUNDS = 500, THREADS = 8 };

struct shared {
    weft_mutex mutex;
    weft_cond cond;
    weft_sem ping, pong;
    weft_event event;
    weft_group group;
    weft_chan *ch;
    int count; /* guarded by mutex */
};

/* Each kind of object once with somebody on the other side. */
static void *use_objects(void *arg)
{
    struct shared *s = arg;
    uint64_t value;
    CHECK_INT(weft_event_wait(&s->event), 0);
    for (uint64_t i = 0; i < (uint64_t)wt_scaled(ROUNDS); i++) {
        CHECK_INT(weft_sem_wait(&s->ping), 0);
        CHECK_INT(weft_chan_recv(s->ch, &value), 0);
        CHECK_INT((int64_t)value, (int64_t)i);
        CHECK_INT(weft_mutex_lock(&s->mutex), 0);
        s->count++;
        CHECK_INT(weft_cond_signal(&s->cond), 0);
        CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
        CHECK_INT(weft_sem_post(&s->pong), 0);
    }
    CHECK_INT(weft_group_done(&s->group), 0);
    return NULL;
}

static void drive_objects(struct shared *s)
{
    CHECK_INT(weft_group_add(&s->group, 1), 0);
    CHECK_INT(weft_event_set(&s->event), 0);
    for (uint64_t i = 0; i < (uint64_t)wt_scaled(ROUNDS); i++) {
        CHECK_INT(weft_sem_post(&s->ping), 0);
        CHECK_INT(weft_chan_send(s->ch, &i), 0);
        CHECK_INT(weft_mutex_lock(&s->mutex), 0);
        while (s->count <= (int)i)
            CHECK_INT(weft_cond_wait(&s->cond, &s->mutex), 0);
        CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
        CHECK_INT(weft_sem_wait(&s->pong), 0);
    }
    CHECK_INT(weft_group_wait(&s->group), 0);
}

static void test_threads_use_all_objects_without_a_runtime(void **state)
{
    (void)state;
    struct shared s = {.ch = weft_chan_new(8, 0)};
    weft_stats_info stats;
    wt_thread *thread = wt_thread_start(use_objects, &s);
    drive_objects(&s);
    wt_thread_join(thread);
    assert_int_equal(weft_stats(&stats), -ESRCH); /* nothing started it */
    assert_int_equal(weft_chan_free(s.ch), 0);
    wt_finish();
}

static void test_threads_and_coroutines_use_all_objects_together(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        struct shared s = {.ch = weft_chan_new(8, 0)};
        wt_start(workers);
        weft_t *t = weft_spawn(use_objects, &s);
        drive_objects(&s);
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK_INT(weft_chan_free(s.ch), 0);
        wt_stop();
    }
    wt_finish();
}

static void *add_one(void *arg)
{
    weft_yield();
    return (char *)arg + 1;
}

static void *spawn_and_join(void *arg)
{
    (void)arg;
    for (uintptr_t i = 0; i < (uintptr_t)wt_scaled(ROUNDS); i++) {
        void *result = NULL;
        weft_t *t = weft_spawn(add_one, (void *)i);
        CHECK_INT(weft_join(t, &result), 0);
        CHECK_INT((int64_t)(uintptr_t)result, (int64_t)i + 1);
        CHECK_INT(weft_join(t, &result), -ESRCH);
    }
    return NULL;
}

static void test_threads_spawn_and_join(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        wt_thread *threads[THREADS];
        wt_start(workers);
        for (int i = 0; i < THREADS; i++)
            threads[i] = wt_thread_start(spawn_and_join, NULL);
        for (int i = 0; i < THREADS; i++)
            wt_thread_join(threads[i]);
        wt_stop();
    }
    wt_finish();
}

static void *look_at_itself(void *arg)
{
    (void)arg;
    int64_t before = weft_now();
    char name[8];
    errno = 77;
    CHECK(weft_self() == NULL);
    CHECK_INT((int64_t)weft_id(NULL), 0);
    CHECK_INT(weft_yield(), 0);
    CHECK_INT(weft_checkpoint(), 0);
    CHECK_INT(weft_sleep(2 * WEFT_MILLISECOND), 0);
    CHECK(weft_now() - before >= 2 * WEFT_MILLISECOND);
    CHECK_INT(weft_set_error(-EIO), -EPERM);
    CHECK_INT(weft_set_name("thread"), -EPERM);
    CHECK_INT(weft_name(NULL, name, sizeof name), -ESRCH);
    CHECK_INT(weft_pin(), -EPERM);
    CHECK_INT(weft_unpin(), -EPERM);
    CHECK_INT(weft_shield_end(), -EINVAL);
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_shield_end(), 0);
    CHECK_INT(errno, 77);
    return NULL;
}

static void test_threads_are_no_coroutines_but_sleep_and_yield(void **state)
{
    (void)state;
    look_at_itself(NULL);
    wt_on_thread(look_at_itself, NULL);
    wt_finish();
}

static void *fail_when_set(void *arg)
{
    int result = weft_event_wait(arg);
    CHECK_INT(weft_set_error(result == 0 ? -EIO : result), 0);
    return arg;
}

/* All that can be done to coroutines from outside. */
static void *use_handles(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    weft_spawn_options named = {.name = "named"};
    weft_t *ts[4];
    char name[8];
    (void)arg;
    for (int i = 0; i < 4; i++)
        CHECK((ts[i] = weft_spawn_opt(&named, fail_when_set, &event)) != NULL);
    CHECK(weft_id(ts[0]) != 0 && weft_id(ts[0]) != weft_id(ts[1]));
    CHECK_INT(weft_name(ts[0], name, sizeof name), 5);
    CHECK_INT(weft_ready(ts[0]), 0);
    CHECK_INT(weft_error(ts[0]), -EAGAIN);
    CHECK(weft_value(ts[0]) == NULL);
    CHECK(weft_ref(ts[0]) == ts[0]);
    CHECK_INT(weft_kill(ts[0]), 0);
    CHECK_INT(weft_wait_any(ts, 4), 0);
    CHECK_INT(weft_join(ts[0], NULL), 0);
    CHECK_INT(weft_ready(ts[0]), 1);
    CHECK_INT(weft_unref(ts[0]), 0);
    CHECK_INT(weft_unref(ts[0]), -ESRCH);
    CHECK_INT(weft_detach(ts[3]), 0);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK(weft_ref(ts[1]) == ts[1]);
    CHECK_INT(weft_joinall(ts + 1, 2), 0);
    CHECK_INT(weft_error(ts[1]), -EIO);
    CHECK(weft_value(ts[1]) == &event);
    CHECK_INT(weft_killall(ts + 1, 1), 0); /* it has ended */
    CHECK_INT(weft_detach(ts[1]), 0);
    CHECK_INT(weft_killall(ts + 1, 2), -ESRCH);
    CHECK_INT(weft_go(add_one, NULL), 0);
    while (weft_ready(ts[3]) != -ESRCH) /* the detached one may not even have begun, and it uses the event */
        CHECK_INT(weft_yield(), 0);
    CHECK_INT(weft_event_fini(&event), 0);
    return NULL;
}

static void test_threads_use_handles_of_coroutines(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        wt_start(workers);
        wt_on_thread(use_handles, NULL);
        wt_stop();
    }
    wt_finish();
}

static void *wait_under_timeouts(void *arg)
{
    struct shared *s = arg;
    weft_timeout outer = {0}, inner = {0};
    CHECK_INT(weft_timeout_start(&outer, 10 * WEFT_SECOND), 0);
    CHECK_INT(weft_timeout_start(&inner, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_event_wait(&s->event), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&inner), 1);
    CHECK_INT(weft_timeout_fired(&outer), 0);
    CHECK_INT(weft_sem_wait(&s->ping), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&inner), 0);
    CHECK_INT(weft_timeout_stop(&outer), 0);
    return NULL;
}

static void test_threads_have_ambient_timeouts(void **state)
{
    (void)state;
    struct shared s = {0};
    wait_under_timeouts(&s);
    wt_on_thread(wait_under_timeouts, &s);
    assert_int_equal(weft_event_fini(&s.event), 0);
    assert_int_equal(weft_sem_fini(&s.ping), 0);
    wt_finish();
}

static void *wait_briefly(void *arg)
{
    struct shared *s = arg;
    CHECK_INT(weft_sem_wait_until(&s->ping, weft_after(WEFT_MICROSECOND)), -ETIMEDOUT);
    return NULL;
}

static void test_threads_that_come_and_go_leave_nothing(void **state)
{
    (void)state;
    struct shared s = {0};
    for (int i = 0; i < 300; i++)
        wt_on_thread(wait_briefly, &s);
    assert_int_equal(weft_sem_fini(&s.ping), 0);
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_use_all_objects_without_a_runtime),
        cmocka_unit_test(test_threads_and_coroutines_use_all_objects_together),
        cmocka_unit_test(test_threads_spawn_and_join),
        cmocka_unit_test(test_threads_use_handles_of_coroutines),
        cmocka_unit_test(test_threads_are_no_coroutines_but_sleep_and_yield),
        cmocka_unit_test(test_threads_have_ambient_timeouts),
        cmocka_unit_test(test_threads_that_come_and_go_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
