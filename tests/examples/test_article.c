/* The small programs of examples/article print what they are to print, in order. */
#include "tests/examples/cmocka_all.h"

#include <stdio.h>
#include <string.h>

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

static void test_article_gevent_prints_in_the_documented_order(void **state)
{
    (void)state;
    expect("gevent", "Running in foo\n"
                     "Explicit context to bar\n"
                     "Explicit context switch to foo again\n"
                     "Implicit context switch back to bar\n");
}

/* Where a line stands; it must be there, once. */
static const char *line(const char *text, const char *wanted)
{
    const char *at = strstr(text, wanted);
    assert_non_null(at);
    assert_null(strstr(at + 1, wanted));
    return at;
}

/* Of whichever consumer. */
static const char *event(const char *text, const char *what, int item)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, ": %s %d\n", what, item);
    return line(text, wanted);
}

static void test_article_consumers_wait_at_the_same_time(void **state)
{
    (void)state;
    enum { ITEMS = 6 };
    struct program p;
    struct buffer out = {0}, err = {0};
    char path[500];
    snprintf(path, sizeof path, "%s/consumers", ARTICLE_FOLDER);
    char *argv[] = {path, NULL};
    assert_int_equal(program_start(&p, argv), 0);
    assert_int_equal(program_finish(&p, &out, &err), 0);
    for (int item = 1; item <= ITEMS; item++)
        assert_true(event(out.data, "begins", item) < event(out.data, "ends", item));
    /* Either begins its first one before the other has ended its own: their sleeps overlap. */
    assert_true(event(out.data, "begins", 1) < event(out.data, "ends", 2));
    assert_true(event(out.data, "begins", 2) < event(out.data, "ends", 1));
    line(out.data, "producer: done\n");
    line(out.data, "first: done\n");
    line(out.data, "second: done\n");
    buffer_free(&out);
    buffer_free(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_article_generators_take_turns),
        cmocka_unit_test(test_article_greenlet_prints_in_the_order_of_the_switches),
        cmocka_unit_test(test_article_gevent_prints_in_the_documented_order),
        cmocka_unit_test(test_article_consumers_wait_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
