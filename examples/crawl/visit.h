/* One visit: fetch the page, with retries, and do what its answer asks for. */
#ifndef CRAWL_VISIT_H
#define CRAWL_VISIT_H

#include "examples/crawl/crawl.h"

/* Fetch, save, report, add its links or its redirection to the frontier. May suspend; on a plain thread it blocks. */
void visit_page(struct crawl *c, struct visit *visit);

#endif
