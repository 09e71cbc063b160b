/* The command line of crawl. */
#ifndef CRAWL_OPTIONS_H
#define CRAWL_OPTIONS_H

#include "examples/crawl/crawl.h"

struct options {
    struct crawl_options crawl;
    bool json;
    bool table; /* measure instead of crawling URLs */
    bool help;
    const char *site;   /* --table: the folder of pages */
    long delay_ms;      /* --table: of each of the four answers */
    long site_delay_ms; /* --table: of each answer when the whole site is crawled */
    char *const *urls;  /* the rest of argv, ended by NULL */
};

/* 0, or -1 with a message on stderr. */
int options_parse(int argc, char **argv, struct options *options);

extern const char options_usage[];

#endif
