/* core/list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/list.h"

typedef struct item {
    int number;
    wf_list node;
} item;

/* The numbers on the list, front to back, as one decimal number; checks the links backwards too. */
static int digits(const wf_list *head)
{
    int forwards = 0;
    int backwards = 0;
    int factor = 1;
    for (wf_list *at = head->next; at != NULL && at != head; at = at->next)
        forwards = forwards * 10 + wf_container_of(at, item, node)->number;
    for (wf_list *at = head->prev; at != NULL && at != head; at = at->prev, factor *= 10)
        backwards += factor * wf_container_of(at, item, node)->number;
    assert_int_equal(forwards, backwards);
    return forwards;
}

static void test_list_zeroed_head_is_empty_and_usable(void **state)
{
    (void)state;
    wf_list front = {0};
    wf_list back = {0};
    item items[2] = {{.number = 1}, {.number = 2}};
    assert_true(wf_list_is_empty(&front));
    assert_null(wf_list_pop_front(&front));
    wf_list_push_front(&front, &items[0].node);
    wf_list_push_back(&back, &items[1].node);
    assert_int_equal(digits(&front), 1);
    assert_int_equal(digits(&back), 2);
}

static void test_list_push_and_insert_keep_the_order(void **state)
{
    (void)state;
    wf_list head;
    item items[] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    wf_list_init(&head);
    wf_list_push_back(&head, &items[1].node);
    wf_list_push_back(&head, &items[3].node);
    wf_list_push_front(&head, &items[0].node);
    wf_list_insert_before(&items[3].node, &items[2].node);
    assert_int_equal(digits(&head), 1234);
}

static void test_list_remove_unlinks_from_anywhere(void **state)
{
    (void)state;
    wf_list head;
    item items[] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    wf_list_init(&head);
    for (int i = 0; i < 4; i++)
        wf_list_push_back(&head, &items[i].node);
    assert_true(wf_list_is_linked(&items[1].node));
    wf_list_remove(&items[1].node);
    assert_false(wf_list_is_linked(&items[1].node));
    assert_int_equal(digits(&head), 134);
    wf_list_remove(&items[0].node);
    wf_list_remove(&items[3].node);
    assert_int_equal(digits(&head), 3);
    wf_list_remove(&items[2].node);
    assert_true(wf_list_is_empty(&head));
    wf_list_remove(&items[2].node); /* once more does no harm */
    assert_true(wf_list_is_empty(&head));
}

static void test_list_pop_front_gives_first_in_first_out(void **state)
{
    (void)state;
    wf_list head = {0};
    item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    for (int i = 0; i < 3; i++)
        wf_list_push_back(&head, &items[i].node);
    for (int i = 0; i < 3; i++) {
        wf_list *node = wf_list_pop_front(&head);
        assert_ptr_equal(node, &items[i].node);
        assert_false(wf_list_is_linked(node));
    }
    assert_null(wf_list_pop_front(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_zeroed_head_is_empty_and_usable),
        cmocka_unit_test(test_list_push_and_insert_keep_the_order),
        cmocka_unit_test(test_list_remove_unlinks_from_anywhere),
        cmocka_unit_test(test_list_pop_front_gives_first_in_first_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
