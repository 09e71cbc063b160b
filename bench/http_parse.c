/* See http.h. Heads are gone through line by line; what a line says is only looked at where it matters here. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "bench/http.h"

static const char plain_body[] = "Hello, World!";

/* The value of "name: value" when the line is of that name, else NULL. */
static const char *value_of(const char *line, size_t size, const char *name, size_t name_size)
{
    if (size <= name_size || line[name_size] != ':' || strncasecmp(line, name, name_size) != 0)
        return NULL;
    line += name_size + 1;
    while (*line == ' ' || *line == '\t')
        line++;
    return line;
}

static void look_at_field(http_request *r, const char *line, size_t size, bool *has_host)
{
    const char *value;

    switch (line[0] | 0x20) {
    case 'h':
        if (value_of(line, size, "host", 4) != NULL)
            *has_host = true;
        break;
    case 'c':
        value = value_of(line, size, "connection", 10);
        if (value != NULL)
            r->keep_alive =
                strncasecmp(value, "close", 5) != 0 && (r->keep_alive || strncasecmp(value, "keep-alive", 10) == 0);
        value = value_of(line, size, "content-length", 14);
        if (value != NULL && *value != '0')
            r->status = 413;
        break;
    case 't':
        if (value_of(line, size, "transfer-encoding", 17) != NULL)
            r->status = 413;
        break;
    default:
        break;
    }
}

/* "GET target HTTP/1.1"; false when it is nothing of the kind. */
static bool look_at_first_line(http_request *r, const char *line, size_t size, bool *needs_host)
{
    if (size < 14 || memcmp(line + size - 9, " HTTP/1.", 8) != 0)
        return false;
    *needs_host = line[size - 1] == '1';
    r->keep_alive = line[size - 1] == '1';
    r->head_only = memcmp(line, "HEAD ", 5) == 0;
    r->status = r->head_only || memcmp(line, "GET ", 4) == 0 ? 200 : 405;
    return memchr(line, ' ', size - 9) != NULL;
}

bool http_parse(const char *text, size_t size, http_request *r)
{
    bool has_host = false;
    bool needs_host = false;
    bool first = true;
    size_t at = 0;

    *r = (http_request){.status = 400};
    for (;;) {
        const char *line = text + at;
        const char *end = memchr(line, '\n', size - at);
        size_t length;

        if (end == NULL)
            return false;
        length = (size_t)(end - line);
        at += length + 1;
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (length == 0 && !first)
            break;
        if (first && !look_at_first_line(r, line, length, &needs_host))
            break;
        if (!first)
            look_at_field(r, line, length, &has_host);
        first = false;
    }
    r->size = at;
    if (needs_host && !has_host)
        r->status = 400;
    /* Where the next request begins is not known then. */
    if (r->status == 400 || r->status == 413)
        r->keep_alive = false;
    return true;
}

/* "Date: …\r\n", made anew when the second has changed. It does not suspend, so the thread stays the same meanwhile. */
static __attribute__((noinline)) size_t write_date(char *buffer)
{
    static _Thread_local char line[64];
    static _Thread_local size_t size;
    static _Thread_local time_t made;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != made) {
        struct tm parts;

        made = now.tv_sec;
        size = strftime(line, sizeof line, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&made, &parts));
    }
    memcpy(buffer, line, size);
    return size;
}

static char *append(char *to, const char *text)
{
    size_t size = strlen(text);

    memcpy(to, text, size);
    return to + size;
}

static const char *status_line(int status)
{
    switch (status) {
    case 200:
        return "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\n";
    case 405:
        return "HTTP/1.1 405 Method Not Allowed\r\nServer: bench\r\nAllow: GET, HEAD\r\n";
    case 413:
        return "HTTP/1.1 413 Content Too Large\r\nServer: bench\r\n";
    default:
        return "HTTP/1.1 400 Bad Request\r\nServer: bench\r\n";
    }
}

static char *append_number(char *to, size_t number)
{
    char digits[24];
    int first = sizeof digits;

    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(to, digits + first, sizeof digits - (size_t)first);
    return to + sizeof digits - first;
}

size_t http_write_head(char *buffer, const http_request *r, size_t body_size)
{
    char *to = append(buffer, status_line(r->status));

    to += write_date(to);
    to = append(to, "Content-Length: ");
    to = append_number(to, body_size);
    to = append(to, r->keep_alive ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
    return (size_t)(to - buffer);
}

static size_t write_plain(char *buffer, const http_request *r)
{
    size_t body_size = r->status == 200 ? sizeof plain_body - 1 : 0;
    size_t size = http_write_head(buffer, r, body_size);

    if (r->head_only)
        return size;
    memcpy(buffer + size, plain_body, body_size);
    return size + body_size;
}

size_t http_answer_all(const char *text, size_t size, char *answers, size_t room, size_t *taken, bool *goes_on)
{
    size_t written = 0;
    http_request r;

    *taken = 0;
    *goes_on = true;
    while (*goes_on && room - written >= HTTP_ANSWER_MAX && http_parse(text + *taken, size - *taken, &r)) {
        written += write_plain(answers + written, &r);
        *taken += r.size;
        *goes_on = r.keep_alive;
    }
    return written;
}
