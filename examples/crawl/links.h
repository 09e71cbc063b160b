/* The links of an HTML page. */
#ifndef CRAWL_LINKS_H
#define CRAWL_LINKS_H

#include <stddef.h>

#include "examples/crawl/url.h"

/* What was wrong with the page: the parser goes on after errors as browsers do. */
struct html_report {
    unsigned errors;
    int first_line;
    char first[100];
};

/* A link as it stands in the page, and what it is relative to. */
typedef void link_fn(void *arg, const struct url *base, const char *reference);

/* Call `found` for each link of the page at `url`, in their order. 0, -ENOMEM. Never suspends (so `found` should not).
 * */
int links_find(const char *html, size_t length, const struct url *url, link_fn *found, void *arg,
               struct html_report *report);

/* Once per process, before any thread uses links_find. */
void links_init(void);

#endif
