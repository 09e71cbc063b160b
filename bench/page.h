/* How the clients of crawl ask for a page and look at the answer (bench/page_server.c gives it). */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/bench.h"

enum { PAGE_REQUEST_MAX = 128, PAGE_ANSWER_MAX = 1024, PAGES_AT_A_TIME = 500, PAGES = 2000 };

/* Write the request for a page; returns its size. */
size_t page_ask(char *request, unsigned page, bool keep_alive);

/* Is this the whole answer? 1 when it is, and right; 0 when more has to come; -1 when it is wrong. */
int page_check(const char *answer, size_t size, unsigned page);

/* After bench_end: add wall_ms. */
static inline void page_add_wall(bench *b)
{
    bench_add_metric(b, "wall_ms", (double)(b->ended_ns - b->began_ns) / 1e6);
}

#endif
