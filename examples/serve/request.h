/* One HTTP request, parsed as its bytes arrive. Knows nothing of sockets. */
#ifndef SERVE_REQUEST_H
#define SERVE_REQUEST_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>

#include "examples/common/buffer.h"

enum {
    REQUEST_MAX_TARGET = 8 * 1024,   /* longer: 414 */
    REQUEST_MAX_HEADERS = 16 * 1024, /* names and values together; more: 431 */
    REQUEST_MAX_BODY = 64 * 1024,    /* bodies are read and dropped; larger: 413 */
};

enum request_state {
    REQUEST_INCOMPLETE, /* feed it more */
    REQUEST_COMPLETE,
    REQUEST_REFUSED, /* answer with request.status and close */
};

struct request {
    http_parser parser;
    enum request_state state;
    int status;      /* valid once REFUSED */
    bool keep_alive; /* valid once COMPLETE */
    bool has_host, has_expect;
    struct buffer target; /* what was asked for, terminated with NUL once COMPLETE */
    size_t header_bytes, body_bytes;
    /* The headers that matter here, "" when absent; one that is cut off is treated as absent. */
    char range[128], if_range[64], if_modified_since[64];
    /* The header being parsed. */
    char name[32];
    size_t name_length;
    char *value; /* where its value goes, NULL when it does not matter */
    size_t value_size, value_length;
    bool in_value;
};

/* Begin a new request; keeps the memory of the one before. All zero is valid to reset. */
void request_reset(struct request *r);

/* Parse `count` bytes. Returns how many belong to this request: less than count once it is COMPLETE. */
size_t request_feed(struct request *r, const char *bytes, size_t count);

void request_free(struct request *r);

#endif
