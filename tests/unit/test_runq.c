/* core/runq: one owner, several thieves, each item exactly once. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/runq.h"

enum { THIEVES = 2, ITEMS = 1000000 };

static void *item(uintptr_t number)
{
    return (void *)(number + 1);
}

/* One; NULL: none. */
static void *pop(wf_runq *q)
{
    void *found;
    return wf_runq_pop_many(q, &found, 1) == 1 ? found : NULL;
}

static void test_runq_owner_gets_first_in_first_out(void **state)
{
    (void)state;
    static wf_runq q;
    assert_null(pop(&q));
    for (uintptr_t i = 0; i < 10; i++)
        assert_true(wf_runq_push(&q, item(i)));
    assert_int_equal(wf_runq_count(&q), 10);
    for (uintptr_t i = 0; i < 10; i++)
        assert_ptr_equal(pop(&q), item(i));
    assert_null(pop(&q));
    assert_int_equal(wf_runq_count(&q), 0);
}

static void test_runq_full_refuses_and_keeps_what_it_has(void **state)
{
    (void)state;
    static wf_runq q;
    for (uintptr_t i = 0; i < WF_RUNQ_SIZE; i++)
        assert_true(wf_runq_push(&q, item(i)));
    assert_false(wf_runq_push(&q, item(9999)));
    assert_ptr_equal(pop(&q), item(0));
    assert_true(wf_runq_push(&q, item(WF_RUNQ_SIZE)));
    assert_false(wf_runq_push(&q, item(9999)));
    for (uintptr_t i = 1; i <= WF_RUNQ_SIZE; i++)
        assert_ptr_equal(pop(&q), item(i));
}

static void test_runq_wraps_round_many_times(void **state)
{
    (void)state;
    static wf_runq q;
    uintptr_t in = 0;
    uintptr_t out = 0;
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < 200; i++)
            assert_true(wf_runq_push(&q, item(in++)));
        for (int i = 0; i < 200; i++)
            assert_ptr_equal(pop(&q), item(out++));
    }
}

static void test_runq_pop_many_takes_the_oldest_up_to_the_most(void **state)
{
    (void)state;
    static wf_runq q;
    void *taken[8] = {0};
    assert_int_equal(wf_runq_pop_many(&q, taken, 8), 0);
    for (uintptr_t i = 0; i < 10; i++)
        assert_true(wf_runq_push(&q, item(i)));
    assert_int_equal(wf_runq_pop_many(&q, taken, 8), 8);
    for (uintptr_t i = 0; i < 8; i++)
        assert_ptr_equal(taken[i], item(i));
    assert_int_equal(wf_runq_pop_many(&q, taken, 8), 2);
    assert_ptr_equal(taken[0], item(8));
    assert_ptr_equal(taken[1], item(9));
    assert_int_equal(wf_runq_count(&q), 0);
}

static void test_runq_steal_takes_the_older_half_rounded_up(void **state)
{
    (void)state;
    for (uintptr_t count = 0; count <= WF_RUNQ_SIZE; count++) {
        wf_runq victim = {0};
        wf_runq own = {0};
        for (uintptr_t i = 0; i < count; i++)
            assert_true(wf_runq_push(&victim, item(i)));
        void *first = wf_runq_steal(&victim, &own);
        uintptr_t taken = (count + 1) / 2;
        assert_ptr_equal(first, count == 0 ? NULL : item(0));
        assert_int_equal(wf_runq_count(&victim), count - taken);
        for (uintptr_t i = 1; i < taken; i++)
            assert_ptr_equal(pop(&own), item(i));
        assert_null(pop(&own));
        for (uintptr_t i = taken; i < count; i++)
            assert_ptr_equal(pop(&victim), item(i));
        assert_null(pop(&victim));
    }
}

/* ---- threads ---- */

static wf_runq shared;
static wf_runq own[THIEVES];
static _Atomic(unsigned char) *seen; /* how often each item came out */
static _Atomic(bool) finished;

static void note(void *found)
{
    /* relaxed: read after the threads were joined. */
    wf_fetch_add_relaxed(&seen[(uintptr_t)found - 1], 1);
}

static void *thief(void *arg)
{
    wf_runq *mine = arg;
    bool last;
    do {
        /* ORDER(test-finished): pairs with the owner's store: nothing is pushed any more. */
        last = wf_load_acquire(&finished);
        void *found = wf_runq_steal(&shared, mine);
        for (; found != NULL; found = pop(mine))
            note(found);
        sched_yield();
    } while (!last || wf_runq_count(&shared) > 0);
    return NULL;
}

static void test_runq_owner_and_thieves_take_each_item_once(void **state)
{
    (void)state;
    seen = calloc(ITEMS, sizeof *seen);
    assert_non_null(seen);
    pthread_t threads[THIEVES];
    for (int i = 0; i < THIEVES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thief, &own[i]), 0);
    for (uintptr_t i = 0; i < ITEMS; i++) {
        void *found;
        while (!wf_runq_push(&shared, item(i)))
            if ((found = pop(&shared)) != NULL)
                note(found);
        void *several[3];
        uint32_t count = i % 5 == 0 ? wf_runq_pop_many(&shared, several, 3) : 0;
        for (uint32_t k = 0; k < count; k++)
            note(several[k]);
    }
    /* ORDER(test-finished): pairs with thief. */
    wf_store_release(&finished, true);
    void *found;
    while ((found = pop(&shared)) != NULL)
        note(found);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    int wrong = 0;
    for (int i = 0; i < ITEMS; i++)
        wrong += seen[i] != 1;
    assert_int_equal(wrong, 0);
    free((void *)seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runq_owner_gets_first_in_first_out),
        cmocka_unit_test(test_runq_full_refuses_and_keeps_what_it_has),
        cmocka_unit_test(test_runq_wraps_round_many_times),
        cmocka_unit_test(test_runq_pop_many_takes_the_oldest_up_to_the_most),
        cmocka_unit_test(test_runq_steal_takes_the_older_half_rounded_up),
        cmocka_unit_test(test_runq_owner_and_thieves_take_each_item_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
