/* weft_key: a value per coroutine and plain thread; destructors at the end; keys that were deleted and handed out again. */
#include "runtime.h"

enum { COROUTINES = 200, MANY_KEYS = 1024, KEY_PLACE_MASK = MANY_KEYS - 1 };

static weft_key key, other_key;
static _Atomic(int) destroyed;
static _Atomic(intptr_t) destroyed_sum;

static void count_destroyed(void *value)
{
    wf_fetch_add_relaxed(&destroyed, 1); /* relaxed: read after the joins */
    wf_fetch_add_relaxed(&destroyed_sum, (intptr_t)value);
}

static void create_keys(void (*destructor)(void *))
{
    wf_store_relaxed(&destroyed, 0); /* relaxed: nobody else runs */
    wf_store_relaxed(&destroyed_sum, 0);
    CHECK_INT(weft_key_create(&key, destructor), 0);
    CHECK_INT(weft_key_create(&other_key, NULL), 0);
}

static void delete_keys(void)
{
    CHECK_INT(weft_key_delete(key), 0);
    CHECK_INT(weft_key_delete(other_key), 0);
}

static void test_locals_null_and_unknown_keys_are_refused(void **state)
{
    (void)state;
    weft_key deleted;
    assert_int_equal(weft_key_create(NULL, NULL), -EINVAL);
    assert_int_equal(weft_key_create(&deleted, NULL), 0);
    assert_int_equal(weft_key_delete(deleted), 0);
    weft_key unknown[] = {0, 5, UINT32_MAX, deleted};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(weft_key_delete(unknown[i]), -EINVAL);
        assert_int_equal(weft_key_set(unknown[i], &deleted), -EINVAL);
        assert_null(weft_key_get(unknown[i]));
    }
}

static void *set_yield_get(void *arg)
{
    CHECK(weft_key_get(key) == NULL);
    CHECK_INT(weft_key_set(key, arg), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(weft_yield(), 0);
        CHECK(weft_key_get(key) == arg);
        CHECK(weft_key_get(other_key) == NULL);
    }
    return NULL;
}

static void *each_its_own(void *arg)
{
    weft_t *ts[COROUTINES];
    (void)arg;
    create_keys(count_destroyed);
    for (intptr_t i = 0; i < COROUTINES; i++)
        CHECK((ts[i] = weft_spawn(set_yield_get, (void *)(i + 1))) != NULL);
    CHECK_INT(weft_joinall(ts, COROUTINES), 0);
    CHECK_INT(wf_load_relaxed(&destroyed), COROUTINES); /* relaxed: all were joined */
    CHECK_INT(wf_load_relaxed(&destroyed_sum), (intptr_t)COROUTINES * (COROUTINES + 1) / 2);
    delete_keys();
    return NULL;
}

static void test_locals_each_coroutine_has_its_own_and_its_destructor_runs(void **state)
{
    (void)state;
    wt_over_workers(each_its_own, NULL);
}

static void *two_threads(void *arg)
{
    create_keys(count_destroyed);
    CHECK_INT(weft_key_set(key, &key), 0);
    wt_on_thread(set_yield_get, (void *)7);
    CHECK_INT(wf_load_relaxed(&destroyed), 1); /* relaxed: the thread was joined */
    CHECK_INT(wf_load_relaxed(&destroyed_sum), 7);
    CHECK(weft_key_get(key) == &key);
    delete_keys();
    return arg;
}

static void test_locals_a_plain_thread_has_its_own_and_its_destructor_runs(void **state)
{
    (void)state;
    wt_on_thread(two_threads, NULL);
    wt_finish();
}

static void *set_and_clear(void *arg)
{
    CHECK_INT(weft_key_set(key, arg), 0);
    CHECK_INT(weft_key_set(key, NULL), 0);
    CHECK(weft_key_get(key) == NULL);
    return NULL;
}

static void *cleared_values(void *arg)
{
    (void)arg;
    create_keys(count_destroyed);
    wt_spawn_and_join(5, set_and_clear, &key);
    CHECK_INT(wf_load_relaxed(&destroyed), 0); /* relaxed: all were joined */
    delete_keys();
    return NULL;
}

static void test_locals_a_value_that_was_cleared_has_no_destructor(void **state)
{
    (void)state;
    wt_run(2, cleared_values, NULL);
}

