#include "examples/crawl/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/crawl/links.h"
#include "examples/crawl/table_server.h"

enum {
    FOUR = 4,
    SITE_JOBS = 256, /* at once, when the whole site is crawled; of the article's four pages all at once */
};

/* What the article measured, of the same four pages: one after the other, and together in one thread. */
static const double article_serial = 15.1, article_together = 3.8;

struct way {
    const char *what, *mode, *text;
    enum crawl_mode workers;
    unsigned runtime_threads; /* of CRAWL_COROUTINES; 0: as many as there are cores */
    double article;           /* seconds, 0: not in the article */
};

static const struct way four_ways[] = {
    {"four", "serial", "one thread, one after the other", CRAWL_SERIAL, 0, article_serial},
    {"four", "threads", "a POSIX thread per page", CRAWL_THREADS, 0, 0},
    {"four", "weft-1", "a coroutine per page, one worker", CRAWL_COROUTINES, 1, article_together},
    {"four", "weft-all", "a coroutine per page, all workers", CRAWL_COROUTINES, 0, 0},
};

static const struct way site_ways[] = {
    {"site", "site-serial", "one thread, one after the other", CRAWL_SERIAL, 0, 0},
    {"site", "site-weft-1", "256 coroutines, one worker", CRAWL_COROUTINES, 1, 0},
    {"site", "site-weft-all", "256 coroutines, all workers", CRAWL_COROUTINES, 0, 0},
};

enum { ROWS = sizeof four_ways / sizeof four_ways[0] + sizeof site_ways / sizeof site_ways[0] };

struct row {
    const struct way *way;
    unsigned urls, failed, workers;
    uint64_t bytes;
    double seconds, speedup;
};

struct table {
    const struct options *options;
    struct row rows[ROWS];
    size_t count;
};

/* ---- one row ---- */

static int start_runtime(const struct way *way, struct row *row)
{
    weft_config config;
    weft_stats_info stats;
    row->workers = 1;
    if (way->workers != CRAWL_COROUTINES)
        return 0;
    int error = weft_config_from_env(&config);
    if (!error && way->runtime_threads)
        config.threads = way->runtime_threads;
    if (!error)
        error = weft_start(&config);
    if (!error && weft_stats(&stats) == 0)
        row->workers = stats.workers;
    return error;
}

/* Crawl `urls` in this way. The time is that of the whole: the runtime is started and stopped in it. */
static int measure(const struct way *way, const struct crawl_options *base, char **urls, struct row *row)
{
    static struct crawl crawl;
    struct crawl_options options = *base;
    options.mode = way->workers;
    *row = (struct row){.way = way};
    if (crawl_open(&crawl, &options) < 0)
        return -1;
    for (; *urls; urls++)
        crawl_add(&crawl, *urls);
    int64_t begun = weft_now();
    int error = start_runtime(way, row);
    if (!error) {
        error = crawl_run(&crawl);
        if (way->workers == CRAWL_COROUTINES)
            weft_stop(WEFT_NEVER);
    }
    row->seconds = (double)(weft_now() - begun) / 1e9;
    row->urls = crawl.report.fetched;
    row->failed = crawl.report.failed;
    row->bytes = crawl.report.bytes;
    crawl_close(&crawl);
    return error;
}

static void print_row(const struct row *row)
{
    char article[16] = "-";
    if (row->way->article > 0)
        snprintf(article, sizeof article, "%.1f s", row->way->article);
    printf("  %-14s %-34s %9s %8.2f s %8.1f x %6u %9llu\n", row->way->mode, row->way->text, article, row->seconds,
           row->speedup, row->urls, (unsigned long long)row->bytes);
    fflush(stdout);
}

/* All ways to do one job. False when one failed or got other bytes than the first. */
static bool measure_job(struct table *t, const struct way *ways, size_t count, const struct crawl_options *options,
                        char **urls)
{
    struct row *first = &t->rows[t->count];
    for (size_t i = 0; i < count; i++) {
        struct row *row = &t->rows[t->count];
        int error = measure(&ways[i], options, urls, row);
        if (error) {
            fprintf(stderr, "crawl: %s could not be measured: %s\n", ways[i].mode, strerrordesc_np(abs(error)));
            return false;
        }
        t->count++;
        row->speedup = first->seconds / row->seconds;
        if (!t->options->json)
            print_row(row);
        if (row->bytes != first->bytes || row->urls != first->urls || row->failed != first->failed) {
            fprintf(stderr, "crawl: %s got %llu bytes of %u pages, but %s %llu of %u\n", ways[i].mode,
                    (unsigned long long)row->bytes, row->urls, first->way->mode, (unsigned long long)first->bytes,
                    first->urls);
            return false;
        }
    }
    return true;
}

/* ---- the two jobs ---- */

struct four_urls {
    char *urls[FOUR + 1];
    size_t count;
};

static void take_link(void *arg, const struct url *base, const char *reference)
{
    struct four_urls *four = arg;
    struct url url;
    if (four->count == FOUR || url_resolve(base, reference, &url) != URL_OK)
        return;
    bool wanted = strncmp(url.text, base->text, base->target_start + 1) == 0; /* the same site */
    for (size_t i = 0; i < four->count; i++)
        wanted &= strcmp(url.text, four->urls[i]) != 0;
    if (wanted)
        four->urls[four->count++] = url.text;
    else
        url_free(&url);
}

