/* The parts of crawl that need no socket: URLs, links, file names. */
#include "tests/examples/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/crawl/links.h"
#include "examples/crawl/save.h"
#include "examples/crawl/url.h"

static const char base_text[] = "http://a/b/c/d;p?q";

/* `reference`, in the page `base` (NULL: none), has to become `expected`. */
static void check_from(const char *base, const char *reference, const char *expected)
{
    struct url from = {0}, url;
    if (base)
        assert_int_equal(url_resolve(NULL, base, &from), URL_OK);
    assert_int_equal(url_resolve(base ? &from : NULL, reference, &url), URL_OK);
    assert_string_equal(url.text, expected);
    url_free(&url);
    url_free(&from);
}

static void check(const char *reference, const char *expected)
{
    check_from(base_text, reference, expected);
}

static void test_url_reference_resolves_as_rfc_3986_says(void **state)
{
    (void)state;
    check("g", "http://a/b/c/g");
    check("./g", "http://a/b/c/g");
    check("g/", "http://a/b/c/g/");
    check("/g", "http://a/g");
    check("//g", "http://g/");
    check("?y", "http://a/b/c/d;p?y");
    check("g?y", "http://a/b/c/g?y");
    check("#s", "http://a/b/c/d;p?q");
    check("g#s", "http://a/b/c/g");
    check(";x", "http://a/b/c/;x");
    check("", "http://a/b/c/d;p?q");
    check(".", "http://a/b/c/");
    check("./", "http://a/b/c/");
    check("..", "http://a/b/");
    check("../g", "http://a/b/g");
    check("../..", "http://a/");
    check("../../g", "http://a/g");
    check("../../../g", "http://a/g");
    check("/./g", "http://a/g");
    check("/../g", "http://a/g");
    check("g.", "http://a/b/c/g.");
    check("..g", "http://a/b/c/..g");
    check("./../g", "http://a/b/g");
    check("g/./h", "http://a/b/c/g/h");
    check("g/../h", "http://a/b/c/h");
    check("g;x=1/../y", "http://a/b/c/y");
    check("g?y/../x", "http://a/b/c/g?y/../x");
}

static void test_url_written_in_several_ways_becomes_one(void **state)
{
    (void)state;
    check_from(NULL, "HTTP://Example.COM", "http://example.com/");
    check_from(NULL, "http://example.com:80/", "http://example.com/");
    check_from(NULL, "http://example.com:/", "http://example.com/");
    check_from(NULL, "http://example.com:8080?x", "http://example.com:8080/?x");
    check_from(NULL, "http://h/%7euser/%c3%a4?%2f", "http://h/~user/%C3%A4?%2F");
    check_from(NULL, "http://h/a b\xc3\xa4", "http://h/a%20b%C3%A4");
    check_from(NULL, "  http://h/a\n/b\t ", "http://h/a/b");
    check_from(NULL, "http://h/a/%2e%2e/b", "http://h/b");
    check_from(NULL, "http:\\\\h\\a", "http://h/a");
    check_from(NULL, "http://[::1]:8080/x", "http://[::1]:8080/x");
    check_from(NULL, "http://h/100%", "http://h/100%25");
    check_from(NULL, "http://h/a?b?c#d?e", "http://h/a?b?c");
}

static void test_url_bad_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum url_result result;
    } bad[] = {
        {"", URL_NO_SCHEME},
        {"example.com", URL_NO_SCHEME},
        {"/path", URL_NO_SCHEME},
        {"https://h/", URL_HTTPS},
        {"ftp://h/", URL_OTHER_SCHEME},
        {"mailto:a@b", URL_OTHER_SCHEME},
        {"http:", URL_BAD_HOST},
        {"http://", URL_BAD_HOST},
        {"http:///x", URL_BAD_HOST},
        {"http://a b/", URL_BAD_HOST},
        {"http://[::1/", URL_BAD_HOST},
        {"http://h:0/", URL_BAD_PORT},
        {"http://h:x/", URL_BAD_PORT},
        {"http://h:65536/", URL_BAD_PORT},
        {"http://u:p@h/", URL_USER_NAME},
        {"http://h\xc3\xa4/", URL_BAD_HOST},
    };
    struct url url;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(url_resolve(NULL, bad[i].text, &url), bad[i].result);
        assert_non_null(url_result_text(bad[i].result));
    }
    char *text = malloc(3 * URL_MAX_LENGTH);
    snprintf(text, 3 * URL_MAX_LENGTH, "http://h/%0*d", URL_MAX_LENGTH, 0);
    assert_int_equal(url_resolve(NULL, text, &url), URL_TOO_LONG);
    memset(text + 9, ' ', URL_MAX_LENGTH - 20); /* each becomes three */
    strcpy(text + URL_MAX_LENGTH - 20, "x");
    assert_int_equal(url_resolve(NULL, text, &url), URL_TOO_LONG);
    free(text);
}

