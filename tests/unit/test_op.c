/* io/op_word: every transition of the word that is the life of an operation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/op_word.h"

static void test_op_completed_while_its_caller_waits_wakes_by_the_first_ticket(void **state)
{
    (void)state;
    _Atomic(uint64_t) op = WF_OP_IDLE;
    wf_op_start(&op, 7, 0);
    assert_int_equal(op, wf_op_make(7, WF_OP_IN_FLIGHT));
    assert_int_equal(wf_op_finish(&op), 7);
    assert_int_equal(op, WF_OP_DONE);
    wf_op_take(&op);
    assert_int_equal(op, WF_OP_IDLE);
}

static void test_op_given_up_on_its_own_worker_wakes_by_the_second_ticket(void **state)
{
    (void)state;
    _Atomic(uint64_t) op = WF_OP_IDLE;
    wf_op_start(&op, 7, WF_OP_POLL);
    assert_true(wf_op_give_up(&op, 7, 8, WF_OP_POLL, false));
    assert_int_equal(op, wf_op_make(8, WF_OP_IN_FLIGHT | WF_OP_POLL));
    assert_int_equal(wf_op_finish(&op), 8);
    assert_int_equal(op, WF_OP_DONE);
}

static void test_op_that_is_done_cannot_be_given_up(void **state)
{
    (void)state;
    _Atomic(uint64_t) op = WF_OP_IDLE;
    wf_op_start(&op, 7, 0);
    wf_op_finish(&op);
    assert_false(wf_op_give_up(&op, 7, 8, 0, true));
    assert_int_equal(op, WF_OP_DONE);
}

static void test_op_given_up_elsewhere_is_woken_by_its_completion_once_the_message_has_come(void **state)
{
    (void)state;
    uint64_t ticket = 0;
    _Atomic(uint64_t) op = WF_OP_IDLE;
    wf_op_start(&op, 7, 0);
    assert_true(wf_op_give_up(&op, 7, 8, 0, true));
    assert_true(wf_op_cancel(&op, &ticket));
    assert_int_equal(ticket, 8);
    assert_int_equal(op, wf_op_make(8, WF_OP_IN_FLIGHT));
    assert_int_equal(wf_op_finish(&op), 8);
}

static void test_op_given_up_elsewhere_and_completed_first_is_woken_by_the_message(void **state)
{
    (void)state;
    uint64_t ticket = 0;
    _Atomic(uint64_t) op = WF_OP_IDLE;
    wf_op_start(&op, 7, WF_OP_POLL);
    assert_true(wf_op_give_up(&op, 7, 8, WF_OP_POLL, true));
    assert_int_equal(wf_op_finish(&op), 0);
    assert_int_equal(op, wf_op_make(8, WF_OP_DONE | WF_OP_CANCEL));
    assert_false(wf_op_cancel(&op, &ticket));
    assert_int_equal(ticket, 8);
    assert_int_equal(op, WF_OP_DONE);
    wf_op_take(&op);
    assert_int_equal(op, WF_OP_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_op_completed_while_its_caller_waits_wakes_by_the_first_ticket),
        cmocka_unit_test(test_op_given_up_on_its_own_worker_wakes_by_the_second_ticket),
        cmocka_unit_test(test_op_that_is_done_cannot_be_given_up),
        cmocka_unit_test(test_op_given_up_elsewhere_is_woken_by_its_completion_once_the_message_has_come),
        cmocka_unit_test(test_op_given_up_elsewhere_and_completed_first_is_woken_by_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
