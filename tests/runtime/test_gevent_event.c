/* weft_event and weft_future as gevent's Event and AsyncResult are expected to behave. */
#include "waits.h"

enum { DELAY_MS = 2, CROWD = 1000 };

static int hello;

static int wait_event(void *event, int64_t deadline)
{
    return weft_event_wait_until(event, deadline);
}

static int wait_future(void *future, int64_t deadline)
{
    return weft_future_wait_until(future, deadline);
}

static int get_future(void *future, int64_t deadline)
{
    return weft_future_get_until(future, NULL, deadline);
}

static void *wait_in_vain(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    weft_future future = WEFT_FUTURE_INIT;
    (void)arg;
    wt_check_wait(wait_event, &event);
    wt_check_wait(wait_future, &future);
    wt_check_wait(get_future, &future);
    return NULL;
}

static void test_event_and_future_waits_time_out_by_the_right_deadline(void **state)
{
    (void)state;
    wt_over_few_workers(wait_in_vain, NULL);
}

/* ---- events ---- */

static void *set_event(void *arg)
{
    CHECK_INT(weft_event_set(arg), 0);
    return NULL;
}

static void *wait_then_clear(void *arg)
{
    weft_event *event = arg;
    weft_t *setter = weft_spawn(set_event, event);
    CHECK_INT(weft_event_wait(event), 0);
    CHECK_INT(weft_event_is_set(event), 1);
    CHECK_INT(weft_join(setter, NULL), 0);
    CHECK_INT(weft_event_clear(event), 0);
    CHECK_INT(weft_event_wait_until(event, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_event_is_set(event), 0);
    return NULL;
}

static void *set_during_wait(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    (void)arg;
    wt_spawn_and_join(1, wait_then_clear, &event);
    return NULL;
}

static void test_event_that_is_cleared_after_a_wait_is_cleared(void **state)
{
    (void)state;
    wt_over_few_workers(set_during_wait, NULL);
}

static void *wait_event_once(void *arg)
{
    return (void *)(intptr_t)weft_event_wait(arg);
}

static void set_then_clear(int n)
{
    static weft_t *ts[CROWD];
    weft_event event = WEFT_EVENT_INIT;
    for (int i = 0; i < n; i++)
        ts[i] = weft_spawn(wait_event_once, &event);
    for (int i = 0; i < n; i++)
        wt_until_waiting(ts[i], WF_WAIT_EVENT);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_event_clear(&event), 0);
    for (int i = 0; i < n; i++)
        CHECK_INT(wt_joined(ts[i]), 0);
}

static void *set_then_clear_all(void *arg)
{
    (void)arg;
    set_then_clear(1);
    set_then_clear(100);
    set_then_clear(CROWD);
    return NULL;
}

static void test_event_set_and_cleared_at_once_wakes_all(void **state)
{
    (void)state;
    wt_over_few_workers(set_then_clear_all, NULL);
}

static void *wait_while_notifying(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    weft_t *ts[2];
    (void)arg;
    for (int i = 0; i < 2; i++) {
        ts[i] = weft_spawn(wait_event_once, &event);
        wt_until_waiting(ts[i], WF_WAIT_EVENT);
    }
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_event_wait_until(&event, 0), 0); /* while the others are on their way */
    CHECK_INT(weft_event_wait(&event), 0);          /* and twice */
    for (int i = 0; i < 2; i++)
        CHECK_INT(wt_joined(ts[i]), 0);
    return NULL;
}

static void test_event_that_is_set_lets_newcomers_pass(void **state)
{
    (void)state;
    wt_over_few_workers(wait_while_notifying, NULL);
}

/* ---- futures ---- */

static void *do_nothing(void *arg)
{
    return arg;
}

static void *link_nothing(void *arg)
{
    weft_future future = WEFT_FUTURE_INIT;
    (void)arg;
    CHECK_INT(weft_future_link(&future, NULL, NULL), -EINVAL);
    CHECK_INT(weft_future_unlink(&future, do_nothing, NULL), -ENOENT);
    CHECK_INT(weft_future_unlink(&future, do_nothing, NULL), -ENOENT);
    return NULL;
}

static void test_future_unlink_of_what_was_not_linked(void **state)
{
    (void)state;
    wt_over_few_workers(link_nothing, NULL);
}

static void *get_error(void *arg)
{
    return (void *)(intptr_t)weft_future_get(arg, NULL);
}

static void *set_exception(void *arg)
{
    weft_future future = WEFT_FUTURE_INIT;
    (void)arg;
    CHECK_INT(weft_future_error(&future), -EAGAIN);
    weft_t *t = weft_spawn(get_error, &future);
    CHECK_INT(weft_future_set_error(&future, -EPROTO), 0);
    CHECK_INT(wt_joined(t), -EPROTO);
    CHECK_INT(weft_future_error(&future), -EPROTO);
    return NULL;
}