/* ---- links ---- */

static void append_link(void *arg, const struct url *base, const char *reference)
{
    struct url url;
    if (url_resolve(base, reference, &url) == URL_OK) {
        strcat(strcat(arg, url.text + URL_HOST), " ");
        url_free(&url);
    }
}

static unsigned check_links(const char *html, const char *expected)
{
    char found[1024] = "";
    struct html_report report;
    struct url page;
    assert_int_equal(url_resolve(NULL, "http://h/d/p", &page), URL_OK);
    assert_int_equal(links_find(html, strlen(html), &page, append_link, found, &report), 0);
    assert_string_equal(found, expected);
    url_free(&page);
    return report.errors;
}

static void test_links_of_a_sound_page_are_found_in_order(void **state)
{
    (void)state;
    unsigned errors =
        check_links("<!DOCTYPE html><html><head><title>t</title></head><body><nav><a href=1>x</a></nav>"
                    "<A HREF='/2?a=1&amp;b=2'>y</A><map name=m><area href=\"3\" alt=z></map><a name=n>z</a>"
                    "<iframe src=4></iframe><a href=5#f></a></body></html>",
                    "h/d/1 h/2?a=1&b=2 h/d/3 h/d/4 h/d/5 ");
    assert_int_equal(errors, 0);
}

static void test_links_with_a_base_are_relative_to_it(void **state)
{
    (void)state;
    check_links("<html><head><base href=\"http://other/x/\"></head><body><a href=y>y</a></body></html>", "other/x/y ");
}

static void test_links_in_comments_and_scripts_do_not_count(void **state)
{
    (void)state;
    unsigned errors = check_links("<html><body><!-- <a href=1> --><script>x = \"<a href=2></a><a href=3></a>\"</script>"
                                  "<a href=4>4</a></body></html>",
                                  "h/d/4 ");
    assert_int_equal(errors, 0);
}

static void test_links_of_broken_html_are_found_and_errors_counted(void **state)
{
    (void)state;
    assert_true(check_links("<html><body></i><a href=1>x<div></b></p><a href='2'>y</table>", "h/d/1 h/d/2 ") > 0);
    check_links("", "");
    check_links("<a href=\"mailto:never-closed", "");
    check_links("\x01<<<<>>>&&&;<a href=1>", "h/d/1 ");
}

/* ---- file names ---- */

static void check_name(const char *text, const char *expected)
{
    char name[SAVE_NAME_SIZE];
    struct url url;
    assert_int_equal(url_resolve(NULL, text, &url), URL_OK);
    save_name(&url, name);
    assert_string_equal(name, expected);
    url_free(&url);
}

static void test_name_of_page_is_safe_and_readable(void **state)
{
    (void)state;
    check_name("http://h/", "h+");
    check_name("http://h:8080/a/b.html?x=1", "h%3A8080+a+b.html%3Fx%3D1");
    check_name("http://h/a+b_c", "h+a%2Bb_c");
    check_name("http://../x", "%2E.+x");
}

static void test_name_of_long_url_is_cut_and_still_its_own(void **state)
{
    (void)state;
    char text[1000], first[SAVE_NAME_SIZE], second[SAVE_NAME_SIZE];
    struct url url;
    snprintf(text, sizeof text, "http://h/%0600d/1", 0);
    assert_int_equal(url_resolve(NULL, text, &url), URL_OK);
    save_name(&url, first);
    url_free(&url);
    text[strlen(text) - 1] = '2';
    assert_int_equal(url_resolve(NULL, text, &url), URL_OK);
    save_name(&url, second);
    url_free(&url);
    assert_true(strlen(first) < 255);
    assert_string_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_reference_resolves_as_rfc_3986_says),
        cmocka_unit_test(test_url_written_in_several_ways_becomes_one),
        cmocka_unit_test(test_url_bad_is_refused_with_a_reason),
        cmocka_unit_test(test_links_of_a_sound_page_are_found_in_order),
        cmocka_unit_test(test_links_with_a_base_are_relative_to_it),
        cmocka_unit_test(test_links_in_comments_and_scripts_do_not_count),
        cmocka_unit_test(test_links_of_broken_html_are_found_and_errors_counted),
        cmocka_unit_test(test_name_of_page_is_safe_and_readable),
        cmocka_unit_test(test_name_of_long_url_is_cut_and_still_its_own),
    };
    links_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
