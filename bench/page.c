/* See page.h. */
#include "bench/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t page_ask(char *request, unsigned page, bool keep_alive)
{
    return (size_t)snprintf(request, PAGE_REQUEST_MAX, "GET /%u HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", page,
                            keep_alive ? "" : "Connection: close\r\n");
}

int page_check(const char *answer, size_t size, unsigned page)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *end = memmem(answer, size, "\r\n\r\n", 4);
    const char *length;
    char body[32];
    size_t body_size;
    size_t come;

    if (end == NULL)
        return size < PAGE_ANSWER_MAX ? 0 : -1;
    length = memmem(answer, (size_t)(end - answer), name, sizeof name - 1);
    body_size = (size_t)snprintf(body, sizeof body, "page %u\n", page);
    if (memcmp(answer, "HTTP/1.1 200 ", 13) != 0 || length == NULL ||
        strtoul(length + sizeof name - 1, NULL, 10) != body_size)
        return -1;
    end += 4;
    come = size - (size_t)(end - answer);
    if (come > body_size || memcmp(end, body, come) != 0)
        return -1;
    return come == body_size;
}
