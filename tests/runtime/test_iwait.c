/* Iterators over coroutines in the order in which they end. */
#include "core/alloc.h"
#include "runtime.h"

enum { MANY = 40, ROUNDS = 100, SOME = 5 };

static void *return_arg(void *arg)
{
    return arg;
}

static void *wait_for_event(void *arg)
{
    return (void *)(intptr_t)weft_event_wait(arg);
}

static void join_each(weft_t *const *ts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK_INT(weft_join(ts[i], NULL), 0);
}

/* ---- the iterator ---- */

/* Let go one by one, from the last to the first. */
static void *in_order(void *arg)
{
    weft_event go[SOME] = {WEFT_EVENT_INIT};
    weft_t *ts[SOME];
    weft_iwait it;
    (void)arg;
    for (int i = 0; i < SOME; i++)
        ts[i] = weft_spawn(wait_for_event, &go[i]);
    CHECK_INT(weft_iwait_init(&it, ts, SOME), 0);
    CHECK_INT(weft_iwait_next_until(&it, 0), -ETIMEDOUT);
    for (int i = SOME - 1; i >= 0; i--) {
        CHECK_INT(weft_event_set(&go[i]), 0);
        CHECK_INT(weft_iwait_next(&it), i);
        CHECK_INT(weft_ready(ts[i]), 1);
    }
    CHECK_INT(weft_iwait_next(&it), -ENOENT);
    CHECK_INT(weft_iwait_next_until(&it, 0), -ENOENT);
    CHECK_INT(weft_iwait_fini(&it), 0);
    CHECK_INT(weft_iwait_fini(&it), 0);
    join_each(ts, SOME); /* the handles were ours all the time */
    return NULL;
}

static void test_iwait_gives_indices_in_the_order_of_the_ends(void **state)
{
    (void)state;
    wt_over_workers_and_thread(in_order, NULL);
}

