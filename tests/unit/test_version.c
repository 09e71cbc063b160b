/* The version of the library is that of its header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "weft.h"

static void test_version_is_that_of_the_header(void **state)
{
    (void)state;
    char text[40];
    snprintf(text, sizeof text, "%d.%d.%d", WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR, WEFT_VERSION_PATCH);
    assert_string_equal(weft_version(), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_version_is_that_of_the_header)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
