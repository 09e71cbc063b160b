/* core/symbol: static functions, functions of shared libraries, addresses that are no code, buffers that are too small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/symbol.h"

enum { ROOM = 128 };

__attribute__((noinline)) static const char *static_function(char *text)
{
    wf_symbol_format(__builtin_return_address(0), true, text, ROOM);
    return text;
}

/* The address of a function as a number; C forbids the direct way. */
static const void *address_of(const char *(*fn)(char *))
{
    return (const void *)(uintptr_t)fn;
}

static void test_symbol_of_a_static_function_is_its_name(void **state)
{
    (void)state;
    char text[ROOM];
    wf_symbol_format(address_of(static_function), false, text, sizeof(text));
    assert_string_equal(text, "static_function (test_symbol)");
}

static void test_symbol_of_a_return_address_is_the_caller_s(void **state)
{
    (void)state;
    char text[ROOM];
    static_function(text);
    assert_non_null(strstr(text, "test_symbol_of_a_return_address_is_the_caller_s+0x"));
}

static void test_symbol_behind_the_last_byte_of_a_call_belongs_to_the_function_before(void **state)
{
    (void)state;
    char text[ROOM], next[ROOM];
    const char *address = address_of(static_function);
    wf_symbol_format(address, true, text, sizeof(text));
    wf_symbol_format(address, false, next, sizeof(next));
    assert_null(strstr(text, "static_function "));
    assert_non_null(strstr(next, "static_function "));
}

static void test_symbol_in_a_shared_library_names_the_library(void **state)
{
    (void)state;
    char text[ROOM];
    wf_symbol_format((const void *)(uintptr_t)cmocka_set_test_filter, false, text, sizeof(text));
    assert_non_null(strstr(text, "cmocka_set_test_filter"));
    wf_symbol_format((const void *)((uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0))), true, text,
                     ROOM);
    assert_non_null(strstr(text, "libcmocka"));
}

static void test_symbol_of_no_code_is_the_bare_address(void **state)
{
    (void)state;
    char text[ROOM];
    wf_symbol_format((const void *)0x4711, false, text, sizeof(text));
    assert_string_equal(text, "0x4711");
    wf_symbol_format(NULL, false, text, sizeof(text));
    assert_string_equal(text, "0x0");
    wf_symbol_format((const void *)UINTPTR_MAX, false, text, sizeof(text));
    assert_string_equal(text, "0xffffffffffffffff");
}

static void test_symbol_that_does_not_fit_is_cut(void **state)
{
    (void)state;
    char text[ROOM];
    memset(text, '#', sizeof(text));
    for (size_t size = 1; size < 40; size++) {
        wf_symbol_format(address_of(static_function), false, text, size);
        assert_true(strlen(text) < size);
        assert_int_equal(text[size], '#');
    }
    assert_string_equal(text, "static_function (test_symbol)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbol_of_a_static_function_is_its_name),
        cmocka_unit_test(test_symbol_of_a_return_address_is_the_caller_s),
        cmocka_unit_test(test_symbol_behind_the_last_byte_of_a_call_belongs_to_the_function_before),
        cmocka_unit_test(test_symbol_in_a_shared_library_names_the_library),
        cmocka_unit_test(test_symbol_of_no_code_is_the_bare_address),
        cmocka_unit_test(test_symbol_that_does_not_fit_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
