/* core/localq: the owner alone, and with robbers; each item exactly once. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/localq.h"

enum { ROBBERS = 2, ITEMS = 300000 };

static void *item(uintptr_t number)
{
    return (void *)(number + 1);
}

static void *pop(wf_localq *q)
{
    wf_localq_enter(q);
    void *found = wf_localq_pop(q);
    wf_localq_leave(q);
    return found;
}

static void *replace(wf_localq *q, void *fresh)
{
    wf_localq_enter(q);
    void *old = wf_localq_replace(q, fresh);
    wf_localq_leave(q);
    return old;
}

static void test_localq_owner_gets_first_in_first_out(void **state)
{
    (void)state;
    static wf_localq q;
    assert_null(pop(&q));
    uintptr_t in = 0, out = 0;
    for (int round = 0; round < 100; round++) {
        while (in - out < WF_LOCALQ_SIZE)
            assert_true(wf_localq_push(&q, item(in++)));
        assert_false(wf_localq_push(&q, item(9999)));
        assert_int_equal(wf_localq_count(&q), WF_LOCALQ_SIZE);
        for (int i = 0; i < 7; i++)
            assert_ptr_equal(pop(&q), item(out++));
    }
    while (out < in)
        assert_ptr_equal(pop(&q), item(out++));
    assert_null(pop(&q));
    assert_true(wf_localq_is_empty(&q));
}

static bool take_out(wf_localq *q, const void *wanted)
{
    wf_localq_enter(q);
    bool found = wf_localq_take_out(q, wanted);
    wf_localq_leave(q);
    return found;
}

static void test_localq_take_out_finds_what_was_put_lately_and_closes_the_gap(void **state)
{
    (void)state;
    static wf_localq q;
    assert_false(take_out(&q, item(0)));
    for (uintptr_t i = 0; i < 100; i++)
        assert_true(wf_localq_push(&q, item(i)));
    assert_false(take_out(&q, item(99 - WF_LOCALQ_LOOKS))); /* too old to be looked for */
    assert_true(take_out(&q, item(100 - WF_LOCALQ_LOOKS)));
    assert_true(take_out(&q, item(99)));
    assert_true(take_out(&q, item(90)));
    assert_false(take_out(&q, item(90)));
    assert_int_equal(wf_localq_count(&q), 97);
    for (uintptr_t i = 0; i < 99; i++)
        if (i != 90 && i != 100 - WF_LOCALQ_LOOKS)
            assert_ptr_equal(pop(&q), item(i));
    assert_null(pop(&q));
}

static void test_localq_unshift_goes_before_all_others(void **state)
{
    (void)state;
    static wf_localq q;
    void *older[] = {item(1), item(2), item(3)};
    assert_true(wf_localq_push(&q, item(4)));
    wf_localq_enter(&q);
    wf_localq_unshift(&q, older, 3);
    wf_localq_leave(&q);
    assert_int_equal(q.front, 3);
    assert_true(take_out(&q, item(2)));
    assert_int_equal(q.front, 2);
    assert_true(take_out(&q, item(4)));
    assert_int_equal(q.front, 2);
    assert_true(wf_localq_push(&q, item(5)));
    assert_ptr_equal(pop(&q), item(1));
    assert_ptr_equal(pop(&q), item(3));
    assert_int_equal(q.front, 0);
    assert_ptr_equal(pop(&q), item(5));
    assert_int_equal(q.front, 0);
    assert_null(pop(&q));
}

static void test_localq_take_old_takes_the_one_at_a_place(void **state)
{
    (void)state;
    static wf_localq q;
    for (uintptr_t i = 0; i < 5; i++)
        assert_true(wf_localq_push(&q, item(i)));
    wf_localq_enter(&q);
    assert_ptr_equal(wf_localq_at(&q, 2), item(2));
    assert_null(wf_localq_at(&q, 5));
    assert_true(wf_localq_take_old(&q, 2));
    wf_localq_leave(&q);
    assert_ptr_equal(pop(&q), item(0));
    assert_ptr_equal(pop(&q), item(1));
    assert_ptr_equal(pop(&q), item(3));
    assert_ptr_equal(pop(&q), item(4));
    assert_null(pop(&q));
}

static void test_localq_slot_gives_back_what_was_there(void **state)
{
    (void)state;
    static wf_localq q;
    assert_null(replace(&q, item(1)));
    assert_false(wf_localq_is_empty(&q));
    assert_int_equal(wf_localq_count(&q), 0);
    assert_ptr_equal(replace(&q, item(2)), item(1));
    assert_ptr_equal(replace(&q, NULL), item(2));
    assert_true(wf_localq_is_empty(&q));
}