static void test_future_error_reaches_whoever_gets(void **state)
{
    (void)state;
    wt_over_few_workers(set_exception, NULL);
}

static void *set_hello(void *arg)
{
    CHECK_INT(weft_future_set(arg, &hello), 0);
    return NULL;
}

/* An outer timeout that is due already ends the get; that the future is set later is another matter. */
static void *interrupt_get(void *arg)
{
    weft_future future = WEFT_FUTURE_INIT;
    weft_timeout timeout = {0};
    weft_spawn_options later = {.start_after = DELAY_MS * WEFT_MILLISECOND};
    (void)arg;
    weft_t *setter = weft_spawn_opt(&later, set_hello, &future);
    CHECK_INT(weft_timeout_start(&timeout, 0), 0);
    CHECK_INT(weft_future_get(&future, NULL), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_join(setter, NULL), 0);
    CHECK_INT(weft_future_get(&future, NULL), 0);
    return NULL;
}

static void test_future_get_is_ended_by_an_outer_timeout(void **state)
{
    (void)state;
    wt_over_few_workers(interrupt_get, NULL);
}

static void *get_nothing(void *arg)
{
    weft_future future = WEFT_FUTURE_INIT;
    void *value = &hello;
    (void)arg;
    CHECK_INT(weft_future_get_until(&future, &value, weft_after(DELAY_MS * WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK(value == &hello); /* what stands for the result of a timeout is the caller's own */
    CHECK_INT(weft_future_get_until(&future, &value, 0), -ETIMEDOUT);
    return NULL;
}

static void test_future_that_nobody_sets_gives_nothing(void **state)
{
    (void)state;
    wt_over_few_workers(get_nothing, NULL);
}

/* ---- across threads ---- */

struct crossing {
    weft_event running, set;
    weft_future future;
    bool timed;   /* the waits have deadlines, which do not come */
    bool spawned; /* it is a coroutine that waits, not the thread itself */
    weft_event quit;
    _Atomic(int) spins;
};

static void *wait_for_both(void *arg)
{
    struct crossing *c = arg;
    int64_t deadline = c->timed ? weft_after(60 * WEFT_SECOND) : WEFT_NEVER;
    void *value = NULL;
    CHECK_INT(weft_event_set(&c->running), 0);
    CHECK_INT(weft_future_get_until(&c->future, &value, deadline), 0);
    CHECK(value == &hello);
    CHECK_INT(weft_event_wait_until(&c->set, deadline), 0);
    return NULL;
}

/* Something else to do for the workers. */
static void *spin(void *arg)
{
    struct crossing *c = arg;
    while (weft_event_wait_until(&c->quit, weft_after(DELAY_MS * WEFT_MILLISECOND)) == -ETIMEDOUT)
        wf_fetch_add_relaxed(&c->spins, 1); /* relaxed: nobody reads it in time */
    return NULL;
}

static void *wait_on_thread(void *arg)
{
    struct crossing *c = arg;
    if (!c->spawned)
        return wait_for_both(c);
    weft_t *t = weft_spawn(wait_for_both, c);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void *set_both(void *arg)
{
    struct crossing *c = arg;
    CHECK_INT(weft_future_set(&c->future, &hello), 0);
    CHECK_INT(weft_event_set(&c->set), 0);
    return NULL;
}

static void *cross_threads(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++) {
        struct crossing c = {.timed = i % 2 == 1, .spawned = i / 2 == 1};
        weft_t *spinner = weft_spawn(spin, &c);
        wt_thread *thread = wt_thread_start(wait_on_thread, &c);
        CHECK_INT(weft_event_wait(&c.running), 0);
        set_both(&c);
        wt_thread_join(thread);
        CHECK_INT(weft_event_set(&c.quit), 0);
        CHECK_INT(weft_join(spinner, NULL), 0);
    }
    for (int i = 0; i < 2; i++) { /* and the other way round */
        struct crossing c = {0};
        wt_thread *thread = wt_thread_start(set_both, &c);
        wait_for_both(&c);
        wt_thread_join(thread);
    }
    return NULL;
}

static void test_event_and_future_cross_threads(void **state)
{
    (void)state;
    wt_over_few_workers(cross_threads, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_and_future_waits_time_out_by_the_right_deadline),
        cmocka_unit_test(test_event_that_is_cleared_after_a_wait_is_cleared),
        cmocka_unit_test(test_event_set_and_cleared_at_once_wakes_all),
        cmocka_unit_test(test_event_that_is_set_lets_newcomers_pass),
        cmocka_unit_test(test_future_unlink_of_what_was_not_linked),
        cmocka_unit_test(test_future_error_reaches_whoever_gets),
        cmocka_unit_test(test_future_get_is_ended_by_an_outer_timeout),
        cmocka_unit_test(test_future_that_nobody_sets_gives_nothing),
        cmocka_unit_test(test_event_and_future_cross_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
