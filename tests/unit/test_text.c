/* core/text: numbers of either base, and what happens at the end of the buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/text.h"

static void test_text_is_put_together_in_order(void **state)
{
    (void)state;
    char buffer[80];
    wf_text text = wf_text_in(buffer, sizeof buffer);
    assert_string_equal(buffer, "");
    wf_text_put(&text, "a");
    wf_text_put(&text, "");
    wf_text_put_decimal(&text, 0);
    wf_text_put(&text, " ");
    wf_text_put_decimal(&text, UINT64_MAX);
    wf_text_put(&text, " ");
    wf_text_put_hex(&text, 0);
    wf_text_put(&text, " ");
    wf_text_put_hex(&text, UINT64_MAX);
    assert_string_equal(buffer, "a0 18446744073709551615 0x0 0xffffffffffffffff");
    assert_ptr_equal(text.at, buffer + strlen(buffer));
}

static void test_text_that_does_not_fit_is_cut_and_terminated(void **state)
{
    (void)state;
    char buffer[8] = "1234567";
    wf_text text = wf_text_in(buffer, 5);
    wf_text_put(&text, "ab");
    wf_text_put_decimal(&text, 12345);
    assert_string_equal(buffer, "ab12");
    wf_text_put(&text, "more");
    assert_string_equal(buffer, "ab12");
    assert_string_equal(buffer + 5, "67"); /* not a byte beyond */
    text = wf_text_in(buffer, 1);
    wf_text_put(&text, "x");
    assert_string_equal(buffer, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_put_together_in_order),
        cmocka_unit_test(test_text_that_does_not_fit_is_cut_and_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
