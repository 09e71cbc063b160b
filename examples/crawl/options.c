#include "examples/crawl/options.h"

#include <getopt.h>
#include <stdio.h>

#include "examples/common/arguments.h"

/* From the Debian package git-doc: some 220 pages that link to each other. */
#define DEFAULT_SITE "/usr/share/doc/git-doc"

const char options_usage[] =
    "usage: crawl [OPTION]… URL…\n"
    "       crawl --table [OPTION]…\n"
    "Fetch pages over http:// and follow their links, many at once.\n"
    "  --jobs N         fetches at once (64)\n"
    "  --per-host N     fetches at once from one host (8)\n"
    "  --max-pages N    fetch at most so many pages (10000)\n"
    "  --depth N        follow at most so many links from a start URL; 0 fetches the given URLs only (5)\n"
    "  --span-hosts     follow links to other hosts too\n"
    "  --timeout MS     for each attempt to fetch a page, as a whole (10000)\n"
    "  --retries N      further attempts when an error may pass (2)\n"
    "  --max-body N     give up on a body of more bytes (16777216)\n"
    "  --output DIR     save each page there\n"
    "  --json           print one JSON object instead of a line\n"
    "  --quiet          print no problems and no progress on stderr\n"
    "  --serial         one page after the other, on one plain thread\n"
    "  --threads        a POSIX thread per job instead of a coroutine\n"
    "  --table          serve a folder with delayed answers, crawl it in each of these ways, and compare the times\n"
    "  --site DIR       with --table: the folder (" DEFAULT_SITE ")\n"
    "  --delay MS       with --table: delay of each of four answers (950)\n"
    "  --site-delay MS  with --table: delay of each answer of the whole site (50)\n"
    "Ctrl-C ends the crawl with what was fetched, a second one at once.\n"
    "Exit status: 0 everything was fetched, 1 something was not, 2 wrong usage, 130 stopped by Ctrl-C.\n";

enum { DAY_MS = 24 * 60 * 60 * 1000 };

/* Options with a number. Letters stand for the long names. */
static int parse_number(int option, const char *text, struct options *o)
{
    struct frontier_limits *limits = &o->crawl.limits;
    long value = 0;
    int error = -1;
    switch (option) {
    case 'j':
        error = argument_number("--jobs", text, 1, 100000, &value);
        o->crawl.jobs = (unsigned)value;
        break;
    case 'p':
        error = argument_number("--per-host", text, 1, 100000, &value);
        limits->per_host = (unsigned)value;
        break;
    case 'm':
        error = argument_number("--max-pages", text, 1, 100000000, &value);
        limits->max_pages = (unsigned)value;
        break;
    case 'd':
        error = argument_number("--depth", text, 0, 1000000, &value);
        limits->max_depth = (unsigned)value;
        break;
    case 't':
        error = argument_number("--timeout", text, 1, DAY_MS, &value);
        o->crawl.timeout_ns = value * WEFT_MILLISECOND;
        break;
    case 'r':
        error = argument_number("--retries", text, 0, 100, &value);
        o->crawl.retries = (unsigned)value;
        break;
    case 'b':
        error = argument_number("--max-body", text, 0, 1L << 40, &value);
        o->crawl.max_body = (uint64_t)value;
        break;
    case 'D':
        error = argument_number("--delay", text, 0, DAY_MS, &o->delay_ms);
        break;
    case 'S':
        error = argument_number("--site-delay", text, 0, DAY_MS, &o->site_delay_ms);
        break;
    }
    return error;
}

static int parse_option(int option, const char *text, struct options *o)
{
    switch (option) {
    case 'H':
        o->crawl.limits.span_hosts = true;
        return 0;
    case 'o':
        o->crawl.output = text;
        return 0;
    case 'J':
        o->json = true;
        return 0;
    case 'q':
        o->crawl.quiet = true;
        return 0;
    case '1':
        o->crawl.mode = CRAWL_SERIAL;
        return 0;
    case 'T':
        o->crawl.mode = CRAWL_THREADS;
        return 0;
    case 'a':
        o->table = true;
        return 0;
    case 's':
        o->site = text;
        return 0;
    case 'h':
        o->help = true;
        return 0;
    default:
        return parse_number(option, text, o);
    }
}

int options_parse(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"jobs", required_argument, NULL, 'j'},
        {"per-host", required_argument, NULL, 'p'},
        {"max-pages", required_argument, NULL, 'm'},
        {"depth", required_argument, NULL, 'd'},
        {"timeout", required_argument, NULL, 't'},
        {"retries", required_argument, NULL, 'r'},
        {"max-body", required_argument, NULL, 'b'},
        {"delay", required_argument, NULL, 'D'},
        {"site-delay", required_argument, NULL, 'S'},
        {"span-hosts", no_argument, NULL, 'H'},
        {"output", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'J'},
        {"quiet", no_argument, NULL, 'q'},
        {"serial", no_argument, NULL, '1'},
        {"threads", no_argument, NULL, 'T'},
        {"table", no_argument, NULL, 'a'},
        {"site", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *o = (struct options){
        .crawl = {.limits = {.per_host = 8, .max_pages = 10000, .max_depth = 5},
                  .mode = CRAWL_COROUTINES,
                  .jobs = 64,
                  .timeout_ns = 10 * WEFT_SECOND,
                  .retries = 2,
                  .max_body = 16 << 20},
        .site = DEFAULT_SITE,
        .delay_ms = 950,
        .site_delay_ms = 50,
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == '?' || parse_option(option, optarg, o) < 0)
            return -1;
    }
    o->urls = argv + optind;
    if (!o->help && !o->table && optind == argc)
        fprintf(stderr, "crawl: which URL?\n");
    else if (o->table && optind < argc)
        fprintf(stderr, "crawl: --table takes no URL\n");
    else
        return 0;
    return -1;
}
