/* http:// URLs: joining and normalising, after RFC 3986, lenient with what pages really contain. */
#ifndef CRAWL_URL_H
#define CRAWL_URL_H

#include <stddef.h>
#include <stdint.h>

/* Two URLs for the same page have the same text: scheme and host in lower case, no default port, no fragment, no dot
 * segments, percent-encoding only where it is needed and in capitals. */
struct url {
    char *text;          /* "http://host:8080/path?query", owned */
    size_t host_length;  /* of "host:8080", which begins at URL_HOST */
    size_t target_start; /* of "/path?query" */
    uint16_t port;
};

enum {
    URL_HOST = 7,              /* length of "http://" */
    URL_MAX_HOST = 253,        /* longest name of a host */
    URL_MAX_LENGTH = 8 * 1024, /* longer ones are refused */
};

enum url_result {
    URL_OK,
    URL_NO_SCHEME,
    URL_HTTPS,
    URL_OTHER_SCHEME, /* mailto:, javascript: … */
    URL_BAD_HOST,
    URL_BAD_PORT,
    URL_USER_NAME,
    URL_TOO_LONG,
    URL_NO_MEMORY,
};

/* Resolve `reference`, as it stands in a page at `base` (NULL: it must be a whole URL), into `url`, which is the
 * caller's to free when the result is URL_OK. */
enum url_result url_resolve(const struct url *base, const char *reference, struct url *url);

/* What is wrong, as the end of a sentence. */
const char *url_result_text(enum url_result result);

void url_free(struct url *url);

#endif