/* A destructor that sets its value again. */
static void set_again(void *value)
{
    CHECK(weft_key_get(key) == NULL);
    CHECK_INT(weft_key_set(key, value), 0);
    count_destroyed(value);
}

static void *set_once(void *arg)
{
    CHECK_INT(weft_key_set(key, arg), 0);
    return NULL;
}

static void *stubborn_destructor(void *arg)
{
    (void)arg;
    create_keys(set_again);
    wt_spawn_and_join(1, set_once, &key);
    CHECK_INT(wf_load_relaxed(&destroyed), 4); /* relaxed: it was joined */
    delete_keys();
    return NULL;
}

static void test_locals_a_destructor_that_sets_again_gets_four_rounds(void **state)
{
    (void)state;
    wt_run(2, stubborn_destructor, NULL);
}

/* A destructor that suspends. */
static void sleep_and_count(void *value)
{
    CHECK_INT(weft_sleep(WEFT_MICROSECOND), 0);
    count_destroyed(value);
}

static void *destructor_blocks(void *arg)
{
    (void)arg;
    create_keys(sleep_and_count);
    wt_spawn_and_join(20, set_once, &key);
    CHECK_INT(wf_load_relaxed(&destroyed), 20); /* relaxed: all were joined */
    delete_keys();
    return NULL;
}

static void test_locals_a_destructor_may_block(void **state)
{
    (void)state;
    wt_over_workers(destructor_blocks, NULL);
}

static void *set_then_see_it_deleted(void *arg)
{
    (void)arg;
    CHECK_INT(weft_key_set(key, &key), 0);
    CHECK_INT(weft_key_delete(key), 0);
    CHECK(weft_key_get(key) == NULL);
    /* Go round until its place is handed out again. */
    for (;;) {
        weft_key again;
        CHECK_INT(weft_key_create(&again, count_destroyed), 0);
        CHECK(again != key);
        CHECK(weft_key_get(again) == NULL);
        if ((again & KEY_PLACE_MASK) == (key & KEY_PLACE_MASK)) {
            key = again;
            return NULL;
        }
        CHECK_INT(weft_key_delete(again), 0);
    }
}

static void *deleted_keys(void *arg)
{
    (void)arg;
    create_keys(count_destroyed);
    wt_spawn_and_join(1, set_then_see_it_deleted, NULL);
    CHECK_INT(wf_load_relaxed(&destroyed), 0); /* relaxed: it was joined */
    delete_keys();
    return NULL;
}

static void test_locals_a_deleted_key_s_value_is_not_seen_through_its_successor(void **state)
{
    (void)state;
    wt_run(1, deleted_keys, NULL);
}

static void *use_all_keys(void *arg)
{
    static weft_key keys[MANY_KEYS];
    weft_key one_more;
    for (intptr_t i = 0; i < MANY_KEYS; i++)
        CHECK_INT(weft_key_create(&keys[i], NULL), 0);
    CHECK_INT(weft_key_create(&one_more, NULL), -EAGAIN);
    for (intptr_t i = 0; i < MANY_KEYS; i++)
        CHECK_INT(weft_key_set(keys[i], (void *)(i + 1)), 0);
    for (intptr_t i = 0; i < MANY_KEYS; i++)
        CHECK(weft_key_get(keys[i]) == (void *)(i + 1));
    for (intptr_t i = 0; i < MANY_KEYS; i++)
        CHECK_INT(weft_key_delete(keys[i]), 0);
    return arg;
}

static void test_locals_all_keys_can_be_used_and_no_more(void **state)
{
    (void)state;
    wt_on_thread(use_all_keys, NULL);
    wt_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locals_null_and_unknown_keys_are_refused),
        cmocka_unit_test(test_locals_each_coroutine_has_its_own_and_its_destructor_runs),
        cmocka_unit_test(test_locals_a_plain_thread_has_its_own_and_its_destructor_runs),
        cmocka_unit_test(test_locals_a_value_that_was_cleared_has_no_destructor),
        cmocka_unit_test(test_locals_a_destructor_that_sets_again_gets_four_rounds),
        cmocka_unit_test(test_locals_a_destructor_may_block),
        cmocka_unit_test(test_locals_a_deleted_key_s_value_is_not_seen_through_its_successor),
        cmocka_unit_test(test_locals_all_keys_can_be_used_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
