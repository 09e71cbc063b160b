/* What the crawl tells its user: a line per problem, a progress line on a terminal, totals, JSON. */
#ifndef CRAWL_REPORT_H
#define CRAWL_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "examples/common/buffer.h"
#include "examples/crawl/frontier.h"

struct report {
    weft_mutex lock;
    bool quiet;           /* neither problems nor progress */
    bool terminal;        /* stderr is one */
    int64_t begun, shown; /* when the crawl began; when the progress line was printed last */
    unsigned fetched, failed;
    uint64_t bytes;
    struct buffer rejected; /* start URLs that could not be understood, as JSON */
};

void report_init(struct report *r, bool quiet);
void report_free(struct report *r);

/* The outcome of a visit is in it: count it, print its problem, refresh the progress line. May suspend. */
void report_visit(struct report *r, const struct visit *visit);

/* A URL of the command line that cannot be crawled. Counts as failed. */
void report_rejected(struct report *r, const char *url, const char *why);

/* Something that is worth a line but no failure: "URL: what". May suspend. */
void report_remark(struct report *r, const char *url, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Remove the progress line; then the totals on stdout, as text or as one JSON object. */
void report_end_progress(struct report *r);
void report_print_totals(const struct report *r, double seconds, bool stopped);
int report_print_json(const struct report *r, const struct frontier *f, double seconds, bool stopped);

#endif
