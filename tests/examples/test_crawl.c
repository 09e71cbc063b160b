/* The program crawl from outside, against a server that misbehaves. */
#include "tests/examples/cmocka_all.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/examples/support.h"

/* ---- the server ---- */

static struct rough_server server;
static atomic_uint flaky_hits, silent_hits, page_hits, connections;
static atomic_uint slow_now,
    slow_most; /* requests for /slow/ that are held at this moment, and the most there ever were */
static _Atomic(int64_t) flaky_at[4]; /* when, in milliseconds */

static bool answer(int fd, const char *status, const char *headers, const char *body)
{
    char text[4096];
    snprintf(text, sizeof text, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
    return send_text(fd, text);
}

static bool answer_html(int fd, const char *body)
{
    return answer(fd, "200 OK", "Content-Type: text/html\r\n", body);
}

static bool redirect(int fd, const char *to)
{
    char header[512];
    snprintf(header, sizeof header, "Location: %s\r\n", to);
    return answer(fd, "302 Found", header, "");
}

static bool send_chunked(int fd)
{
    bool sent = send_text(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n");
    static const char *const pieces[] = {"9\r\n<a href=p", "\r\n8;x=y\r\nage/1>a<", "\r\n3\r\n/a>\r\n0",
                                         "\r\nTrailer: 1\r\n\r\n"};
    for (size_t i = 0; i < 4 && sent; i++)
        sent = send_text(fd, pieces[i]);
    return sent;
}

static bool send_for_ever(int fd)
{
    static const char piece[] = "<p>and on and on it goes</p>\n";
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n");
    while (send_text(fd, piece))
        ;
    return false;
}

/* Wait until the client gives up. */
static bool say_nothing(int fd)
{
    char byte;
    atomic_fetch_add(&silent_hits, 1);
    while (read(fd, &byte, 1) > 0)
        ;
    return false;
}

static bool answer_index(int fd)
{
    return answer_html(fd, "<html><body><a href='page/1'>1</a><a href='/page/2#x'>2</a><a href='/page/2#y'>2</a>"
                           "<a href='./page/../page/3'>3</a><a href='http://elsewhere.invalid/'>e</a>"
                           "<a href='mailto:a@b'>m</a><a href='https://h/'>s</a><a href='/'>self</a></body></html>");
}

static bool answer_redirect(int fd, const char *path)
{
    int left;
    char to[64];
    if (strcmp(path, "/circle/1") == 0)
        return redirect(fd, "/circle/2");
    if (strcmp(path, "/circle/2") == 0)
        return redirect(fd, "1");
    if (strcmp(path, "/secure") == 0)
        return redirect(fd, "https://h/");
    if (sscanf(path, "/redirect/%d", &left) != 1 || left == 0)
        return answer_html(fd, "arrived");
    snprintf(to, sizeof to, "%d", left - 1);
    return redirect(fd, to);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool answer_flaky(int fd)
{
    unsigned hit = atomic_fetch_add(&flaky_hits, 1);
    if (hit < 4)
        atomic_store(&flaky_at[hit], now_ms());
    return hit < 2 ? answer(fd, "503 Service Unavailable", "", "") : answer_html(fd, "at last");
}

/* The first leads to twenty others; each is held for a moment. */
static bool answer_slow(int fd, const char *path)
{
    char links[20 * 32] = "";
    unsigned now = atomic_fetch_add(&slow_now, 1) + 1, most = atomic_load(&slow_most);
    while (now > most && !atomic_compare_exchange_weak(&slow_most, &most, now))
        ;
    usleep(30000);
    for (int i = 0; strcmp(path, "/slow/") == 0 && i < 20; i++)
        sprintf(links + strlen(links), "<a href='%d'>x</a>", i);
    atomic_fetch_sub(&slow_now, 1); /* before the answer: the client may ask for more as soon as it has it */
    return answer_html(fd, links);
}

static bool answer_trouble(int fd, const char *path)
{
    if (strcmp(path, "/endless") == 0)
        return send_for_ever(fd);
    if (strcmp(path, "/silent") == 0)
        return say_nothing(fd);
    if (strcmp(path, "/truncated") == 0)
        return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this") && false;
    if (strcmp(path, "/large") == 0)
        return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n") && false;
    if (strcmp(path, "/garbage") == 0)
        return send_text(fd, "220 this is a mail server\r\n") && false;
    if (strcmp(path, "/broken") == 0)
        return answer_html(fd, "<html><body></i><a href=/page/4>x<div></b></p><a href='/page/5'>y</table>");
    if (strcmp(path, "/badlink") == 0)
        return answer_html(fd, "<html><body><a href='http://[bad/'>x</a><a href=/page/6>y</a></body></html>");
    return strcmp(path, "/flaky") == 0 ? answer_flaky(fd) : false; /* "/slam": closes without a word */
}

static bool handle(int fd, const char *path, unsigned nth, void *arg)
{
    (void)arg;
    atomic_fetch_add(&connections, nth == 0);
    if (strcmp(path, "/") == 0)
        return answer_index(fd);
    if (strncmp(path, "/page/", 6) == 0) {
        atomic_fetch_add(&page_hits, 1);
        return answer_html(fd, "<html><body><a href='/'>home</a></body></html>");
    }
    if (strncmp(path, "/once/", 6) == 0) /* promises to keep the connection, and closes it */
        return answer_html(fd, "<html><body><a href='/once/2'>2</a><a href='/once/3'>3</a></body></html>") && false;
    if (strncmp(path, "/slow/", 6) == 0)
        return answer_slow(fd, path);
    if (strcmp(path, "/chunked") == 0)
        return send_chunked(fd);
    if (strcmp(path, "/until-close") == 0)
        return send_text(fd, "HTTP/1.0 200 OK\r\n\r\nall of it") && false;
    if (strcmp(path, "/missing") == 0)
        return answer(fd, "404 Not Found", "", "no");
    if (strncmp(path, "/redirect/", 10) == 0 || strncmp(path, "/circle/", 8) == 0 || strcmp(path, "/secure") == 0)
        return answer_redirect(fd, path);
    return answer_trouble(fd, path);
}

static int start_server(void **state)
{
    (void)state;
    return rough_server_start(&server, handle, NULL);
}

static int stop_server(void **state)
{
    (void)state;
    rough_server_stop(&server);
    return 0;
}

/* ---- running crawl ---- */

struct crawl_run {
    struct program program;
    struct buffer out, err;
};

/* Start crawl on `path` of the server (NULL: no URL) with these options, which may be NULL. */
static void start(struct crawl_run *run, const char *path, const char *const *options)
{
    char url[128];
    char *argv[16] = {CRAWL_PROGRAM};
    size_t count = 1;
    *run = (struct crawl_run){0};
    for (; options && *options; options++)
        argv[count++] = (char *)*options;
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server.port, path ? path : "");
    if (path)
        argv[count] = url;
    assert_int_equal(program_start(&run->program, argv), 0);
}

static void forget(struct crawl_run *run)
{
    buffer_free(&run->out);
    buffer_free(&run->err);
}

/* It has to end with this status, and to print these parts on stdout and stderr. */
static void finish(struct crawl_run *run, int status, const char *out, const char *err)
{
    int got = program_finish(&run->program, &run->out, &run->err);
    if (got != status || !strstr(run->out.data, out) || !strstr(run->err.data, err))
        fail_msg("status %d, stdout: %s, stderr: %s", got, run->out.data, run->err.data);
}

static void check(const char *path, const char *const *options, int status, const char *out, const char *err)
{
    struct crawl_run run;
    start(&run, path, options);
    finish(&run, status, out, err);
    forget(&run);
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- following links ---- */

static void test_crawl_links_of_the_site_are_followed_once_each(void **state)
{
    (void)state;
    atomic_store(&page_hits, 0);
    check("/", NULL, 0, "4 pages", "");
    assert_int_equal(atomic_load(&page_hits), 3);
    check("/", OPTIONS("--serial"), 0, "4 pages", "");
    check("/", OPTIONS("--threads", "--jobs", "3"), 0, "4 pages", "");
    check("/", OPTIONS("--jobs", "1"), 0, "4 pages", "");
    check("/", OPTIONS("--per-host", "1"), 0, "4 pages", "");
}

static void test_crawl_limits_bound_what_is_fetched(void **state)
{
    (void)state;
    check("/", OPTIONS("--depth", "0"), 0, "1 pages", "");
    check("/", OPTIONS("--max-pages", "2"), 0, "2 pages", "");
}

/* Crawl the 21 slow pages with these options. The most that were asked for at once. */
static unsigned most_at_once(const char *const *options)
{
    atomic_store(&slow_most, 0);
    check("/slow/", options, 0, "21 pages", "");
    return atomic_load(&slow_most);
}

static void test_crawl_fetches_at_once_are_bounded_in_all_and_per_host(void **state)
{
    (void)state;
    assert_int_equal(most_at_once(OPTIONS("--per-host", "1")), 1);
    unsigned most = most_at_once(OPTIONS("--per-host", "3", "--jobs", "100"));
    assert_true(most > 1 && most <= 3);
    most = most_at_once(OPTIONS("--per-host", "100", "--jobs", "4"));
    assert_true(most > 1 && most <= 4);
    assert_int_equal(most_at_once(OPTIONS("--serial")), 1);
}

static void test_crawl_connections_are_used_again(void **state)
{
    (void)state;
    atomic_store(&connections, 0);
    check("/", OPTIONS("--serial"), 0, "4 pages", "");
    assert_int_equal(atomic_load(&connections), 1);
}

static void test_crawl_connection_closed_meanwhile_is_opened_anew(void **state)
{
    (void)state;
    check("/once/1", OPTIONS("--retries", "0", "--serial"), 0, "3 pages", "");
}

static void test_crawl_chunked_and_unbounded_bodies_are_read(void **state)
{
    (void)state;
    check("/chunked", NULL, 0, "5 pages", ""); /* its link leads to page/1, that to the index, that to two more */
    check("/until-close", NULL, 0, "1 pages, 9 bytes", "");
}

/* ---- redirections ---- */

static void test_crawl_redirects_are_followed_up_to_ten(void **state)
{
    (void)state;
    check("/redirect/10", NULL, 0, "1 pages, 7 bytes", "");
    check("/redirect/11", NULL, 1, "0 pages", "/redirect/1: more than 10 redirections");
}

static void test_crawl_redirect_in_a_circle_is_reported(void **state)
{
    (void)state;
    check("/circle/1", NULL, 1, "0 pages", "/circle/2: redirects in a circle");
    check("/secure", NULL, 1, "0 pages", "/secure: redirects to https://h/: https:// is not supported");
}

/* ---- trouble ---- */

static void test_crawl_bad_urls_are_reported_and_the_rest_fetched(void **state)
{
    (void)state;
    check("/page/1", OPTIONS("--depth", "0", "http://h:99999/"), 1, "1 pages", "http://h:99999/: bad URL: the port");
    check("/page/1", OPTIONS("--depth", "0", "nonsense"), 1, "1 pages", "nonsense: not a whole URL");
    check("/page/1", OPTIONS("--depth", "0", "https://h/"), 1, "1 pages", "https://h/: https:// is not supported");
}

static void test_crawl_dead_hosts_are_reported_and_the_rest_fetched(void **state)
{
    (void)state;
    check("/page/1", OPTIONS("--depth", "0", "--retries", "1", "http://127.0.0.1:1/"), 1, "1 pages",
          "http://127.0.0.1:1/: Connection refused");
    check("/page/1", OPTIONS("--depth", "0", "--retries", "0", "http://no-such-host.invalid/"), 1, "1 pages",
          "http://no-such-host.invalid/: ");
}

static void test_crawl_answers_that_are_none_are_reported(void **state)
{
    (void)state;
    const char *const *once = OPTIONS("--retries", "0");
    check("/missing", once, 1, "0 pages", "/missing: 404 Not Found");
    check("/garbage", once, 1, "0 pages", "/garbage: the answer is not valid HTTP");
    check("/slam", once, 1, "0 pages", "/slam: the server closed the connection without an answer");
    check("/truncated", once, 1, "0 pages", "/truncated: the server closed the connection in the middle");
}

static void test_crawl_endless_body_is_given_up(void **state)
{
    (void)state;
    check("/endless", OPTIONS("--max-body", "100000"), 1, "0 pages", "/endless: the body is larger than 100000 bytes");
    check("/large", NULL, 1, "0 pages", "/large: the body is larger than 16777216 bytes");
}

static void test_crawl_silent_server_times_out(void **state)
{
    (void)state;
    check("/silent", OPTIONS("--timeout", "200", "--retries", "0"), 1, "0 pages",
          "/silent: no complete answer within 0.2 s");
    check("/silent", OPTIONS("--timeout", "200", "--retries", "0", "--serial"), 1, "0 pages", "no complete answer");
}

static void test_crawl_broken_html_is_remarked_and_followed(void **state)
{
    (void)state;
    check("/broken", OPTIONS("--depth", "1"), 0, "3 pages", "/broken: broken HTML: ");
    check("/badlink", OPTIONS("--depth", "1"), 0, "2 pages",
          "/badlink: 1 links are not followed; the first, \"http://[bad/\"");
}

static void test_crawl_errors_that_pass_are_retried(void **state)
{
    (void)state;
    atomic_store(&flaky_hits, 0);
    check("/flaky", OPTIONS("--retries", "1"), 1, "0 pages", "/flaky: 503 Service Unavailable");
    assert_int_equal(atomic_load(&flaky_hits), 2);
    atomic_store(&flaky_hits, 0);
    check("/flaky", OPTIONS("--retries", "2"), 0, "1 pages", "");
    assert_int_equal(atomic_load(&flaky_hits), 3);
    /* Half of 200 ms at least, then half of 400 ms. */
    assert_true(atomic_load(&flaky_at[1]) - atomic_load(&flaky_at[0]) >= 99);
    assert_true(atomic_load(&flaky_at[2]) - atomic_load(&flaky_at[1]) >= 199);
}

/* ---- the program ---- */

static void test_crawl_interrupt_stops_with_what_was_fetched(void **state)
{
    (void)state;
    char url[128];
    struct crawl_run run;
    atomic_store(&silent_hits, 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/page/9", server.port);
    start(&run, "/silent", OPTIONS("--depth", "0", "--timeout", "100000", url));
    while (atomic_load(&silent_hits) == 0)
        usleep(1000);
    usleep(200000); /* the other page takes no time, but nothing tells when it was counted */
    kill(run.program.pid, SIGINT);
    finish(&run, 130, "1 pages", "stopping");
    assert_non_null(strstr(run.out.data, "(stopped)"));
    forget(&run);
}

static void test_crawl_second_interrupt_quits_at_once(void **state)
{
    (void)state;
    char first[256] = "";
    struct crawl_run run;
    atomic_store(&silent_hits, 0);
    start(&run, "/silent", OPTIONS("--serial", "--timeout", "100000")); /* serial: only the second can end the wait */
    while (atomic_load(&silent_hits) == 0)
        usleep(1000);
    kill(run.program.pid, SIGINT);
    for (size_t i = 0; i + 1 < sizeof first && !strstr(first, "stopping"); i++) {
        if (read(run.program.err, first + i, 1) != 1)
            break;
    }
    assert_non_null(strstr(first, "stopping"));
    kill(run.program.pid, SIGINT);
    finish(&run, 130, "", "");
    forget(&run);
}

static void test_crawl_progress_is_shown_on_a_terminal_only(void **state)
{
    (void)state;
    char command[128], url[64], shown[4096] = "";
    struct crawl_run run = {0};
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC); /* ours keeps what is written to it */
    assert_true(slave >= 0);
    snprintf(command, sizeof command, "exec \"$0\" \"$@\" 2>%s", ptsname(master));
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server.port);
    char *argv[] = {"/bin/sh", "-c", command, CRAWL_PROGRAM, url, NULL};
    assert_int_equal(program_start(&run.program, argv), 0);
    finish(&run, 0, "4 pages", "");
    assert_true(read(master, shown, sizeof shown - 1) > 0);
    assert_non_null(strstr(shown, "1 pages, 0 failed, "));
    forget(&run);
    close(slave);
    close(master);

    start(&run, "/", NULL);
    finish(&run, 0, "4 pages", "");
    assert_string_equal(run.err.data, "");
    forget(&run);
}

static void test_crawl_json_is_one_object(void **state)
{
    (void)state;
    struct crawl_run run;
    start(&run, "/missing", OPTIONS("--json", "--quiet", "--retries", "0", "x\"y"));
    finish(&run, 1, "\"status\": 404", "");
    assert_true(run.out.data[0] == '{');
    assert_non_null(strstr(run.out.data, "\"failed\": 2"));
    assert_non_null(strstr(run.out.data, "\"url\": \"x\\\"y\""));
    assert_string_equal(run.out.data + strlen(run.out.data) - 3, "]}\n");
    forget(&run);
}

static void test_crawl_output_saves_each_page(void **state)
{
    (void)state;
    char folder[] = "/tmp/weft-test-crawl-XXXXXX", command[128];
    unsigned files = 0;
    assert_non_null(mkdtemp(folder));
    check("/", OPTIONS("--output", folder), 0, "4 pages", "");
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        files += entry->d_name[0] != '.';
    closedir(dir);
    assert_int_equal(files, 4);
    snprintf(command, sizeof command, "grep -q home %s/127.0.0.1%%3A%d+page+1 && rm -r %s", folder, server.port,
             folder);
    assert_int_equal(system(command), 0);
}

static void test_crawl_wrong_usage_is_explained(void **state)
{
    (void)state;
    check(NULL, NULL, 2, "", "which URL?");
    check("/", OPTIONS("--jobs", "0"), 2, "", "--jobs 0: expected a whole number from 1 to 100000");
    check("/", OPTIONS("--table"), 2, "", "--table takes no URL");
    check(NULL, OPTIONS("--table", "--site", "/nonexistent"), 1, "", "git-doc");
}

/* The bytes of the first four rows, and of the last three. */
static void check_bytes_agree(const char *json)
{
    long bytes[7];
    for (size_t i = 0; i < 7; i++) {
        json = strstr(json, "\"bytes\": ");
        assert_non_null(json);
        json += strlen("\"bytes\": ");
        bytes[i] = atol(json);
        assert_true(bytes[i] > 0);
        assert_int_equal(bytes[i], i < 4 ? bytes[0] : bytes[4]);
    }
}

/* A small site of its own: the rows must agree, and together must be faster. */
static void test_table_of_a_small_site_has_all_rows(void **state)
{
    (void)state;
    char folder[] = "/tmp/weft-test-table-XXXXXX", path[64], command[64];
    struct crawl_run run;
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, i ? "%s/%d.html" : "%s/index.html", folder, i);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file,
                "<html><body><a href='%d.html'>next</a> <a href='%d.html'>another</a> <a "
                "href='3.html'>third</a></body></html>",
                i % 11 + 1, i * 2 % 11 + 2);
        fclose(file);
    }
    start(&run, NULL, OPTIONS("--table", "--json", "--site", folder, "--delay", "50", "--site-delay", "20"));
    finish(&run, 0, "\"rows\": [", "");
    static const char *const modes[] = {"\"serial\"",      "\"threads\"",     "\"weft-1\"",       "\"weft-all\"",
                                        "\"site-serial\"", "\"site-weft-1\"", "\"site-weft-all\""};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        assert_int_equal(count_of(run.out.data, modes[i]), i == 0 ? 2 : 1); /* "serial" also names the article's */
    assert_int_equal(count_of(run.out.data, "\"urls\": 12"), 3);
    assert_int_equal(count_of(run.out.data, "\"urls\": 4"), 4);
    assert_int_equal(count_of(run.out.data, "\"seconds\": "), 7);
    check_bytes_agree(run.out.data);
    assert_true(run.out.data[0] == '{'); /* one object, and nothing else */
    assert_string_equal(run.out.data + strlen(run.out.data) - 2, "}\n");
    assert_int_equal(count_of(run.out.data, "{"), count_of(run.out.data, "}"));
    forget(&run);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crawl_links_of_the_site_are_followed_once_each),
        cmocka_unit_test(test_crawl_limits_bound_what_is_fetched),
        cmocka_unit_test(test_crawl_fetches_at_once_are_bounded_in_all_and_per_host),
        cmocka_unit_test(test_crawl_connections_are_used_again),
        cmocka_unit_test(test_crawl_connection_closed_meanwhile_is_opened_anew),
        cmocka_unit_test(test_crawl_chunked_and_unbounded_bodies_are_read),
        cmocka_unit_test(test_crawl_redirects_are_followed_up_to_ten),
        cmocka_unit_test(test_crawl_redirect_in_a_circle_is_reported),
        cmocka_unit_test(test_crawl_bad_urls_are_reported_and_the_rest_fetched),
        cmocka_unit_test(test_crawl_dead_hosts_are_reported_and_the_rest_fetched),
        cmocka_unit_test(test_crawl_answers_that_are_none_are_reported),
        cmocka_unit_test(test_crawl_endless_body_is_given_up),
        cmocka_unit_test(test_crawl_silent_server_times_out),
        cmocka_unit_test(test_crawl_broken_html_is_remarked_and_followed),
        cmocka_unit_test(test_crawl_errors_that_pass_are_retried),
        cmocka_unit_test(test_crawl_interrupt_stops_with_what_was_fetched),
        cmocka_unit_test(test_crawl_second_interrupt_quits_at_once),
        cmocka_unit_test(test_crawl_progress_is_shown_on_a_terminal_only),
        cmocka_unit_test(test_crawl_json_is_one_object),
        cmocka_unit_test(test_crawl_output_saves_each_page),
        cmocka_unit_test(test_crawl_wrong_usage_is_explained),
        cmocka_unit_test(test_table_of_a_small_site_has_all_rows),
    };
    alarm(110); /* a hang is a failure */
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