static void test_localq_rob_takes_the_older_half_rounded_up(void **state)
{
    (void)state;
    for (uintptr_t count = 0; count <= WF_LOCALQ_SIZE; count++) {
        wf_localq q = {0};
        void *taken[WF_LOCALQ_SIZE / 2];
        for (uintptr_t i = 0; i < count; i++)
            assert_true(wf_localq_push(&q, item(i)));
        assert_int_equal(wf_localq_rob(&q, taken), (count + 1) / 2);
        for (uintptr_t i = 0; i < (count + 1) / 2; i++)
            assert_ptr_equal(taken[i], item(i));
        for (uintptr_t i = (count + 1) / 2; i < count; i++)
            assert_ptr_equal(pop(&q), item(i));
        assert_true(wf_localq_is_empty(&q));
    }
}

static void test_localq_rob_takes_the_slot_only_when_that_is_all(void **state)
{
    (void)state;
    wf_localq q = {0};
    void *taken[WF_LOCALQ_SIZE / 2];
    replace(&q, item(5));
    assert_true(wf_localq_push(&q, item(1)));
    assert_int_equal(wf_localq_rob(&q, taken), 1);
    assert_ptr_equal(taken[0], item(1));
    assert_int_equal(wf_localq_rob(&q, taken), 1);
    assert_ptr_equal(taken[0], item(5));
    assert_int_equal(wf_localq_rob(&q, taken), 0);
}

/* ---- threads ---- */

typedef struct thing {
    uintptr_t number; /* plain: whoever takes it sees what was written before */
    _Atomic(unsigned char) seen;
} thing;

static wf_localq shared;
static thing *things;
static _Atomic(bool) finished;
static _Atomic(int) wrong;
static _Atomic(int) robbed;

static void note(void *found)
{
    thing *t = found;
    if (t == NULL)
        return;
    if (t->number != (uintptr_t)(t - things))
        wf_fetch_add_relaxed(&wrong, 1); /* relaxed, both: read after the threads were joined */
    wf_fetch_add_relaxed(&t->seen, 1);
}

static void *rob(void *arg)
{
    (void)arg;
    bool last;
    do {
        /* ORDER(test-finished): pairs with the owner's store: nothing is pushed any more. */
        last = wf_load_acquire(&finished);
        void *taken[WF_LOCALQ_SIZE / 2];
        uint32_t count = wf_localq_is_empty(&shared) ? 0 : wf_localq_rob(&shared, taken);
        for (uint32_t i = 0; i < count; i++)
            note(taken[i]);
        wf_fetch_add_relaxed(&robbed, (int)count); /* relaxed: as above */
        sched_yield();
    } while (!last || !wf_localq_is_empty(&shared));
    return NULL;
}

static void *next_of_owner(wf_localq *q)
{
    wf_localq_enter(q);
    void *found = wf_localq_replace(q, NULL);
    if (found == NULL)
        found = wf_localq_pop(q);
    wf_localq_leave(q);
    return found;
}

/* The oldest goes out and to the front again. */
static void put_back(wf_localq *q)
{
    wf_localq_enter(q);
    void *oldest = wf_localq_pop(q);
    if (oldest != NULL)
        wf_localq_unshift(q, &oldest, 1);
    wf_localq_leave(q);
}

static void test_localq_owner_and_robbers_take_each_item_once(void **state)
{
    (void)state;
    things = calloc(ITEMS, sizeof *things);
    assert_non_null(things);
    wf_fence_init();
    pthread_t threads[ROBBERS];
    for (int i = 0; i < ROBBERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, rob, NULL), 0);
    for (uintptr_t i = 0; i < ITEMS; i++) {
        void *fresh = &things[i];
        things[i].number = i;
        if (i % 4 == 0)
            fresh = replace(&shared, fresh);
        while (fresh != NULL && !wf_localq_push(&shared, fresh))
            note(next_of_owner(&shared));
        if (i % 3 == 0)
            note(next_of_owner(&shared));
        if (i % 7 == 0 && take_out(&shared, &things[i]))
            note(&things[i]);
        if (i % 16 == 0)
            put_back(&shared);
    }
    wf_store_release(&finished, true); /* ORDER(test-finished): pairs with rob. */
    for (int i = 0; i < ROBBERS; i++)  /* what is left is theirs */
        pthread_join(threads[i], NULL);
    int lost = 0;
    for (int i = 0; i < ITEMS; i++)
        lost += things[i].seen != 1;
    assert_int_equal(lost, 0);
    assert_int_equal(wrong, 0);
    assert_true(robbed > 0);
    free(things);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_localq_owner_gets_first_in_first_out),
        cmocka_unit_test(test_localq_take_out_finds_what_was_put_lately_and_closes_the_gap),
        cmocka_unit_test(test_localq_unshift_goes_before_all_others),
        cmocka_unit_test(test_localq_take_old_takes_the_one_at_a_place),
        cmocka_unit_test(test_localq_slot_gives_back_what_was_there),
        cmocka_unit_test(test_localq_rob_takes_the_older_half_rounded_up),
        cmocka_unit_test(test_localq_rob_takes_the_slot_only_when_that_is_all),
        cmocka_unit_test(test_localq_owner_and_robbers_take_each_item_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
