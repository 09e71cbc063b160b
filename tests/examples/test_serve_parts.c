/* The parts of serve that need no socket: requests, ranges, paths, dates. */
#include "tests/examples/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examples/serve/files.h"
#include "examples/serve/range.h"
#include "examples/serve/request.h"

/* ---- requests ---- */

/* The status with which the request is refused; 0: it is complete; -1: it is incomplete. */
static int status_of(const char *text)
{
    struct request r = {0};
    request_reset(&r);
    request_feed(&r, text, strlen(text));
    int status = r.state == REQUEST_REFUSED ? r.status : r.state == REQUEST_COMPLETE ? 0 : -1;
    request_free(&r);
    return status;
}

static void test_request_fed_byte_by_byte_is_complete(void **state)
{
    (void)state;
    static const char text[] = "GET /a?b HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\nRange-X: no\r\n\r\n";
    struct request r = {0};
    request_reset(&r);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        assert_int_equal(r.state, REQUEST_INCOMPLETE);
        assert_int_equal(request_feed(&r, text + i, 1), 1);
    }
    assert_int_equal(r.state, REQUEST_COMPLETE);
    assert_string_equal(r.target.data, "/a?b");
    assert_string_equal(r.range, "bytes=1-2");
    assert_true(r.keep_alive);
    request_free(&r);
}

static void test_request_followed_by_another_leaves_it_unread(void **state)
{
    (void)state;
    static const char first[] = "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    static const char both[] = "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n";
    struct request r = {0};
    request_reset(&r);
    assert_int_equal(request_feed(&r, both, sizeof both - 1), sizeof first - 1);
    assert_int_equal(r.state, REQUEST_COMPLETE);
    request_reset(&r);
    request_feed(&r, both + sizeof first - 1, sizeof both - sizeof first);
    assert_int_equal(r.state, REQUEST_INCOMPLETE);
    request_free(&r);
}

