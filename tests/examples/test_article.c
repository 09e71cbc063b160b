/* The small programs of examples/article print what they are to print, in order. */
#include "tests/examples/cmocka_all.h"

#include <stdio.h>

#include "tests/examples/support.h"

/* Run the program of that name; it has to end well and print this. */
static void expect(const char *name, const char *text)
{
    struct program p;
    struct buffer out = {0}, err = {0};
    char path[500];
    snprintf(path, sizeof path, "%s/%s", ARTICLE_FOLDER, name);
    char *argv[] = {path, NULL};
    assert_int_equal(program_start(&p, argv), 0);
    assert_int_equal(program_finish(&p, &out, &err), 0);
    assert_string_equal(out.data, text);
    assert_string_equal(err.data, "");
    buffer_free(&out);
    buffer_free(&err);
}

static void test_article_generators_take_turns(void **state)
{
    (void)state;
    expect("generators", "[producer] made 1\n"
                         "[consumer] took 1\n"
                         "[producer] made 2\n"
                         "[consumer] took 2\n"
                         "[producer] made 3\n"
                         "[consumer] took 3\n"
                         "[producer] producing 1\n"
                         "[consumer] consuming 1\n"
                         "[producer] consumer answered 200 OK\n"
                         "[producer] producing 2\n"
                         "[consumer] consuming 2\n"
                         "[producer] consumer answered 200 OK\n"
                         "[producer] producing 3\n"
                         "[consumer] consuming 3\n"
                         "[producer] consumer answered 200 OK\n"
                         "[consumer] closed\n");
}

static void test_article_greenlet_prints_in_the_order_of_the_switches(void **state)
{
    (void)state;
    expect("greenlet", "12\n56\n34\n78\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_article_generators_take_turns),
        cmocka_unit_test(test_article_greenlet_prints_in_the_order_of_the_switches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
