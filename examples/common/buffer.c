#include "examples/common/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int buffer_reserve(struct buffer *b, size_t more)
{
    if (b->capacity - b->length >= more)
        return 0;
    if (more > SIZE_MAX / 2 - b->length)
        return -ENOMEM;
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity < b->length + more)
        capacity *= 2;
    char *data = realloc(b->data, capacity);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->capacity = capacity;
    return 0;
}

int buffer_append(struct buffer *b, const void *bytes, size_t count)
{
    if (count == 0)
        return 0;
    int error = buffer_reserve(b, count);
    if (error)
        return error;
    memcpy(b->data + b->length, bytes, count);
    b->length += count;
    return 0;
}

int buffer_print(struct buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || buffer_reserve(b, (size_t)length + 1) < 0)
        return -ENOMEM;
    va_start(args, format);
    vsnprintf(b->data + b->length, (size_t)length + 1, format, args);
    va_end(args);
    b->length += (size_t)length;
    return 0;
}

int buffer_json(struct buffer *b, const char *text)
{
    int error = buffer_append(b, "\"", 1);
    for (const char *p = text; *p && !error; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            error = buffer_print(b, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            error = buffer_print(b, "\\u%04x", c); /* bytes beyond ASCII are shown as Latin-1 */
        else
            error = buffer_append(b, p, 1);
    }
    return error ? error : buffer_append(b, "\"", 1);
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}
