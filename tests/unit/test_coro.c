/* Control blocks: generations and handles. What coroutines do with them: tests/runtime. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sched/joiners.h"
#include "sched/life.h"
#include "sched/state.h"
#include "sched/worker.h"

enum { GENERATION_SHIFT = 28 };

/* The block with so many generations behind it, held once and referenced once. */
static void make_old(wf_coro *coro, uint64_t generation)
{
    uint64_t life = wf_load_relaxed(&coro->life); /* relaxed, as below: one thread */
    uint64_t low = life & ((UINT64_C(1) << GENERATION_SHIFT) - 1);
    wf_store_relaxed(&coro->life, generation << GENERATION_SHIFT | low);
}

static void test_coro_freed_block_is_used_again_under_another_handle(void **state)
{
    (void)state;
    assert_int_equal(wf_coro_space_init(), 0);
    wf_coro *coro = wf_coro_new(NULL, 0);
    assert_non_null(coro);
    weft_t *before = wf_coro_handle(coro);
    wf_coro_release(NULL, coro);
    assert_null(wf_coro_hold(before));
    assert_ptr_equal(wf_coro_new(NULL, 0), coro); /* the one that was freed last */
    assert_ptr_not_equal(wf_coro_handle(coro), before);
    assert_null(wf_coro_from_handle(before));
    wf_coro_release(NULL, coro);
}

static void test_coro_block_whose_ids_are_used_up_is_not_used_again(void **state)
{
    (void)state;
    assert_int_equal(wf_coro_space_init(), 0);
    wf_coro *coro = wf_coro_new(NULL, 0);
    assert_non_null(coro);
    make_old(coro, (UINT64_MAX >> GENERATION_SHIFT) - 1);
    weft_t *last = wf_coro_handle(coro);
    assert_ptr_equal(wf_coro_from_handle(last), coro);
    wf_coro_release(NULL, coro);
    assert_null(wf_coro_from_handle(last));
    wf_coro *next = wf_coro_new(NULL, 0);
    assert_ptr_not_equal(next, coro);
    wf_coro_release(NULL, next);
}

static void test_coro_without_references_is_held_but_not_joinable(void **state)
{
    (void)state;
    assert_int_equal(wf_coro_space_init(), 0);
    wf_coro *coro = wf_coro_new(NULL, 1);
    weft_t *handle = wf_coro_handle(coro);
    assert_true(wf_coro_is_joinable(handle));
    assert_ptr_equal(wf_coro_hold_joinable(handle), coro);
    assert_true(wf_coro_unref(NULL, handle));
    assert_false(wf_coro_is_joinable(handle));
    assert_null(wf_coro_hold_joinable(handle));
    assert_false(wf_coro_unref(NULL, handle));
    assert_ptr_equal(wf_coro_hold(handle), coro);
    for (int i = 0; i < 3; i++)
        wf_coro_release(NULL, coro);
    assert_null(wf_coro_hold(handle));
}

static void test_life_last_reference_taken_by_the_coroutine_makes_handles_stale(void **state)
{
    (void)state;
    assert_int_equal(wf_coro_space_init(), 0);
    wf_coro *coro = wf_coro_new(NULL, 2);
    weft_t *handle = wf_coro_handle(coro);
    assert_int_equal(wf_life_take_ref(coro), WF_LIFE_TAKEN);
    assert_true(wf_coro_is_joinable(handle));
    assert_int_equal(wf_life_take_ref(coro), WF_LIFE_LAST);
    assert_null(wf_coro_hold(handle));
    assert_int_equal(wf_life_take_ref(coro), WF_LIFE_STALE);
    wf_coro_recycle(NULL, coro);
    assert_ptr_equal(wf_coro_new(NULL, 0), coro);
    assert_ptr_not_equal(wf_coro_handle(coro), handle);
    wf_coro_release(NULL, coro);
}

static void test_life_reference_taken_while_somebody_holds_leaves_it_to_the_holder(void **state)
{
    (void)state;
    assert_int_equal(wf_coro_space_init(), 0);
    wf_coro *coro = wf_coro_new(NULL, 1);
    weft_t *handle = wf_coro_handle(coro);
    assert_ptr_equal(wf_coro_hold(handle), coro);
    assert_int_equal(wf_life_take_ref(coro), WF_LIFE_TAKEN);
    assert_false(wf_coro_is_joinable(handle));
    assert_ptr_equal(wf_coro_from_handle(handle), coro);
    wf_coro_release(NULL, coro);
    wf_coro_release(NULL, coro);
    assert_null(wf_coro_from_handle(handle));
}

/* A stale handle may have locked the joiners of a block that comes to be another coroutine's: it stays out when they are closed. */
static void test_joiners_of_a_free_block_are_closed_and_open_again_with_the_next(void **state)
{
    (void)state;
    assert_int_equal(wf_coro_space_init(), 0);
    wf_coro *coro = wf_coro_new(NULL, 0);
    assert_true(wf_joiners_lock(coro));
    wf_joiners_unlock(coro, 0);
    wf_coro_release(NULL, coro); /* it never came to be, so nobody had closed them */
    assert_false(wf_joiners_lock(coro));
    assert_ptr_equal(wf_coro_new(NULL, 0), coro);
    assert_true(wf_joiners_lock(coro));
    wf_joiners_unlock(coro, 0);
    wf_coro_release(NULL, coro);
}

/* Its worker has yet to tidy up after it, but whoever joined it was told that it has ended. */
static void test_coro_ended_and_without_references_is_stale_though_held(void **state)
{
    (void)state;
    assert_int_equal(wf_coro_space_init(), 0);
    wf_coro *coro = wf_coro_new(NULL, 1);
    weft_t *handle = wf_coro_handle(coro);
    wf_state_dispatch(coro);
    wf_state_done(coro);
    assert_ptr_equal(wf_coro_from_handle(handle), coro); /* it can be joined */
    assert_true(wf_coro_unref(NULL, handle));
    assert_null(wf_coro_from_handle(handle));
    assert_null(wf_coro_hold(handle));
    assert_null(wf_coro_ref(handle));
    wf_coro_release(NULL, coro);
}

static void test_coro_numbers_that_are_no_handles_name_nothing(void **state)
{
    (void)state;
    assert_int_equal(wf_coro_space_init(), 0);
    wf_coro *coro = wf_coro_new(NULL, 0);
    uintptr_t handle = (uintptr_t)wf_coro_handle(coro);
    assert_ptr_equal(wf_coro_from_handle((weft_t *)handle), coro);
    assert_null(wf_coro_from_handle((weft_t *)(handle + 1))); /* in the middle of it */
    assert_null(wf_coro_hold(NULL));
    assert_null(wf_coro_hold((weft_t *)(uintptr_t)1));
    assert_null(wf_coro_hold((weft_t *)UINTPTR_MAX));
    wf_coro_release(NULL, coro);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coro_freed_block_is_used_again_under_another_handle),
        cmocka_unit_test(test_coro_block_whose_ids_are_used_up_is_not_used_again),
        cmocka_unit_test(test_coro_without_references_is_held_but_not_joinable),
        cmocka_unit_test(test_life_last_reference_taken_by_the_coroutine_makes_handles_stale),
        cmocka_unit_test(test_life_reference_taken_while_somebody_holds_leaves_it_to_the_holder),
        cmocka_unit_test(test_joiners_of_a_free_block_are_closed_and_open_again_with_the_next),
        cmocka_unit_test(test_coro_ended_and_without_references_is_stale_though_held),
        cmocka_unit_test(test_coro_numbers_that_are_no_handles_name_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
