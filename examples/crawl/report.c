#include "examples/crawl/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REFRESH_MS = 100 };

static const char erase_line[] = "\r\033[K";

void report_init(struct report *r, bool quiet)
{
    *r = (struct report){.quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1, .begun = weft_now()};
    weft_mutex_init(&r->lock);
}

void report_free(struct report *r)
{
    weft_mutex_fini(&r->lock);
    buffer_free(&r->rejected);
}

/* Also for a worker that was killed: what it has to say is still said. */
static void lock(struct report *r)
{
    weft_shield_begin();
    weft_mutex_lock(&r->lock);
    weft_shield_end();
}

static void erase_progress(struct report *r)
{
    if (r->shown)
        fputs(erase_line, stderr);
    r->shown = 0;
}

static void show_progress(struct report *r)
{
    int64_t now = weft_now();
    if (r->quiet || !r->terminal || now - r->shown < REFRESH_MS * WEFT_MILLISECOND)
        return;
    r->shown = now;
    fprintf(stderr, "%s%u pages, %u failed, %.1f MB, %.1f s", erase_line, r->fetched, r->failed, (double)r->bytes / 1e6,
            (double)(now - r->begun) / 1e9);
}

void report_visit(struct report *r, const struct visit *visit)
{
    lock(r);
    if (visit->problem) {
        r->failed++;
        if (!r->quiet) {
            erase_progress(r);
            fprintf(stderr, "%s: %s\n", visit->url.text, visit->problem);
        }
    } else {
        r->fetched += visit->status / 100 == 2; /* redirections lead to pages, they are none */
        r->bytes += visit->bytes;
    }
    show_progress(r);
    weft_mutex_unlock(&r->lock);
}

void report_rejected(struct report *r, const char *url, const char *why)
{
    fprintf(stderr, "%s: %s\n", url, why);
    r->failed++;
    buffer_print(&r->rejected, "%s{\"url\": ", r->rejected.length ? ", " : "");
    buffer_json(&r->rejected, url);
    buffer_print(&r->rejected, ", \"error\": ");
    buffer_json(&r->rejected, why);
    buffer_print(&r->rejected, "}");
}

void report_remark(struct report *r, const char *url, const char *format, ...)
{
    va_list args;
    if (r->quiet)
        return;
    va_start(args, format);
    lock(r);
    erase_progress(r);
    fprintf(stderr, "%s: ", url);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    weft_mutex_unlock(&r->lock);
    va_end(args);
}

void report_end_progress(struct report *r)
{
    lock(r);
    erase_progress(r);
    weft_mutex_unlock(&r->lock);
}

void report_print_totals(const struct report *r, double seconds, bool stopped)
{
    printf("%u pages, %llu bytes, %u failed, %.2f s%s\n", r->fetched, (unsigned long long)r->bytes, r->failed, seconds,
           stopped ? " (stopped)" : "");
}

static int print_visit(struct buffer *out, const struct visit *visit, bool first)
{
    int error = buffer_print(out, "%s\n  {\"url\": ", first ? "" : ",");
    if (!error)
        error = buffer_json(out, visit->url.text);
    if (!error)
        error = buffer_print(out, ", \"depth\": %u, \"status\": %d, \"bytes\": %llu, \"seconds\": %.3f", visit->depth,
                             visit->status, (unsigned long long)visit->bytes, (double)visit->took_ns / 1e9);
    if (!error && visit->problem && !(error = buffer_print(out, ", \"error\": ")))
        error = buffer_json(out, visit->problem);
    return error ? error : buffer_append(out, "}", 1);
}

int report_print_json(const struct report *r, const struct frontier *f, double seconds, bool stopped)
{
    struct buffer out = {0};
    bool first = true;
    int error = buffer_print(&out,
                             "{\"pages\": %u, \"bytes\": %llu, \"failed\": %u, \"seconds\": %.3f, \"stopped\": %s, "
                             "\"rejected\": [%.*s], \"visits\": [",
                             r->fetched, (unsigned long long)r->bytes, r->failed, seconds, stopped ? "true" : "false",
                             (int)r->rejected.length, r->rejected.data ? r->rejected.data : "");
    for (const struct visit *visit = f->made_first; visit && !error; visit = visit->next_made) {
        if (visit->done) {
            error = print_visit(&out, visit, first);
            first = false;
        }
    }
    if (!error)
        error = buffer_print(&out, "]}\n");
    if (!error)
        fwrite(out.data, 1, out.length, stdout);
    buffer_free(&out);
    return error;
}
