/* core/split_deque: what the owner pushes it gets back last in, first out, thieves get the oldest, each item once. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/split_deque.h"

enum { THIEVES = 3, ITEMS = 400000 };

static void *item(uintptr_t number)
{
    return (void *)(number + 1);
}

static wf_split *new_deque(size_t room)
{
    wf_split *d = aligned_alloc(WF_CACHE_LINE, sizeof *d);
    assert_non_null(d);
    wf_split_init(d);
    wf_split_open(d, room);
    return d;
}

static void test_split_deque_owner_gets_last_in_first_out(void **state)
{
    (void)state;
    wf_split *d = new_deque(WF_SPLIT_SIZE);
    wf_split_slot *slots[10];
    for (uintptr_t i = 0; i < 10; i++) {
        slots[i] = wf_split_push(d, item(i));
        assert_non_null(slots[i]);
    }
    assert_int_equal(wf_split_private(d), 10);
    assert_false(wf_split_pop(d, slots[8])); /* not the newest */
    for (uintptr_t i = 10; i-- > 0;) {
        assert_true(wf_split_holds(d, slots[i], item(i)));
        assert_true(wf_split_pop(d, slots[i]));
        assert_false(wf_split_holds(d, slots[i], item(i)));
    }
    assert_int_equal(wf_split_private(d), 0);
    free(d);
}

static void test_split_deque_push_stops_at_the_limit_and_at_a_request(void **state)
{
    (void)state;
    wf_split *d = new_deque(2);
    wf_split_slot *first = wf_split_push(d, item(0));
    assert_non_null(first);
    assert_true(wf_split_is_within(d));
    wf_split_slot *second = wf_split_push(d, item(1));
    assert_non_null(second);
    assert_null(wf_split_push(d, item(2)));
    wf_split_slot *third = wf_split_put(d, item(2));
    assert_false(wf_split_is_within(d));
    assert_true(wf_split_pop(d, third));
    wf_split_ask(d);
    assert_true(wf_split_is_asked(d));
    assert_null(wf_split_push(d, item(3)));
    assert_false(wf_split_pop(d, second));
    wf_split_open(d, 4);
    assert_false(wf_split_is_asked(d));
    assert_true(wf_split_pop(d, second));
    wf_split_close(d);
    assert_null(wf_split_push(d, item(3)));
    free(d);
}

static void test_split_deque_full_is_full(void **state)
{
    (void)state;
    wf_split *d = new_deque(WF_SPLIT_SIZE);
    for (uintptr_t i = 0; i < WF_SPLIT_SIZE; i++) {
        assert_false(wf_split_is_full(d));
        assert_non_null(wf_split_push(d, item(i)));
    }
    assert_true(wf_split_is_full(d));
    assert_null(wf_split_push(d, item(0)));
    wf_split_expose(d, WF_SPLIT_SIZE);
    for (uintptr_t i = 0; i < WF_SPLIT_SIZE; i++)
        assert_ptr_equal(wf_split_steal(d), item(i));
    assert_int_equal(wf_split_reset(d), WF_SPLIT_SIZE);
    assert_false(wf_split_is_full(d));
    free(d);
}

static void test_split_deque_thief_gets_the_oldest_of_what_is_public(void **state)
{
    (void)state;
    wf_split *d = new_deque(WF_SPLIT_SIZE);
    for (uintptr_t i = 0; i < 10; i++)
        assert_non_null(wf_split_push(d, item(i)));
    assert_null(wf_split_steal(d));
    wf_split_expose(d, 4);
    assert_int_equal(wf_split_public(d), 4);
    assert_int_equal(wf_split_private(d), 6);
    assert_ptr_equal(wf_split_steal(d), item(0));
    assert_ptr_equal(wf_split_steal(d), item(1));
    assert_int_equal(wf_split_take_back(d, 1), 1);
    assert_ptr_equal(wf_split_steal(d), item(2));
    assert_null(wf_split_steal(d));
    assert_int_equal(wf_split_take_back(d, 10), 0);
    assert_int_equal(wf_split_private(d), 7);
    wf_split_expose(d, 7);
    for (uintptr_t i = 3; i < 10; i++)
        assert_ptr_equal(wf_split_steal(d), item(i));
    assert_int_equal(wf_split_reset(d), 10);
    assert_int_equal(wf_split_public(d), 0);
    assert_ptr_equal(d->bottom, d->slots);
    free(d);
}

