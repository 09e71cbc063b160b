#include "examples/serve/response.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/serve/files.h"
#include "examples/serve/range.h"

enum {
    PIECE = 64 * 1024, /* bytes of a file that are sent at a time */
    HEAD_SIZE = 1024,
};

/* An answer while it is made: its head, and what follows. */
struct response {
    struct connection *connection;
    int status;
    bool keep_alive, head_only;
    uint64_t body_length;
    char extra[512]; /* further header lines */
    size_t extra_length;
};

static const char *reason_of(int status)
{
    const char *reason = http_status_str((enum http_status)status);
    return strcmp(reason, "<unknown>") ? reason : "Unknown";
}

static void add_header(struct response *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_header(struct response *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(r->extra + r->extra_length, sizeof r->extra - r->extra_length, format, args);
    va_end(args);
    if (length > 0 && r->extra_length + (size_t)length < sizeof r->extra)
        r->extra_length += (size_t)length;
    else
        r->extra[r->extra_length] = '\0'; /* a header that does not fit is left out whole */
}

static size_t print_head(struct response *r, char head[HEAD_SIZE])
{
    char date[FILES_DATE_SIZE];
    files_print_date(date, time(NULL));
    if (atomic_load_explicit(&r->connection->server->stopping, memory_order_relaxed)) /* a hint: nothing is published */
        r->keep_alive = false;
    int length = snprintf(head, HEAD_SIZE, "HTTP/1.1 %d %s\r\nServer: weft\r\nDate: %s\r\n%s", r->status,
                          reason_of(r->status), date, r->extra);
    if (r->status != 304)
        length += snprintf(head + length, HEAD_SIZE - (size_t)length, "Content-Length: %llu\r\n",
                           (unsigned long long)r->body_length);
    length += snprintf(head + length, HEAD_SIZE - (size_t)length, "Connection: %s\r\n\r\n",
                       r->keep_alive ? "keep-alive" : "close");
    return (size_t)length;
}

/* A client that does not take its answer is given up after the idle timeout, per piece. */
static bool send_all(struct connection *c, const char *bytes, size_t count)
{
    return weft_write_full_until(c->fd, bytes, count, weft_after(c->server->options.idle_timeout_ns)) >= 0;
}

static void log_request(const struct response *r, const char *method, const char *target)
{
    if (!r->connection->server->options.quiet)
        fprintf(stderr, "%s %.200s %d %llu\n", method, target, r->status, (unsigned long long)r->body_length);
}

/* An answer with a short text as its body. */
static bool send_text(struct response *r)
{
    char message[HEAD_SIZE + 128], text[128];
    r->body_length = (uint64_t)snprintf(text, sizeof text, "%d %s\n", r->status, reason_of(r->status));
    if (r->status == 304)
        r->body_length = 0;
    else
        add_header(r, "Content-Type: text/plain; charset=utf-8\r\n");
    size_t length = print_head(r, message);
    if (!r->head_only)
        memcpy(message + length, text, r->body_length);
    return send_all(r->connection, message, length + (r->head_only ? 0 : r->body_length)) && r->keep_alive;
}

/* Send the head and `range` of the file. The first piece travels with the head. */
static bool send_file(struct response *r, const struct served_file *file, const struct range *range)
{
    size_t room = range->length < PIECE ? (size_t)range->length : PIECE;
    char *message = malloc(HEAD_SIZE + room + 1);
    if (!message) {
        r->status = 503;
        r->extra_length = 0;
        r->extra[0] = '\0';
        return send_text(r);
    }
    r->body_length = range->length;
    size_t length = print_head(r, message);
    uint64_t offset = range->first, left = r->head_only ? 0 : range->length;
    bool sent = left > 0 || send_all(r->connection, message, length);
    while (left > 0) {
        ssize_t count = weft_pread(file->fd, message + length, left < room ? (size_t)left : room, (off_t)offset);
        sent = count > 0 && send_all(r->connection, message, length + (size_t)count);
        if (!sent)
            break; /* the peer is gone or too slow, or the file has shrunk: only closing tells the client */
        offset += (uint64_t)count;
        left -= (uint64_t)count;
        length = 0;
    }
    free(message);
    return sent && r->keep_alive;
}

static bool not_modified(const struct request *request, const struct served_file *file)
{
    time_t since = *request->if_modified_since ? files_parse_date(request->if_modified_since) : -1;
    return since != -1 && file->modified <= since;
}

static bool answer_with_file(struct response *r, const struct request *request, const struct served_file *file)
{
    char date[FILES_DATE_SIZE];
    struct range range;
    files_print_date(date, file->modified);
    add_header(r, "Last-Modified: %s\r\nAccept-Ranges: bytes\r\n", date);
    if (not_modified(request, file)) {
        r->status = 304;
        return send_text(r);
    }
    bool part_is_current = *request->if_range == '\0' || strcmp(request->if_range, date) == 0;
    bool may_be_part = part_is_current && request->parser.method == HTTP_GET;
    switch (range_parse(may_be_part ? request->range : "", file->size, &range)) {
    case RANGE_UNSATISFIABLE:
        r->status = 416;
        add_header(r, "Content-Range: bytes */%llu\r\n", (unsigned long long)file->size);
        return send_text(r);
    case RANGE_PART:
        r->status = 206;
        add_header(r, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)range.first,
                   (unsigned long long)(range.first + range.length - 1), (unsigned long long)file->size);
        break;
    case RANGE_WHOLE:
        break;
    }
    add_header(r, "Content-Type: %s\r\n", file->content_type);
    return send_file(r, file, &range);
}

/* The path of the request as it may stand in a header. */
static void add_location(struct response *r, const char *path)
{
    char location[384];
    size_t length = 0;
    for (const char *p = path; *p && length < sizeof location - 4; p++) {
        bool plain = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/", *p) != NULL;
        length +=
            (size_t)snprintf(location + length, sizeof location - length, plain ? "%c" : "%%%02X", (unsigned char)*p);
    }
    location[length] = '\0';
    add_header(r, "Location: /%s/\r\n", location);
}

bool response_send(struct connection *c)
{
    struct request *request = &c->request;
    struct response r = {.connection = c, .keep_alive = request->keep_alive};
    struct served_file file = {.fd = -1};
    r.head_only = request->parser.method == HTTP_HEAD;
    char *path = files_path(request->target.data);

    if (c->server->options.delay_ns > 0 && weft_sleep(c->server->options.delay_ns) < 0)
        return false; /* the server stops */
    if (request->parser.method != HTTP_GET && !r.head_only) {
        r.status = 405;
        add_header(&r, "Allow: GET, HEAD\r\n");
    } else {
        r.status = path ? files_open(c->server->root_fd, path, &file) : 400;
    }
    if (r.status == 301)
        add_location(&r, path);
    bool go_on = r.status == 200 ? answer_with_file(&r, request, &file) : send_text(&r);
    if (file.fd >= 0)
        weft_close(file.fd);
    log_request(&r, http_method_str((enum http_method)request->parser.method), request->target.data);
    return go_on;
}

void response_refuse(struct connection *c, int status)
{
    struct response r = {.connection = c, .status = status};
    send_text(&r);
    log_request(&r, "-", "-");
}
