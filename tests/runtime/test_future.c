/* weft_future: set once, seen by all; errors; callbacks; freed by whoever has found it set; kill and deadlines. */
#include <stdlib.h>

#include "core/alloc.h"
#include "runtime.h"

enum { GETTERS = 8, ROUNDS = 400 };

static int thing;

struct shared {
    weft_future future;
    _Atomic(int) called, wins, gots;
    int order[4];
    weft_event gate;
};

static void test_future_null_is_refused(void **state)
{
    weft_future f = WEFT_FUTURE_INIT;
    (void)state;
    assert_int_equal(weft_future_init(NULL), -EINVAL);
    assert_int_equal(weft_future_fini(NULL), -EINVAL);
    assert_int_equal(weft_future_set(NULL, NULL), -EINVAL);
    assert_int_equal(weft_future_set_error(NULL, -EIO), -EINVAL);
    assert_int_equal(weft_future_set_error(&f, 0), -EINVAL);
    assert_int_equal(weft_future_set_error(&f, EIO), -EINVAL);
    assert_int_equal(weft_future_cancel(NULL), -EINVAL);
    assert_int_equal(weft_future_get(NULL, NULL), -EINVAL);
    assert_int_equal(weft_future_get_until(NULL, NULL, 0), -EINVAL);
    assert_int_equal(weft_future_wait(NULL), -EINVAL);
    assert_int_equal(weft_future_wait_until(NULL, 0), -EINVAL);
    assert_int_equal(weft_future_ready(NULL), -EINVAL);
    assert_null(weft_future_value(NULL));
    assert_int_equal(weft_future_error(NULL), -EINVAL);
    assert_int_equal(weft_future_link(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(weft_future_link(&f, NULL, NULL), -EINVAL);
    assert_int_equal(weft_future_unlink(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(weft_future_unlink(&f, NULL, NULL), -ENOENT);
}

static void *use_alone(void *arg)
{
    weft_future f;
    void *value = &f;
    (void)arg;
    CHECK_INT(weft_future_init(&f), 0);
    CHECK_INT(weft_future_ready(&f), 0);
    CHECK_INT(weft_future_error(&f), -EAGAIN);
    CHECK(weft_future_value(&f) == NULL);
    CHECK_INT(weft_future_get_until(&f, &value, 0), -ETIMEDOUT);
    CHECK_INT(weft_future_wait_until(&f, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK(value == &f);
    CHECK_INT(weft_future_set(&f, &thing), 0);
    CHECK_INT(weft_future_set(&f, NULL), -EALREADY);
    CHECK_INT(weft_future_set_error(&f, -EIO), -EALREADY);
    CHECK_INT(weft_future_cancel(&f), -EALREADY);
    CHECK_INT(weft_future_ready(&f), 1);
    CHECK_INT(weft_future_error(&f), 0);
    CHECK(weft_future_value(&f) == &thing);
    CHECK_INT(weft_future_get(&f, &value), 0);
    CHECK(value == &thing);
    CHECK_INT(weft_future_get_until(&f, NULL, 0), 0);
    CHECK_INT(weft_future_wait(&f), 0);
    CHECK_INT(weft_future_fini(&f), 0);
    return NULL;
}

static void test_future_is_set_once_and_then_read(void **state)
{
    (void)state;
    wt_over_workers_and_thread(use_alone, NULL);
}

static void *fail_alone(void *arg)
{
    weft_future f = WEFT_FUTURE_INIT;
    void *value = &f;
    (void)arg;
    CHECK_INT(weft_future_set_error(&f, -EIO), 0);
    CHECK_INT(weft_future_get(&f, &value), -EIO);
    CHECK(value == &f);
    CHECK_INT(weft_future_wait(&f), 0);
    CHECK_INT(weft_future_error(&f), -EIO);
    CHECK(weft_future_value(&f) == NULL);
    CHECK_INT(weft_future_init(&f), 0);
    CHECK_INT(weft_future_cancel(&f), 0);
    CHECK_INT(weft_future_error(&f), -ECANCELED);
    CHECK_INT(weft_future_get(&f, NULL), -ECANCELED);
    return NULL;
}

static void test_future_error_is_what_get_returns(void **state)
{
    (void)state;
    wt_over_workers_and_thread(fail_alone, NULL);
}

/* ---- many ---- */

static void *get_value(void *arg)
{
    struct shared *s = arg;
    void *value = NULL;
    CHECK_INT(weft_future_get(&s->future, &value), 0);
    CHECK(value == &thing);
    wf_fetch_add_relaxed(&s->gots, 1); /* relaxed: read after the joins */
    return NULL;
}

static void *set_value(void *arg)
{
    struct shared *s = arg;
    int result = weft_future_set(&s->future, &thing);
    CHECK(result == 0 || result == -EALREADY);
    wf_fetch_add_relaxed(&s->wins, result == 0); /* relaxed: read after the joins */
    return NULL;
}

static void *set_for_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(ROUNDS) / 4; i++) {
        struct shared s = {0};
        weft_t *ts[GETTERS];
        for (int k = 0; k < GETTERS; k++)
            CHECK((ts[k] = weft_spawn(get_value, &s)) != NULL);
        wt_thread *thread = i % 8 == 0 ? wt_thread_start(i % 16 == 0 ? get_value : set_value, &s) : NULL;
        if (i % 2 == 0)
            weft_yield();
        wt_spawn_and_join(3, set_value, &s);
        for (int k = 0; k < GETTERS; k++)
            CHECK_INT(weft_join(ts[k], NULL), 0);
        if (thread != NULL)
            wt_thread_join(thread);
        CHECK_INT(wf_load_relaxed(&s.wins), 1); /* relaxed: joined, as the other */
        CHECK(wf_load_relaxed(&s.gots) >= GETTERS);
    }
    return NULL;
}

static void test_future_one_set_wins_and_all_get_it(void **state)
{
    (void)state;
    wt_over_workers(set_for_many, NULL);
}

static void *set_and_forget(void *arg)
{
    CHECK_INT(weft_future_set(arg, &thing), 0);
    return NULL;
}

/* Whoever has the value may free the future, while the one that has set it may still be in the call. */
static void *free_at_once(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        weft_future *f = calloc(1, sizeof *f);
        void *value = NULL;
        weft_t *t = weft_spawn(set_and_forget, f);
        if (i % 2 == 0)
            CHECK_INT(weft_future_get(f, &value), 0);
        else
            while (!weft_future_ready(f))
                weft_yield();
        CHECK(weft_future_value(f) == &thing);
        free(f);
        CHECK_INT(weft_join(t, NULL), 0);
    }
    return NULL;
}

static void test_future_may_go_once_it_was_found_set(void **state)
{
    (void)state;
    wt_over_workers(free_at_once, NULL);
}

/* ---- giving up ---- */

static void *get_and_tell(void *arg)
{
    void *value = NULL;
    return (void *)(intptr_t)weft_future_get(arg, &value);
}

static void *get_killed(void *arg)
{
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_future_ready(arg), 0);
    return get_and_tell(arg);
}

static void *get_under_timeout(void *arg)
{
    weft_timeout timeout = {0};
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    void *result = get_and_tell(arg);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return result;
}

static void *get_briefly(void *arg)
{
    CHECK_INT(weft_future_get_until(arg, NULL, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
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
    weft_future f = WEFT_FUTURE_INIT;
    (void)arg;
    weft_t *t = weft_spawn(get_and_tell, &f);
    wt_until_waiting(t, WF_WAIT_FUTURE);
    CHECK_INT(weft_future_fini(&f), -EBUSY);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(joined(t), -ECANCELED);
    CHECK_INT(joined(weft_spawn(get_killed, &f)), -ECANCELED);
    CHECK_INT(joined(weft_spawn(get_under_timeout, &f)), -ETIMEDOUT);
    wt_on_thread(get_briefly, &f);
    CHECK_INT(weft_future_fini(&f), 0);
    CHECK_INT(weft_future_set(&f, &thing), 0);
    CHECK_INT(weft_future_get(&f, NULL), 0);
    return NULL;
}

static void test_future_waiters_that_give_up_leave_it_as_it_is(void **state)
{
    (void)state;
    wt_over_workers(give_up, NULL);
}

static void *get_or_give_up(void *arg)
{
    struct shared *s = arg;
    void *value = NULL;
    int result = weft_future_get_until(&s->future, &value, weft_after(20 * WEFT_MICROSECOND));
    CHECK(result == 0 ? value == &thing : result == -ETIMEDOUT || result == -ECANCELED);
    return NULL;
}

static void *storm(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(ROUNDS); i++) {
        struct shared s = {0};
        weft_t *ts[GETTERS];
        for (int k = 0; k < GETTERS; k++)
            CHECK((ts[k] = weft_spawn(get_or_give_up, &s)) != NULL);
        if (i % 3 == 0)
            weft_sleep(15 * WEFT_MICROSECOND);
        CHECK_INT(weft_kill(ts[i % GETTERS]), 0);
        CHECK_INT(weft_future_set(&s.future, &thing), 0);
        for (int k = 0; k < GETTERS; k++)
            CHECK_INT(weft_join(ts[k], NULL), 0);
        CHECK_INT(weft_future_fini(&s.future), 0);
    }
    return NULL;
}

static void test_future_set_against_kills_and_deadlines(void **state)
{
    (void)state;
    wt_over_workers(storm, NULL);
}

/* ---- callbacks ---- */

static void *note_call(void *arg)
{
    struct shared *s = arg;
    void *value = NULL;
    CHECK_INT(weft_future_get(&s->future, &value), 0);
    CHECK(value == &thing);
    wf_fetch_add_acq_rel(&s->called, 1); /* ORDER(called): pairs with is_called. */
    return NULL;
}

static void *never_call(void *arg)
{
    (void)arg;
    CHECK(!"called although it was unlinked");
    return NULL;
}

static bool is_called(void *arg)
{
    struct shared *s = arg;
    return wf_load_acquire(&s->called) == 3; /* ORDER(called): pairs with note_call. */
}

static void *link_and_set(void *arg)
{
    struct shared s = {0};
    (void)arg;
    CHECK_INT(weft_future_link(&s.future, note_call, &s), 0);
    CHECK_INT(weft_future_link(&s.future, never_call, &s), 0);
    CHECK_INT(weft_future_link(&s.future, note_call, &s), 0);
    CHECK_INT(weft_future_unlink(&s.future, never_call, NULL), -ENOENT);
    CHECK_INT(weft_future_unlink(&s.future, never_call, &s), 0);
    CHECK_INT(weft_future_unlink(&s.future, never_call, &s), -ENOENT);
    CHECK_INT(weft_future_fini(&s.future), -EBUSY);
    CHECK_INT(wf_load_relaxed(&s.called), 0); /* relaxed: nobody calls it */
    CHECK_INT(weft_future_set(&s.future, &thing), 0);
    CHECK_INT(weft_future_unlink(&s.future, note_call, &s), -ENOENT);
    CHECK_INT(weft_future_link(&s.future, note_call, &s), 0); /* at once */
    wt_until(is_called, &s);
    return NULL;
}

static void test_future_callbacks_run_once_it_is_set(void **state)
{
    (void)state;
    wt_over_workers_and_thread(link_and_set, NULL);
}

static void *link_without_memory(void *arg)
{
    struct shared s = {0};
    (void)arg;
    wf_alloc_fail_after(0, false);
    CHECK_INT(weft_future_link(&s.future, never_call, &s), -ENOMEM);
    wf_alloc_fail_after(UINT64_MAX, false);
    CHECK_INT(weft_future_fini(&s.future), 0);
    return NULL;
}

static void test_future_link_without_memory_says_so(void **state)
{
    (void)state;
    wt_run(1, link_without_memory, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_future_null_is_refused),
        cmocka_unit_test(test_future_is_set_once_and_then_read),
        cmocka_unit_test(test_future_error_is_what_get_returns),
        cmocka_unit_test(test_future_one_set_wins_and_all_get_it),
        cmocka_unit_test(test_future_may_go_once_it_was_found_set),
        cmocka_unit_test(test_future_waiters_that_give_up_leave_it_as_it_is),
        cmocka_unit_test(test_future_set_against_kills_and_deadlines),
        cmocka_unit_test(test_future_callbacks_run_once_it_is_set),
        cmocka_unit_test(test_future_link_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