/* The index page and the first three that it links to. */
static int choose_four(const char *site, int port, struct four_urls *four)
{
    struct buffer html = {0};
    struct url index;
    struct html_report ignored;
    char path[4096], text[64];
    snprintf(path, sizeof path, "%s/index.html", site);
    snprintf(text, sizeof text, "http://127.0.0.1:%d/", port);
    int fd = weft_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    int error = url_resolve(NULL, text, &index) == URL_OK ? buffer_reserve(&html, 4 << 20) : -ENOMEM;
    ssize_t length = error ? error : weft_read_full(fd, html.data, html.capacity);
    weft_close(fd);
    *four = (struct four_urls){.urls = {index.text}, .count = 1};
    if (length >= 0)
        error = links_find(html.data, (size_t)length, &index, take_link, four, &ignored);
    buffer_free(&html);
    return length < 0 ? (int)length : error;
}

static bool run_four(struct table *t)
{
    const struct options *o = t->options;
    struct table_server server;
    struct four_urls four;
    if (table_server_start(&server, o->site, o->delay_ms) < 0)
        return false;
    int error = choose_four(o->site, server.port, &four);
    bool good = !error && four.count == FOUR;
    if (!good)
        fprintf(stderr, "crawl: %s/index.html: %s\n", o->site,
                error ? strerrordesc_np(-error) : "links to fewer than three pages");
    struct crawl_options options = o->crawl;
    options.limits = (struct frontier_limits){.per_host = FOUR, .max_pages = FOUR};
    options.jobs = FOUR;
    options.quiet = true;
    if (good && !o->json)
        printf("Four pages, each answered after %ld ms\n  %-14s %-34s %9s %10s %10s %6s %9s\n", o->delay_ms, "mode", "",
               "article", "here", "speed-up", "pages", "bytes");
    good = good && measure_job(t, four_ways, sizeof four_ways / sizeof four_ways[0], &options, four.urls);
    for (size_t i = 0; !error && i < four.count; i++)
        free(four.urls[i]);
    table_server_stop(&server);
    return good;
}

static bool run_site(struct table *t)
{
    const struct options *o = t->options;
    struct table_server server;
    char start[64];
    if (table_server_start(&server, o->site, o->site_delay_ms) < 0)
        return false;
    snprintf(start, sizeof start, "http://127.0.0.1:%d/", server.port);
    struct crawl_options options = o->crawl;
    options.limits = (struct frontier_limits){.per_host = SITE_JOBS, .max_pages = 100000, .max_depth = 1000};
    options.jobs = SITE_JOBS;
    options.quiet = true;
    if (!o->json)
        printf("The whole site by following its links, each page answered after %ld ms\n", o->site_delay_ms);
    bool good = measure_job(t, site_ways, sizeof site_ways / sizeof site_ways[0], &options, (char *[]){start, NULL});
    if (good && !o->json && t->rows[t->count - 1].failed > 0)
        printf("  (%u links of the site lead to no page)\n", t->rows[t->count - 1].failed);
    table_server_stop(&server);
    return good;
}

/* ---- the whole ---- */

static void print_json(const struct table *t)
{
    struct buffer out = {0};
    const struct options *o = t->options;
    buffer_print(&out,
                 "{\"article\": {\"serial\": %.1f, \"together\": %.1f}, \"delay_ms\": %ld, \"site_delay_ms\": %ld, ",
                 article_serial, article_together, o->delay_ms, o->site_delay_ms);
    buffer_print(&out, "\"site\": ");
    buffer_json(&out, o->site);
    buffer_print(&out, ", \"rows\": [");
    for (size_t i = 0; i < t->count; i++) {
        const struct row *row = &t->rows[i];
        buffer_print(&out,
                     "%s\n  {\"what\": \"%s\", \"mode\": \"%s\", \"urls\": %u, \"bytes\": %llu, \"seconds\": %.4f, "
                     "\"speedup\": %.2f, \"workers\": %u, \"failed\": %u}",
                     i ? "," : "", row->way->what, row->way->mode, row->urls, (unsigned long long)row->bytes,
                     row->seconds, row->speedup, row->workers, row->failed);
    }
    buffer_print(&out, "\n]}\n");
    fwrite(out.data, 1, out.length, stdout);
    buffer_free(&out);
}

static bool site_is_there(const char *site)
{
    int folder = weft_open(site, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (folder < 0) {
        fprintf(
            stderr,
            "crawl: %s: %s\n"
            "The table needs a folder of linked HTML pages with an index.html. The Debian package git-doc brings the\n"
            "default one (apt-get install git-doc); --site DIR takes another.\n",
            site, strerrordesc_np(-folder));
        return false;
    }
    weft_close(folder);
    return true;
}

int table_run(const struct options *options)
{
    struct table table = {.options = options};
    if (!site_is_there(options->site))
        return 1;
    bool good = run_four(&table) && run_site(&table);
    if (options->json && good)
        print_json(&table);
    return good && fflush(stdout) == 0 ? 0 : 1;
}
