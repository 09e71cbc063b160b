/* The program serve from outside, over plain sockets. */
#include "tests/examples/cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/examples/support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_CLOSE(path, more) "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" more "\r\n"

enum { HUGE = 64 << 20 }; /* more than the buffers of both sockets take */

static char root[] = "/tmp/weft-test-serve-XXXXXX";
static const char hello[] = "<html><body>hello, world</body></html>";

static void write_file(const char *name, const char *bytes, size_t count)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0)
        abort();
}

static int make_root(void **state)
{
    (void)state;
    static char big[300 * 1024];
    char path[256];
    if (!mkdtemp(root))
        return -1;
    snprintf(path, sizeof path, "%s/d", root);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/out", root);
    if (symlink("/etc", path) < 0)
        return -1;
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)('a' + i % 26);
    write_file("index.html", hello, sizeof hello - 1);
    write_file("d/index.html", "inner", 5);
    write_file("ten.txt", "0123456789", 10);
    write_file("empty.txt", "", 0);
    write_file("big.bin", big, sizeof big);
    write_file("a.css", "a", 1);
    write_file("a.PNG", "a", 1);
    write_file("a.json", "a", 1);
    write_file("none", "a", 1);
    write_file("huge", "", 0);
    snprintf(path, sizeof path, "%s/huge", root);
    return truncate(path, HUGE); /* a hole: takes no room */
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

struct serve {
    struct program program;
    int port;
};

/* Start serve on a free port with these further options (up to 6 words, ended by NULL). */
static void start(struct serve *s, const char *const *more)
{
    char *argv[16] = {SERVE_PROGRAM, "--listen", "127.0.0.1:0", "--root", root};
    char line[128];
    for (size_t i = 0; more && more[i]; i++)
        argv[5 + i] = (char *)more[i];
    assert_int_equal(program_start(&s->program, argv), 0);
    assert_true(program_read_line(&s->program, line, sizeof line) > 0);
    assert_int_equal(sscanf(line, "listening on http://127.0.0.1:%d/", &s->port), 1);
}

/* SIGTERM; it has to end by itself with status 0. */
static void stop(struct serve *s)
{
    struct buffer out = {0}, err = {0};
    kill(s->program.pid, SIGTERM);
    assert_int_equal(program_finish(&s->program, &out, &err), 0);
    buffer_free(&out);
    buffer_free(&err);
}

/* Send `request` over a new connection and read what comes until the server closes. The caller frees. */
static char *ask(const struct serve *s, const char *request)
{
    struct buffer answer = {0};
    int fd = dial(s->port);
    assert_true(fd >= 0);
    send_text(fd, request);
    read_to_end(fd, &answer);
    close(fd);
    return answer.data;
}

/* The answer to `request` has to begin with "HTTP/1.1 STATUS", to contain `part` and to end with `end`. */
static void check(const struct serve *s, const char *request, int status, const char *part, const char *end)
{
    char *answer = ask(s, request), begin[32];
    snprintf(begin, sizeof begin, "HTTP/1.1 %d ", status);
    assert_non_null(answer);
    if (strncmp(answer, begin, strlen(begin)) != 0 || !strstr(answer, part) || strlen(answer) < strlen(end) ||
        strcmp(answer + strlen(answer) - strlen(end), end) != 0)
        fail_msg("%.60s was answered with %s", request, answer);
    free(answer);
}

static void test_serve_files_and_folders_are_served(void **state)
{
    (void)state;
    struct serve s;
    start(&s, NULL);
    check(&s, GET_CLOSE("/", ""), 200, "Content-Type: text/html", hello);
    check(&s, GET_CLOSE("/index.html?x", ""), 200, "Content-Length: 38\r\n", hello);
    check(&s, GET_CLOSE("/d/", ""), 200, "Connection: close", "inner");
    check(&s, GET_CLOSE("/d", ""), 301, "Location: /d/\r\n", "");
    check(&s, GET_CLOSE("/empty.txt", ""), 200, "Content-Length: 0\r\n", "\r\n\r\n");
    check(&s, "GET /ten.txt HTTP/1.0\r\n\r\n", 200, "Date: ", "0123456789");
    check(&s, "HEAD /ten.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200, "Content-Length: 10\r\n",
          "\r\n\r\n");
    char *big = ask(&s, GET_CLOSE("/big.bin", ""));
    const char *body = strstr(big, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 300 * 1024);
    free(big);
    stop(&s);
}

