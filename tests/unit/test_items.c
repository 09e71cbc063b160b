/* core/items: the three orders, growing in the middle of things, items of odd sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/items.h"

enum { MANY = 500 };

static void open_items(wf_items *items, enum wf_items_order order, size_t size, size_t capacity)
{
    wf_items_init(items, order, size);
    unsigned char *slots = wf_items_make_slots(items, capacity);
    assert_non_null(slots);
    assert_null(wf_items_use_slots(items, slots, capacity));
}

static void put(wf_items *items, int value, int64_t priority)
{
    if (wf_items_is_full(items)) {
        size_t capacity = items->capacity * 2;
        wf_free(wf_items_use_slots(items, wf_items_make_slots(items, capacity), capacity));
    }
    wf_items_put(items, &value, priority);
}

static int take(wf_items *items)
{
    int value = -1, first;
    memcpy(&first, wf_items_first(items), sizeof first);
    wf_items_take(items, &value);
    assert_int_equal(first, value);
    return value;
}

static void test_items_fifo_wraps_and_grows(void **state)
{
    wf_items items;
    int in = 0, out = 0;
    (void)state;
    open_items(&items, WF_ITEMS_FIFO, sizeof(int), 3);
    for (int round = 0; round < MANY; round++) {
        for (int i = 0; i < 1 + round % 7; i++)
            put(&items, in++, 0);
        for (int i = 0; i < 1 + round % 5 && items.count > 0; i++)
            assert_int_equal(take(&items), out++);
        assert_int_equal(items.count, in - out);
    }
    while (items.count > 0)
        assert_int_equal(take(&items), out++);
    assert_int_equal(out, in);
    wf_free(items.slots);
}

static void test_items_lifo_takes_the_newest(void **state)
{
    wf_items items;
    (void)state;
    open_items(&items, WF_ITEMS_LIFO, sizeof(int), 1);
    for (int i = 0; i < MANY; i++)
        put(&items, i, 0);
    for (int i = MANY - 1; i >= 0; i--)
        assert_int_equal(take(&items), i);
    wf_free(items.slots);
}

static void test_items_priority_is_stable(void **state)
{
    wf_items items;
    int64_t last = INT64_MIN;
    int last_value = -1;
    (void)state;
    open_items(&items, WF_ITEMS_PRIORITY, sizeof(int), 2);
    srand(1);
    for (int i = 0; i < MANY; i++) {
        int64_t priority = rand() % 10 - 5;
        put(&items, (int)((priority + 5) * MANY + i), priority);
    }
    for (int i = 0; i < MANY; i++) {
        int value = take(&items);
        assert_true(value / MANY - 5 >= last);
        assert_true(value > last_value); /* of equals the older, and so the smaller, first */
        last = value / MANY - 5;
        last_value = value;
    }
    put(&items, 1, INT64_MAX);
    put(&items, 2, INT64_MIN);
    assert_int_equal(take(&items), 2);
    assert_int_equal(take(&items), 1);
    wf_free(items.slots);
}

static void test_items_of_odd_sizes_keep_their_bytes(void **state)
{
    static const enum wf_items_order orders[] = {WF_ITEMS_FIFO, WF_ITEMS_LIFO, WF_ITEMS_PRIORITY};
    static const size_t sizes[] = {1, 3, 7, 17, 1000};
    char in[1000], out[1000];
    (void)state;
    for (size_t o = 0; o < 3; o++)
        for (size_t s = 0; s < 5; s++) {
            wf_items items;
            open_items(&items, orders[o], sizes[s], 4);
            for (int i = 0; i < 3; i++) {
                memset(in, 'a', sizes[s]);
                wf_items_put(&items, in, i);
            }
            wf_items_take(&items, NULL);
            wf_items_take(&items, out);
            assert_memory_equal(in, out, sizes[s]);
            assert_int_equal(wf_items_clear(&items), 1);
            wf_free(items.slots);
        }
}

static void test_items_slots_that_overflow_are_refused(void **state)
{
    wf_items items;
    (void)state;
    wf_items_init(&items, WF_ITEMS_PRIORITY, 1000);
    assert_null(wf_items_make_slots(&items, SIZE_MAX / 1000));
    assert_null(wf_items_make_slots(&items, SIZE_MAX / 1024 - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_fifo_wraps_and_grows),
        cmocka_unit_test(test_items_lifo_takes_the_newest),
        cmocka_unit_test(test_items_priority_is_stable),
        cmocka_unit_test(test_items_of_odd_sizes_keep_their_bytes),
        cmocka_unit_test(test_items_slots_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
