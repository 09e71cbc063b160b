/* The table: the same pages one after the other and together, as in the article that this library starts from. */
#ifndef CRAWL_TABLE_H
#define CRAWL_TABLE_H

#include "examples/crawl/options.h"

/* Measure and print. The exit status: 0, or 1 when a row could not be measured or two rows got different bytes. */
int table_run(const struct options *options);

#endif