static void test_serve_content_type_follows_the_name(void **state)
{
    (void)state;
    struct serve s;
    start(&s, NULL);
    check(&s, GET_CLOSE("/ten.txt", ""), 200, "Content-Type: text/plain; charset=utf-8\r\n", "");
    check(&s, GET_CLOSE("/a.css", ""), 200, "Content-Type: text/css; charset=utf-8\r\n", "");
    check(&s, GET_CLOSE("/a.PNG", ""), 200, "Content-Type: image/png\r\n", "");
    check(&s, GET_CLOSE("/a.json", ""), 200, "Content-Type: application/json\r\n", "");
    check(&s, GET_CLOSE("/none", ""), 200, "Content-Type: application/octet-stream\r\n", "");
    stop(&s);
}

static void test_serve_errors_have_their_status(void **state)
{
    (void)state;
    static char long_target[9000], many_headers[20000];
    struct serve s;
    start(&s, NULL);
    check(&s, GET_CLOSE("/nowhere", ""), 404, "Content-Length: 14", "404 Not Found\n");
    check(&s, "nonsense\r\n\r\n", 400, "Connection: close", "");
    check(&s, "GET / HTTP/1.1\r\n\r\n", 400, "", "");
    check(&s, "DELETE / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 405, "Allow: GET, HEAD\r\n", "");
    check(&s, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", 413, "Connection: close", "");
    check(&s, "GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505, "", "");
    snprintf(long_target, sizeof long_target, "GET /%08500d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    check(&s, long_target, 414, "", "");
    snprintf(many_headers, sizeof many_headers, "GET / HTTP/1.1\r\nHost: h\r\nA: %018000d\r\n\r\n", 0);
    check(&s, many_headers, 431, "", "");
    stop(&s);
}

static void test_serve_paths_out_of_the_root_are_refused(void **state)
{
    (void)state;
    struct serve s;
    start(&s, NULL);
    check(&s, GET_CLOSE("/../etc/passwd", ""), 400, "", "");
    check(&s, GET_CLOSE("/%2e%2e/etc/passwd", ""), 400, "", "");
    check(&s, GET_CLOSE("/d/%2e%2e%2f%2e%2e/etc/passwd", ""), 400, "", "");
    check(&s, GET_CLOSE("/index.html%00.txt", ""), 400, "", "");
    check(&s, GET_CLOSE("/out/passwd", ""), 404, "", "404 Not Found\n");
    check(&s, GET_CLOSE("//etc/passwd", ""), 404, "", "");
    stop(&s);
}

static void test_serve_ranges_send_their_part(void **state)
{
    (void)state;
    struct serve s;
    start(&s, NULL);
    check(&s, GET_CLOSE("/ten.txt", "Range: bytes=2-4\r\n"), 206, "Content-Range: bytes 2-4/10\r\n", "\r\n\r\n234");
    check(&s, GET_CLOSE("/ten.txt", "Range: bytes=-3\r\n"), 206, "Content-Length: 3\r\n", "\r\n\r\n789");
    check(&s, GET_CLOSE("/ten.txt", "Range: bytes=10-\r\n"), 416, "Content-Range: bytes */10\r\n", "");
    check(&s, GET_CLOSE("/ten.txt", "Range: bytes=0-1,3-4\r\n"), 200, "", "\r\n\r\n0123456789");
    check(&s, GET_CLOSE("/ten.txt", "Range: bytes=1-1\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 200, "",
          "\r\n\r\n0123456789");
    stop(&s);
}

static void test_serve_unchanged_file_is_not_sent_again(void **state)
{
    (void)state;
    char request[256], date[64];
    time_t now = time(NULL) + 60;
    struct tm tm;
    struct serve s;
    start(&s, NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    snprintf(request, sizeof request, GET_CLOSE("/ten.txt", "If-Modified-Since: %s\r\n"), date);
    check(&s, request, 304, "Last-Modified: ", "\r\n\r\n");
    check(&s, GET_CLOSE("/ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 200, "", "0123456789");
    stop(&s);
}

/* Old clients: closed after each answer, unless they ask for more. */
static void test_serve_http_1_0_keeps_the_connection_only_when_asked(void **state)
{
    (void)state;
    struct serve s;
    start(&s, NULL);
    check(&s, "GET /d/ HTTP/1.0\r\n\r\nGET /ten.txt HTTP/1.0\r\n\r\n", 200, "Connection: close", "inner");
    check(&s, "GET /d/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /ten.txt HTTP/1.0\r\n\r\n", 200,
          "Connection: keep-alive", "0123456789");
    stop(&s);
}

static void test_serve_connection_carries_many_requests(void **state)
{
    (void)state;
    struct serve s;
    struct buffer answer = {0};
    start(&s, NULL);
    int fd = dial(s.port);
    for (unsigned i = 1; i <= 5; i++) {
        assert_true(send_text(fd, GET("/ten.txt")));
        assert_true(read_until(fd, &answer, "0123456789", i));
    }
    assert_int_equal(count_of(answer.data, "Connection: keep-alive"), 5);
    close(fd);
    buffer_free(&answer);
    stop(&s);
}

static void test_serve_pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct serve s;
    start(&s, NULL);
    char *answer = ask(&s, GET("/ten.txt") "POST /d/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody" GET(
                               "/nowhere") GET_CLOSE("/d/", ""));
    const char *first = strstr(answer, "0123456789"), *second = strstr(answer, " 405 ");
    const char *third = strstr(answer, " 404 "), *fourth = strstr(answer, "inner");
    assert_true(first && second && third && fourth);
    assert_true(first < second && second < third && third < fourth);
    assert_int_equal(count_of(answer, "HTTP/1.1 "), 4);
    free(answer);
    stop(&s);
}

static void test_serve_slow_request_times_out(void **state)
{
    (void)state;
    struct serve s;
    start(&s, (const char *[]){"--header-timeout", "200", "--idle-timeout", "300", NULL});
    check(&s, "GET / HTTP/1.1\r\nHos", 408, "Connection: close", "");
    char *silent = ask(&s, ""); /* says nothing at all: closed without an answer */
    assert_true(!silent || *silent == '\0');
    free(silent);
    check(&s, GET_CLOSE("/d/", ""), 200, "", "inner"); /* others are served as ever */
    stop(&s);
}

/* It sends something all the time, and yet never a whole request: the timeout is for all of it. */
static void test_serve_request_that_trickles_times_out(void **state)
{
    (void)state;
    struct serve s;
    struct buffer answer = {0};
    char byte;
    start(&s, (const char *[]){"--header-timeout", "200", "--idle-timeout", "100000", NULL});
    int fd = dial(s.port);
    assert_true(send_text(fd, "GET / HTTP/1.1\r\nA: "));
    while (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
        assert_true(send_text(fd, "a"));
        usleep(20000);
    }
    read_to_end(fd, &answer);
    assert_non_null(strstr(answer.data, "HTTP/1.1 408 "));
    close(fd);
    buffer_free(&answer);
    stop(&s);
}

/* It asks and does not read. The next client gets in only once it has been given up. */
static void test_serve_client_that_does_not_read_is_given_up(void **state)
{
    (void)state;
    struct serve s;
    struct buffer got = {0};
    start(&s, (const char *[]){"--max-connections", "1", "--idle-timeout", "300", NULL});
    int lazy = dial(s.port);
    assert_true(send_text(lazy, GET("/huge")));
    check(&s, GET_CLOSE("/d/", ""), 200, "", "inner");
    read_to_end(lazy, &got);
    assert_non_null(strstr(got.data, "Content-Length: 67108864\r\n"));
    assert_true(got.length < HUGE);
    close(lazy);
    buffer_free(&got);
    stop(&s);
}

static void test_serve_full_makes_further_connections_wait(void **state)
{
    (void)state;
    struct serve s;
    struct buffer answer = {0};
    start(&s, (const char *[]){"--max-connections", "2", NULL});
    int first = dial(s.port), second = dial(s.port), third = dial(s.port);
    assert_true(send_text(first, GET("/d/")) && read_until(first, &answer, "inner", 1));
    assert_true(send_text(second, GET("/d/")) && read_until(second, &answer, "inner", 2));
    assert_true(send_text(third, GET("/d/"))); /* connected by the kernel, accepted once there is room */
    struct timeval patience = {.tv_usec = 200000};
    char byte;
    setsockopt(third, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(recv(third, &byte, 1, MSG_PEEK), -1);
    close(first);
    patience = (struct timeval){.tv_sec = 20};
    setsockopt(third, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_true(read_until(third, &answer, "inner", 3));
    close(second);
    close(third);
    buffer_free(&answer);
    stop(&s);
}

static void test_serve_delay_holds_all_answers_at_once(void **state)
{
    (void)state;
    enum { MANY = 500 };
    static int fds[MANY];
    struct serve s;
    struct timespec begun, ended;
    start(&s, (const char *[]){"--delay", "300", "--quiet", NULL});
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (unsigned i = 0; i < MANY; i++) {
        fds[i] = dial(s.port);
        assert_true(send_text(fds[i], GET_CLOSE("/d/", "")));
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct buffer answer = {0};
        read_to_end(fds[i], &answer);
        assert_non_null(strstr(answer.data, "inner"));
        buffer_free(&answer);
        close(fds[i]);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    double seconds = (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
    assert_true(seconds >= 0.3);
    assert_true(seconds < MANY * 0.3 / 4); /* one after the other it would be 150 s */
    stop(&s);
}

static void test_serve_stop_ends_idle_connections_and_finishes_answers(void **state)
{
    (void)state;
    struct serve s;
    struct buffer out = {0}, err = {0}, answer = {0};
    char byte;
    start(&s, (const char *[]){"--delay", "1500", NULL});
    int busy = dial(s.port), idle = dial(s.port);
    assert_true(send_text(idle, GET("/d/")) && read_until(idle, &answer, "inner", 1));
    assert_true(send_text(busy, GET("/d/")));
    usleep(200000); /* long enough for the request to arrive; its answer is due much later */
    kill(s.program.pid, SIGTERM);
    assert_int_equal(read(idle, &byte, 1), 0); /* closed at once … */
    assert_int_equal(recv(busy, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    assert_true(read_until(busy, &answer, "inner", 2)); /* … while this one still gets its answer */
    assert_int_equal(program_finish(&s.program, &out, &err), 0);
    close(busy);
    close(idle);
    buffer_free(&out);
    buffer_free(&err);
    buffer_free(&answer);
}

static void test_serve_out_of_descriptors_recovers(void **state)
{
    (void)state;
    enum { MANY = 120 };
    int fds[MANY];
    struct serve s;
    struct buffer answer = {0};
    char *argv[] = {
        "/bin/sh", "-c", "ulimit -n 100; exec \"$@\"", "sh", SERVE_PROGRAM, "--listen", "127.0.0.1:0", "--root", root,
        "--quiet", NULL};
    char line[128];
    assert_int_equal(program_start(&s.program, argv), 0);
    assert_true(program_read_line(&s.program, line, sizeof line) > 0);
    assert_int_equal(sscanf(line, "listening on http://127.0.0.1:%d/", &s.port), 1);
    for (int i = 0; i < MANY; i++)
        fds[i] = dial(s.port);
    assert_true(send_text(fds[0], GET("/nowhere"))); /* still answers, be it with 503 */
    assert_true(read_until(fds[0], &answer, "HTTP/1.1 ", 1));
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    check(&s, GET_CLOSE("/d/", ""), 200, "", "inner");
    buffer_free(&answer);
    stop(&s);
}

static void test_serve_wrong_usage_is_explained(void **state)
{
    (void)state;
    char *const wrong[][4] = {
        {SERVE_PROGRAM, "--delay", "soon", NULL},
        {SERVE_PROGRAM, "--no-such-option", NULL},
        {SERVE_PROGRAM, "surplus", NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct program p;
        struct buffer out = {0}, err = {0};
        assert_int_equal(program_start(&p, wrong[i]), 0);
        assert_int_equal(program_finish(&p, &out, &err), 2);
        assert_non_null(strstr(err.data, "usage: serve"));
        buffer_free(&out);
        buffer_free(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_files_and_folders_are_served),
        cmocka_unit_test(test_serve_content_type_follows_the_name),
        cmocka_unit_test(test_serve_errors_have_their_status),
        cmocka_unit_test(test_serve_paths_out_of_the_root_are_refused),
        cmocka_unit_test(test_serve_ranges_send_their_part),
        cmocka_unit_test(test_serve_unchanged_file_is_not_sent_again),
        cmocka_unit_test(test_serve_http_1_0_keeps_the_connection_only_when_asked),
        cmocka_unit_test(test_serve_connection_carries_many_requests),
        cmocka_unit_test(test_serve_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_serve_slow_request_times_out),
        cmocka_unit_test(test_serve_request_that_trickles_times_out),
        cmocka_unit_test(test_serve_client_that_does_not_read_is_given_up),
        cmocka_unit_test(test_serve_full_makes_further_connections_wait),
        cmocka_unit_test(test_serve_delay_holds_all_answers_at_once),
        cmocka_unit_test(test_serve_stop_ends_idle_connections_and_finishes_answers),
        cmocka_unit_test(test_serve_out_of_descriptors_recovers),
        cmocka_unit_test(test_serve_wrong_usage_is_explained),
    };
    alarm(110); /* a hang is a failure */
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
