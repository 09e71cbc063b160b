/* As much of HTTP/1.1 as the servers of the suite need, weft's and the limits' alike: heads of requests, whether the
 * connection goes on after them, and the heads of answers with the date. Bodies of requests are not taken. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_REQUEST_MAX = 4096, /* bytes of a head */
    HTTP_ANSWER_MAX = 256    /* bytes of the head of an answer, and of all of a plain one */
};

typedef struct http_request {
    size_t size;     /* of the head, its empty line included */
    int status;      /* what to answer: 200, 400 (not understood), 405 (neither GET nor HEAD), 413 (it has a body) */
    bool head_only;  /* HEAD */
    bool keep_alive; /* false: close when it is answered */
} http_request;

/* Look at the first request in what has come. False: its head is not complete yet. */
bool http_parse(const char *text, size_t size, http_request *request);

/* Write the head of an answer with a body of `body_size` bytes into a buffer of HTTP_ANSWER_MAX bytes; returns its
 * size. */
size_t http_write_head(char *buffer, const http_request *request, size_t body_size);

/* Answer all complete requests in `text` with "Hello, World!": write to `answers` and return how many bytes of it were
 * written. *taken: how many bytes of text were answered for; *goes_on: false when the connection ends behind the
 * answers. Stops early where `room` has no place for one more. */
size_t http_answer_all(const char *text, size_t size, char *answers, size_t room, size_t *taken, bool *goes_on);

#endif
