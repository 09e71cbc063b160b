/* A growing array of bytes. All zero is an empty one. */
#ifndef EXAMPLES_BUFFER_H
#define EXAMPLES_BUFFER_H

#include <stddef.h>

struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

/* Room for `more` bytes behind the present ones. 0, -ENOMEM. */
int buffer_reserve(struct buffer *b, size_t more);

/* 0, -ENOMEM. */
int buffer_append(struct buffer *b, const void *bytes, size_t count);
int buffer_print(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Append `text` as a JSON string, quotes included. 0, -ENOMEM. */
int buffer_json(struct buffer *b, const char *text);

void buffer_free(struct buffer *b); /* empty again, may be used again */

#endif
