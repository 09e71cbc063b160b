/* core/peek: copies what is there, and says so when it is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/peek.h"

static void test_peek_copies_what_is_there(void **state)
{
    (void)state;
    char copy[6] = "";
    errno = 4711;
    assert_int_equal(wf_peek("woven", copy, sizeof(copy)), 0);
    assert_string_equal(copy, "woven");
    assert_int_equal(errno, 4711);
}

static void test_peek_of_nothing_is_efault(void **state)
{
    (void)state;
    uint64_t copy;
    assert_int_equal(wf_peek(NULL, &copy, sizeof(copy)), -EFAULT);
    assert_int_equal(wf_peek((const void *)UINTPTR_MAX, &copy, sizeof(copy)), -EFAULT);
}

static void test_peek_across_the_end_of_a_mapping_is_efault(void **state)
{
    (void)state;
    size_t page = (size_t)getpagesize();
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    char copy[16];
    assert_int_equal(wf_peek(pages + page - sizeof(copy), copy, sizeof(copy)), 0);
    assert_int_equal(wf_peek(pages + page - sizeof(copy) + 1, copy, sizeof(copy)), -EFAULT);
    assert_int_equal(munmap(pages, 2 * page), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peek_copies_what_is_there),
        cmocka_unit_test(test_peek_of_nothing_is_efault),
        cmocka_unit_test(test_peek_across_the_end_of_a_mapping_is_efault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
