#include "examples/crawl/visit.h"

#include <errno.h>
#include <http_parser.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/crawl/fetch.h"
#include "examples/crawl/links.h"
#include "examples/crawl/save.h"

enum {
    MAX_REDIRECTS = 10,
    BACK_OFF_MS = 200, /* before the first retry; twice as long before each further one */
    BACK_OFF_MOST_MS = 10000,
};

static void set_problem(struct visit *visit, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void set_problem(struct visit *visit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (visit->problem || vasprintf(&visit->problem, format, args) < 0)
        visit->problem = visit->problem ? visit->problem : strdup("no memory");
    va_end(args);
}

/* ---- fetching ---- */

/* Over a connection from before if there is one. The site may have closed it meanwhile; then, and only then, a new one.
 * */
static int fetch_over(struct crawl *c, struct visit *visit, struct page *page, int *fd)
{
    *fd = frontier_take_connection(&c->frontier, visit);
    if (*fd >= 0) {
        int error = fetch_page(*fd, &visit->url, c->options.max_body, page);
        if (error != -EPIPE)
            return error;
        weft_close(*fd);
        page_free(page);
    }
    *fd = weft_tcp_dial(visit->host->address);
    return *fd < 0 ? *fd : fetch_page(*fd, &visit->url, c->options.max_body, page);
}

/* One attempt, bounded as a whole: no call in it takes a deadline of its own. */
static int fetch_once(struct crawl *c, struct visit *visit, struct page *page)
{
    int fd;
    weft_timeout timeout = {0};
    int error = weft_timeout_start(&timeout, c->options.timeout_ns);
    if (error)
        return error;
    error = fetch_over(c, visit, page, &fd);
    weft_timeout_stop(&timeout);
    if (fd >= 0 && error == 0 && page->reusable)
        frontier_give_connection(&c->frontier, visit, fd);
    else if (fd >= 0)
        weft_close(fd);
    return error;
}

static bool may_pass(int error, int status)
{
    switch (error) {
    case 0:
        return status == 429 || status == 500 || (status >= 502 && status <= 504);
    case -EPIPE:
    case -ECONNABORTED:
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -ETIMEDOUT:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EAGAIN:
        return true;
    default:
        return false;
    }
}

/* Exponential, with jitter: a site that failed for many at once is not asked again by all of them at once. */
static int back_off(unsigned attempt)
{
    int64_t most = attempt < 6 ? BACK_OFF_MS << attempt : BACK_OFF_MOST_MS;
    if (most > BACK_OFF_MOST_MS)
        most = BACK_OFF_MOST_MS;
    return weft_sleep((most / 2 + arc4random_uniform((uint32_t)most / 2 + 1)) * WEFT_MILLISECOND);
}

static bool is_stopping(struct crawl *c)
{
    return atomic_load_explicit(&c->stopping, memory_order_relaxed); /* a hint */
}

static int fetch_with_retries(struct crawl *c, struct visit *visit, struct page *page)
{
    for (unsigned attempt = 0;; attempt++) {
        int error = fetch_once(c, visit, page);
        if (is_stopping(c) && error != 0)
            return -ECANCELED;
        if (attempt == c->options.retries || !may_pass(error, page->status))
            return error;
        page_free(page);
        if (back_off(attempt) < 0 || is_stopping(c))
            return -ECANCELED;
    }
}

static void explain(struct crawl *c, struct visit *visit, const struct page *page, int error)
{
    switch (error) {
    case -ENOENT:
        set_problem(visit, "there is no such host");
        break;
    case -EAGAIN:
        set_problem(visit, "the name of the host could not be looked up at the moment");
        break;
    case -EPIPE:
        set_problem(visit, "the server closed the connection without an answer");
        break;
    case -ECONNABORTED:
        set_problem(visit, "the server closed the connection in the middle of its answer");
        break;
    case -ETIMEDOUT:
        set_problem(visit, "no complete answer within %.3g s", (double)c->options.timeout_ns / 1e9);
        break;
    case -EFBIG:
        set_problem(visit, "the body is larger than %llu bytes, the rest was not read",
                    (unsigned long long)c->options.max_body);
        break;
    case -EPROTO:
        set_problem(visit, "the answer is not valid HTTP: %s", page->detail);
        break;
    default:
        set_problem(visit, "%s", strerrordesc_np(-error) ? strerrordesc_np(-error) : "unknown error");
    }
}

/* ---- what follows from the answer ---- */

/* The links of one page, before they go to the frontier. */
struct found_links {
    struct url *urls;
    size_t count, capacity;
    unsigned bad;
    char first_bad[80];
    const char *first_why;
};

static void note_bad_link(struct found_links *links, const char *reference, enum url_result result)
{
    if (links->bad++ > 0)
        return;
    snprintf(links->first_bad, sizeof links->first_bad, "%s", reference);
    links->first_why = url_result_text(result);
}

static void add_found(struct found_links *links, const struct url *url)
{
    if (links->count == links->capacity) {
        size_t capacity = links->capacity ? links->capacity * 2 : 64;
        struct url *urls = reallocarray(links->urls, capacity, sizeof *urls);
        if (!urls) {
            free(url->text);
            return note_bad_link(links, "", URL_NO_MEMORY);
        }
        links->urls = urls;
        links->capacity = capacity;
    }
    links->urls[links->count++] = *url;
}

static void found_link(void *arg, const struct url *base, const char *reference)
{
    struct url url;
    enum url_result result = url_resolve(base, reference, &url);
    if (result == URL_OK)
        add_found(arg, &url);
    else if (result != URL_HTTPS && result != URL_OTHER_SCHEME)
        note_bad_link(arg, reference, result);
}

static void follow_links(struct crawl *c, struct visit *visit, const struct page *page)
{
    struct found_links links = {0};
    struct html_report html;
    const char *url = visit->url.text;
    bool added = links_find(page->body.data, page->body.length, &visit->url, found_link, &links, &html) == 0;
    added &= frontier_add_links(&c->frontier, links.urls, links.count, visit) == FRONTIER_ADDED;
    free(links.urls);
    if (!added)
        set_problem(visit, "no memory for its links");
    if (html.errors > 0)
        report_remark(&c->report, url, "broken HTML: %u errors, the first in line %d (%s); read as far as possible",
                      html.errors, html.first_line, html.first);
    if (links.bad > 0)
        report_remark(&c->report, url, "%u links are not followed; the first, \"%s\": %s", links.bad, links.first_bad,
                      links.first_why);
}

static void follow_redirect(struct crawl *c, struct visit *visit, const struct page *page)
{
    struct url target;
    if (page->location.length == 0)
        return set_problem(visit, "redirects, but does not say where to");
    if (visit->redirects == MAX_REDIRECTS)
        return set_problem(visit, "more than %d redirections one after the other", MAX_REDIRECTS);
    enum url_result result = url_resolve(&visit->url, page->location.data, &target);
    if (result != URL_OK)
        return set_problem(visit, "redirects to %.200s: %s", page->location.data, url_result_text(result));
    switch (frontier_add_redirect(&c->frontier, &target, visit)) {
    case FRONTIER_LOOP:
        return set_problem(visit, "redirects in a circle (to %.200s)", page->location.data);
    case FRONTIER_UNWANTED:
        return report_remark(&c->report, visit->url.text, "redirects to another site, %.200s, which is not followed",
                             page->location.data);
    case FRONTIER_NO_MEMORY:
        return set_problem(visit, "no memory");
    case FRONTIER_ADDED:
    case FRONTIER_SEEN:
        return;
    }
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void use_page(struct crawl *c, struct visit *visit, const struct page *page)
{
    visit->status = page->status;
    if (is_redirect(page->status))
        return follow_redirect(c, visit, page);
    if (page->status / 100 != 2)
        return set_problem(visit, "%d %s", page->status, http_status_str((enum http_status)page->status));
    visit->bytes = page->body.length;
    int error = c->output_folder >= 0 ? save_page(c->output_folder, &visit->url, &page->body) : 0;
    if (error)
        set_problem(visit, "could not be saved: %s", strerrordesc_np(-error));
    if (page->is_html && visit->depth < c->options.limits.max_depth)
        follow_links(c, visit, page);
}

void visit_page(struct crawl *c, struct visit *visit)
{
    struct page page = {0};
    int64_t begun = weft_now();
    int error = fetch_with_retries(c, visit, &page);
    if (error == 0)
        use_page(c, visit, &page);
    else if (error != -ECANCELED)
        explain(c, visit, &page, error);
    visit->took_ns = weft_now() - begun;
    visit->done = error != -ECANCELED;
    if (visit->done)
        report_visit(&c->report, visit);
    page_free(&page);
}