static void test_split_deque_tag_grows_whenever_a_slot_may_be_written_anew(void **state)
{
    (void)state;
    wf_split *d = new_deque(WF_SPLIT_SIZE);
    wf_split_push(d, item(0));
    wf_split_expose(d, 1);
    uint64_t before = wf_load_relaxed(&d->word);
    assert_int_equal(wf_split_take_back(d, 1), 1);
    wf_split_expose(d, 1);
    assert_int_equal(wf_load_relaxed(&d->word), before + WF_SPLIT_ONE_TAG);
    assert_ptr_equal(wf_split_steal(d), item(0));
    wf_split_reset(d);
    assert_int_equal(wf_load_relaxed(&d->word), (before / WF_SPLIT_ONE_TAG + 2) * WF_SPLIT_ONE_TAG);
    wf_store_relaxed(&d->word, ~UINT64_C(0) << 32); /* it comes round */
    wf_split_push(d, item(0));
    wf_split_expose(d, 1);
    assert_int_equal(wf_split_take_back(d, 1), 1);
    assert_int_equal(wf_load_relaxed(&d->word), 0);
    free(d);
}

/* ---- with threads ---- */

static wf_split *shared;
static _Atomic(uint8_t) taken[ITEMS];
static _Atomic(bool) over;

static void use(void *stolen)
{
    if (stolen != NULL)
        wf_fetch_add_relaxed(&taken[(uintptr_t)stolen - 1], 1); /* relaxed: read after the join */
}

static void *thief(void *arg)
{
    while (!wf_load_acquire(&over)) { /* ORDER(test): pairs with the main thread */
        void *stolen = wf_split_steal(shared);
        use(stolen);
        if (stolen == NULL) {
            wf_split_ask(shared);
            sched_yield();
        }
    }
    return arg;
}

/* Like a program that forks and syncs, a few levels up and down, and starts over when all was stolen. */
static void work(void)
{
    uint32_t random = 1;
    for (uintptr_t next = 0; next < ITEMS;) {
        random = random * 1664525 + 1013904223;
        bool up = random >> 31;
        if (up && !wf_split_is_full(shared)) {
            if (wf_split_push(shared, item(next)) == NULL) {
                wf_split_put(shared, item(next));
                wf_split_open(shared, WF_SPLIT_SIZE);
                wf_split_expose(shared, (wf_split_private(shared) + 1) / 2);
            }
            next++;
        } else if (wf_split_private(shared) > 0 || wf_split_take_back(shared, 1) > 0) {
            use(wf_load_relaxed(--shared->bottom)); /* relaxed: written by this thread */
        } else if (wf_split_public(shared) == 0) {
            wf_split_reset(shared);
        }
    }
    wf_split_take_back(shared, WF_SPLIT_SIZE);
    while (shared->bottom != shared->split)
        use(wf_load_relaxed(--shared->bottom)); /* relaxed: as above */
}

static void test_split_deque_each_item_is_taken_once_by_somebody(void **state)
{
    pthread_t threads[THIEVES];
    (void)state;
    shared = new_deque(8);
    for (int i = 0; i < THIEVES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thief, NULL), 0);
    work();
    wf_store_release(&over, true); /* ORDER(test): pairs with thief */
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(taken[i], 1);
    free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_deque_owner_gets_last_in_first_out),
        cmocka_unit_test(test_split_deque_push_stops_at_the_limit_and_at_a_request),
        cmocka_unit_test(test_split_deque_full_is_full),
        cmocka_unit_test(test_split_deque_thief_gets_the_oldest_of_what_is_public),
        cmocka_unit_test(test_split_deque_tag_grows_whenever_a_slot_may_be_written_anew),
        cmocka_unit_test(test_split_deque_each_item_is_taken_once_by_somebody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
