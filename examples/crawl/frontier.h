/* Which page is next: the URLs seen, a queue per host, and the idle connections of each host.
 *
 * Everything in here is under one lock and lasts microseconds; what takes long (fetching) happens outside. Workers are
 * coroutines or plain threads, the frontier cannot tell. */
#ifndef CRAWL_FRONTIER_H
#define CRAWL_FRONTIER_H

#include <stdbool.h>
#include <stdint.h>

#include "examples/crawl/url.h"
#include "weft.h"

struct host {
    char *address;              /* "name:port", to dial */
    bool wanted;                /* links to it are followed: a start URL is there */
    struct visit *first, *last; /* waiting to be fetched */
    unsigned active;            /* being fetched */
    int *idle;                  /* connections kept alive, room for per_host of them */
    unsigned idle_count;
    struct host *next; /* a ring, so that each host gets its turn */
};

/* One URL that is, or was, to be fetched. Lives until frontier_free. */
struct visit {
    struct url url;
    struct host *host;
    const struct visit *from; /* the one that redirected here, NULL */
    unsigned depth;           /* links from a start URL */
    unsigned redirects;       /* length of the chain of `from` */
    struct visit *next;       /* in its host's queue */
    struct visit *next_made;  /* in the list of all */
    /* The outcome; written by the worker that fetched it. */
    int status;     /* of HTTP; 0: no answer */
    uint64_t bytes; /* of the body */
    int64_t took_ns;
    bool done;     /* false: not fetched, because the crawl was stopped */
    char *problem; /* NULL when all went well; owned */
};

struct frontier_limits {
    unsigned per_host;  /* fetches at once from one host */
    unsigned max_pages; /* URLs to fetch at all, redirections not counted */
    unsigned max_depth;
    bool span_hosts;
};

struct frontier {
    struct frontier_limits limits;
    weft_mutex lock;
    weft_cond work;     /* a visit can be taken, or nothing is left */
    void *seen;         /* tree of visits by URL (tsearch) */
    struct host *hosts; /* where the next turn begins, in the ring */
    struct visit *made_first, *made_last;
    unsigned made, redirected; /* visits; those of them that a redirection made */
    unsigned waiting, active;
    bool stopped;
};

enum frontier_added { FRONTIER_ADDED, FRONTIER_SEEN, FRONTIER_UNWANTED, FRONTIER_LOOP, FRONTIER_NO_MEMORY };

void frontier_init(struct frontier *f, const struct frontier_limits *limits);
void frontier_free(struct frontier *f);

/* Add a start URL. It becomes the frontier's, whatever the result; so with the others. */
enum frontier_added frontier_add_start(struct frontier *f, struct url *url);

/* Add the URLs that the page `parent` links to, as far as they are wanted. FRONTIER_ADDED or FRONTIER_NO_MEMORY. */
enum frontier_added frontier_add_links(struct frontier *f, struct url *urls, size_t count, const struct visit *parent);

/* Add the URL that `from` redirects to. FRONTIER_LOOP: the chain has been there. */
enum frontier_added frontier_add_redirect(struct frontier *f, struct url *url, const struct visit *from);

/* Wait for a visit that may be fetched now. NULL: there will be none any more. Pair with frontier_done. May suspend. */
struct visit *frontier_take(struct frontier *f);
void frontier_done(struct frontier *f, struct visit *visit);

/* An idle connection to the visit's host, the caller's from now on; -1: there is none. */
int frontier_take_connection(struct frontier *f, const struct visit *visit);

/* Keep a connection for the next visit there; closes it when there is no room. */
void frontier_give_connection(struct frontier *f, const struct visit *visit, int fd);

/* No further visit is handed out. From any thread. */
void frontier_stop(struct frontier *f);

#endif