static void test_request_malformed_is_refused_with_its_status(void **state)
{
    (void)state;
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    assert_int_equal(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: h\r\n"), -1);
    assert_int_equal(status_of("GET / HTTP/1.1\r\n\r\n"), 400); /* no Host */
    assert_int_equal(status_of("\x16\x03\x01 hello"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nbad header\r\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n"), 400);
    assert_int_equal(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
                     400);
    assert_int_equal(status_of("FETCH / HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
    assert_int_equal(status_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
    assert_int_equal(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n"), 413);
    assert_int_equal(status_of("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n"), 417);
}

static void test_request_too_long_is_refused(void **state)
{
    (void)state;
    static char text[64 * 1024];
    int length = snprintf(text, sizeof text, "GET /%0*d HTTP/1.1\r\nHost: h\r\n\r\n", REQUEST_MAX_TARGET, 0);
    assert_true(length > 0);
    assert_int_equal(status_of(text), 414);
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nX: %0*d\r\n\r\n", REQUEST_MAX_HEADERS, 0);
    assert_int_equal(status_of(text), 431);
    strcpy(text, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    snprintf(text + strlen(text), sizeof text - strlen(text), "8000\r\n%032768d\r\n", 0);
    assert_int_equal(status_of(text), -1);
}

/* ---- ranges ---- */

static void check_range(const char *header, enum range_kind kind, uint64_t first, uint64_t length)
{
    struct range range;
    assert_int_equal(range_parse(header, 100, &range), kind);
    if (kind != RANGE_UNSATISFIABLE) {
        assert_int_equal(range.first, first);
        assert_int_equal(range.length, length);
    }
}

static void test_range_of_each_form_selects_its_bytes(void **state)
{
    (void)state;
    check_range("", RANGE_WHOLE, 0, 100);
    check_range("bytes=0-0", RANGE_PART, 0, 1);
    check_range("bytes=10-19", RANGE_PART, 10, 10);
    check_range("bytes=10-", RANGE_PART, 10, 90);
    check_range("bytes=90-1000", RANGE_PART, 90, 10);
    check_range("bytes=-5", RANGE_PART, 95, 5);
    check_range("bytes=-500", RANGE_PART, 0, 100);
    check_range("bytes=100-", RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=-0", RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=99999999999999999999999-", RANGE_UNSATISFIABLE, 0, 0);
}

static void test_range_malformed_or_multiple_means_everything(void **state)
{
    (void)state;
    check_range("bytes=", RANGE_WHOLE, 0, 100);
    check_range("bytes=-", RANGE_WHOLE, 0, 100);
    check_range("bytes=5-4", RANGE_WHOLE, 0, 100);
    check_range("bytes=1-2,4-5", RANGE_WHOLE, 0, 100);
    check_range("bytes=a-b", RANGE_WHOLE, 0, 100);
    check_range("lines=1-2", RANGE_WHOLE, 0, 100);
}

/* ---- paths and files ---- */

static void check_path(const char *target, const char *expected)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", target);
    char *path = files_path(copy);
    if (expected)
        assert_string_equal(path, expected);
    else
        assert_null(path);
}

static void test_path_of_target_is_decoded(void **state)
{
    (void)state;
    check_path("/", "");
    check_path("/a%20b/c.html?q=%2E", "a b/c.html");
    check_path("//a", "a");
    check_path("http://host:80/x", "x");
    check_path("/...", "...");
}

static void test_path_that_climbs_or_is_malformed_is_refused(void **state)
{
    (void)state;
    check_path("/../etc/passwd", NULL);
    check_path("/a/%2e%2E/%2e./b", NULL);
    check_path("/a%2f..%2fb", NULL);
    check_path("/a/..", NULL);
    check_path("/a%00.html", NULL);
    check_path("/a%", NULL);
    check_path("/a%4", NULL);
    check_path("/a%zz", NULL);
    check_path("*", NULL);
    check_path("http://host", NULL);
}

static void test_file_behind_a_link_out_of_the_root_is_not_found(void **state)
{
    (void)state;
    char folder[] = "/tmp/weft-test-serve-XXXXXX";
    struct served_file file = {.fd = -1};
    assert_non_null(mkdtemp(folder));
    int root = open(folder, O_RDONLY | O_DIRECTORY);
    assert_true(root >= 0);
    assert_int_equal(mkdirat(root, "d", 0777), 0);
    int fd = openat(root, "d/index.html", O_WRONLY | O_CREAT, 0666);
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    assert_int_equal(symlinkat("/etc", root, "out"), 0);
    assert_int_equal(symlinkat("d/index.html", root, "in"), 0);
    assert_int_equal(mkfifoat(root, "fifo", 0666), 0);

    assert_int_equal(files_open(root, "out/passwd", &file), 404);
    assert_true(file.fd < 0);
    assert_int_equal(files_open(root, "fifo", &file), 404);
    assert_int_equal(files_open(root, "", &file), 404);
    assert_int_equal(files_open(root, "d", &file), 301);
    assert_int_equal(files_open(root, "in", &file), 200);
    assert_int_equal(file.size, 5);
    close(file.fd);
    assert_int_equal(files_open(root, "d/", &file), 200);
    assert_string_equal(file.content_type, "text/html; charset=utf-8");
    close(file.fd);
    close(root);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_date_of_each_form_is_understood(void **state)
{
    (void)state;
    char date[FILES_DATE_SIZE];
    files_print_date(date, 784111777);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(files_parse_date(date), 784111777);
    assert_int_equal(files_parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    assert_int_equal(files_parse_date("Sun Nov  6 08:49:37 1994"), 784111777);
    assert_int_equal(files_parse_date("yesterday"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_fed_byte_by_byte_is_complete),
        cmocka_unit_test(test_request_followed_by_another_leaves_it_unread),
        cmocka_unit_test(test_request_malformed_is_refused_with_its_status),
        cmocka_unit_test(test_request_too_long_is_refused),
        cmocka_unit_test(test_range_of_each_form_selects_its_bytes),
        cmocka_unit_test(test_range_malformed_or_multiple_means_everything),
        cmocka_unit_test(test_path_of_target_is_decoded),
        cmocka_unit_test(test_path_that_climbs_or_is_malformed_is_refused),
        cmocka_unit_test(test_file_behind_a_link_out_of_the_root_is_not_found),
        cmocka_unit_test(test_date_of_each_form_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