static void *already_ended(void *arg)
{
    weft_t *ts[3];
    weft_iwait it;
    (void)arg;
    for (intptr_t i = 0; i < 3; i++) {
        ts[i] = weft_spawn(return_arg, (void *)i);
        CHECK(weft_ref(ts[i]) != NULL);
        CHECK_INT(weft_join(ts[i], NULL), 0);
    }
    weft_t *twice[] = {ts[0], ts[1], ts[0], ts[2]};
    CHECK_INT(weft_iwait_init(&it, twice, 4), 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(weft_iwait_next(&it), i);
    CHECK_INT(weft_iwait_next(&it), -ENOENT);
    CHECK_INT(weft_iwait_fini(&it), 0);
    CHECK_INT(weft_iwait_init(&it, twice, 4), 0);
    CHECK_INT(weft_iwait_limit(&it, 2), 0);
    CHECK_INT(weft_iwait_next(&it), 0);
    CHECK_INT(weft_iwait_next(&it), 1);
    CHECK_INT(weft_iwait_next(&it), -ENOENT);
    CHECK_INT(weft_iwait_fini(&it), 0);
    CHECK_INT(weft_iwait_init(&it, NULL, 0), 0);
    CHECK_INT(weft_iwait_next(&it), -ENOENT);
    CHECK_INT(weft_iwait_fini(&it), 0);
    join_each(ts, 3);
    return NULL;
}

static void test_iwait_begins_with_those_that_have_ended(void **state)
{
    (void)state;
    wt_over_workers_and_thread(already_ended, NULL);
}

/* Left in the middle; those that are left go on, and their ends find nobody. */
static void *left_early(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    (void)arg;
    for (int round = 0; round < wt_scaled(ROUNDS); round++) {
        weft_t *ts[SOME];
        weft_iwait it;
        CHECK_INT(weft_event_clear(&go), 0);
        ts[0] = weft_spawn(return_arg, NULL);
        for (int i = 1; i < SOME; i++)
            ts[i] = weft_spawn(wait_for_event, &go);
        CHECK_INT(weft_iwait_init(&it, ts, SOME), 0);
        CHECK_INT(weft_iwait_next(&it), 0);
        CHECK_INT(weft_event_set(&go), 0); /* they end meanwhile */
        CHECK_INT(weft_iwait_fini(&it), 0);
        it = (weft_iwait){{0}};
        CHECK_INT(weft_joinall(ts, SOME), 0);
    }
    return NULL;
}

static void test_iwait_may_be_left_early(void **state)
{
    (void)state;
    wt_over_workers_and_thread(left_early, NULL);
}

struct shared {
    weft_iwait it;
    weft_t *ts[MANY];
    _Atomic(int) seen[MANY];
    _Atomic(int) refused;
};

static void *take_all(void *arg)
{
    struct shared *s = arg;
    for (;;) {
        int index = weft_iwait_next(&s->it);
        if (index < 0) {
            CHECK_INT(index, -ENOENT);
            wf_fetch_add_relaxed(&s->refused, 1); /* relaxed: read after the joins */
            return NULL;
        }
        CHECK_INT(weft_ready(s->ts[index]), 1);
        wf_fetch_add_relaxed(&s->seen[index], 1); /* relaxed: as above */
    }
}

static void *yield_some(void *arg)
{
    for (intptr_t i = (intptr_t)arg % 7; i > 0; i--)
        CHECK_INT(weft_yield(), 0);
    return NULL;
}

static void *shared_iterator(void *arg)
{
    (void)arg;
    for (int round = 0; round < wt_scaled(ROUNDS); round++) {
        struct shared s = {.refused = 0};
        for (intptr_t i = 0; i < MANY; i++)
            s.ts[i] = weft_spawn(yield_some, (void *)i);
        CHECK_INT(weft_iwait_init(&s.it, s.ts, MANY), 0);
        wt_spawn_and_join(4, take_all, &s);
        CHECK_INT(wf_load_relaxed(&s.refused), 4); /* relaxed: they were joined */
        for (int i = 0; i < MANY; i++)
            CHECK_INT(wf_load_relaxed(&s.seen[i]), 1); /* relaxed: as above */
        CHECK_INT(weft_iwait_fini(&s.it), 0);
        CHECK_INT(weft_joinall(s.ts, MANY), 0);
    }
    return NULL;
}

static void test_iwait_shared_gives_each_index_once(void **state)
{
    (void)state;
    wt_over_workers_and_thread(shared_iterator, NULL);
}

static void *next_of(void *arg)
{
    return (void *)(intptr_t)weft_iwait_next(arg);
}

static void *ended_otherwise(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    weft_iwait it;
    weft_timeout timeout;
    void *result = NULL;
    (void)arg;
    weft_t *ts[] = {weft_spawn(wait_for_event, &go), weft_spawn(wait_for_event, &go)};
    CHECK_INT(weft_iwait_init(&it, ts, 2), 0);
    weft_t *killed = weft_spawn(next_of, &it);
    wt_until_waiting(killed, WF_WAIT_ITER);
    CHECK_INT(weft_iwait_fini(&it), -EBUSY);
    CHECK_INT(weft_kill_join(killed, &result, WEFT_NEVER), 0);
    CHECK_INT((intptr_t)result, -ECANCELED);
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_iwait_next(&it), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    weft_t *limited = weft_spawn(next_of, &it);
    wt_until_waiting(limited, WF_WAIT_ITER);
    CHECK_INT(weft_iwait_limit(&it, 0), 0); /* wakes it */
    CHECK_INT(weft_join(limited, &result), 0);
    CHECK_INT((intptr_t)result, -ENOENT);
    CHECK_INT(weft_event_set(&go), 0);
    CHECK_INT(weft_iwait_fini(&it), 0);
    join_each(ts, 2);
    return NULL;
}

static void test_iwait_next_ended_by_kill_timeout_and_limit(void **state)
{
    (void)state;
    wt_over_workers_and_thread(ended_otherwise, NULL);
}

static void *iwait_misuse(void *arg)
{
    weft_iwait it;
    (void)arg;
    weft_t *t = weft_spawn(return_arg, NULL);
    weft_t *with_stale[] = {t, NULL};
    weft_t *with_self[] = {t, weft_self()};
    CHECK_INT(weft_iwait_init(NULL, &t, 1), -EINVAL);
    CHECK_INT(weft_iwait_init(&it, NULL, 1), -EINVAL);
    CHECK_INT(weft_iwait_init(&it, &t, (size_t)INT32_MAX + 1), -EINVAL);
    CHECK_INT(weft_iwait_init(&it, with_stale, 2), -ESRCH);
    CHECK_INT(weft_iwait_init(&it, with_self, 2), weft_self() != NULL ? -EDEADLK : -ESRCH);
    wf_alloc_fail_after(0, true);
    CHECK_INT(weft_iwait_init(&it, &t, 1), -ENOMEM);
    wf_alloc_fail_after(UINT64_MAX, false);
    CHECK_INT(weft_iwait_next(NULL), -EINVAL);
    CHECK_INT(weft_iwait_limit(NULL, 1), -EINVAL);
    CHECK_INT(weft_iwait_fini(NULL), -EINVAL);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_iwait_misuse_is_an_error(void **state)
{
    (void)state;
    wt_over_workers_and_thread(iwait_misuse, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iwait_gives_indices_in_the_order_of_the_ends),
        cmocka_unit_test(test_iwait_begins_with_those_that_have_ended),
        cmocka_unit_test(test_iwait_may_be_left_early),
        cmocka_unit_test(test_iwait_shared_gives_each_index_once),
        cmocka_unit_test(test_iwait_next_ended_by_kill_timeout_and_limit),
        cmocka_unit_test(test_iwait_misuse_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
