/* io/host_port: what is understood, and that nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "io/resolve.h"

static void takes(const char *text, const char *host, const char *port, bool any, bool numeric)
{
    wf_host_port result;
    assert_int_equal(wf_host_port_parse(&result, text), 0);
    if (!any)
        assert_string_equal(result.host, host);
    assert_string_equal(result.port, port);
    assert_int_equal(result.any, any);
    assert_int_equal(result.numeric, numeric);
}

static void test_host_port_takes_names_addresses_and_any(void **state)
{
    (void)state;
    takes("example.org:80", "example.org", "80", false, false);
    takes("localhost:0", "localhost", "0", false, false);
    takes("127.0.0.1:65535", "127.0.0.1", "65535", false, true);
    takes("[::1]:443", "::1", "443", false, true);
    takes("[fe80::1%lo]:1", "fe80::1%lo", "1", false, true);
    takes(":8080", "", "8080", true, false);
    takes("*:8080", "", "8080", true, false);
}

static void test_host_port_refuses_everything_else(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "localhost",
        "localhost:",
        "localhost:x",
        "localhost:80x",
        "localhost: 80",
        "localhost:-1",
        ":65536",
        ":000080",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1]:",
        "[::1:80",
        "[host]:80",
        "[1.2.3.4]:80",
        "[]:80",
        "a b:80",
        "host:80:90",
        "http://host:80",
        "host]:80",
        "fe80::1%lo:80",
    };
    wf_host_port result;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (wf_host_port_parse(&result, bad[i]) != -EINVAL)
            fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(wf_host_port_parse(&result, NULL), -EINVAL);
}

static void test_host_port_refuses_a_name_that_is_too_long(void **state)
{
    (void)state;
    char text[300];
    wf_host_port result;
    memset(text, 'a', sizeof text);
    strcpy(text + 253, ":80");
    assert_int_equal(wf_host_port_parse(&result, text), 0);
    memset(text, 'a', sizeof text);
    strcpy(text + 254, ":80");
    assert_int_equal(wf_host_port_parse(&result, text), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_port_takes_names_addresses_and_any),
        cmocka_unit_test(test_host_port_refuses_everything_else),
        cmocka_unit_test(test_host_port_refuses_a_name_that_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
