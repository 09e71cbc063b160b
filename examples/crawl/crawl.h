/* A crawl: workers that take a URL from the frontier, fetch it, and add the links they find. */
#ifndef CRAWL_CRAWL_H
#define CRAWL_CRAWL_H

#include <stdatomic.h>

#include "examples/crawl/frontier.h"
#include "examples/crawl/report.h"

/* What the workers are. Their code is the same. */
enum crawl_mode {
    CRAWL_SERIAL,     /* one, on the calling thread */
    CRAWL_THREADS,    /* POSIX threads */
    CRAWL_COROUTINES, /* coroutines, over as many threads as the runtime was started with */
};

struct crawl_options {
    struct frontier_limits limits;
    enum crawl_mode mode;
    unsigned jobs;      /* workers; one if CRAWL_SERIAL */
    int64_t timeout_ns; /* for each attempt, from the look-up of the name to the last byte */
    unsigned retries;   /* further attempts after an error that may pass */
    uint64_t max_body;  /* bytes */
    const char *output; /* folder to save pages in, NULL */
    bool quiet;
};

struct crawl {
    struct crawl_options options;
    struct frontier frontier;
    struct report report;
    int output_folder; /* -1: pages are not saved */
    atomic_bool stopping;
    double seconds;      /* how long crawl_run took */
    weft_mutex lock;     /* of the next two */
    weft_t **coroutines; /* those that crawl_stop has to kill */
    size_t coroutine_count;
};

/* 0; -errno with a message on stderr. */
int crawl_open(struct crawl *c, const struct crawl_options *options);
void crawl_close(struct crawl *c);

/* Add a start URL; a bad one is reported and counted as failed. */
void crawl_add(struct crawl *c, const char *url);

/* Crawl until nothing is left or crawl_stop. From a plain thread. 0; -errno when no worker could be started. */
int crawl_run(struct crawl *c);

/* End the crawl soon, with what was fetched. From any thread. */
void crawl_stop(struct crawl *c);

#endif
