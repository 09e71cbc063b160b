#include "examples/crawl/fetch.h"

#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "weft.h"

enum {
    PIECE = 16 * 1024,
    MAX_LOCATION = URL_MAX_LENGTH,
};

/* An answer while it is read. */
struct reading {
    struct page *page;
    uint64_t max_body;
    int error; /* set by a callback that stopped the parser */
    bool complete;
    enum { HEADER_OTHER, HEADER_LOCATION, HEADER_CONTENT_TYPE } header;
    bool in_value;
    char name[24];
    size_t name_length;
    struct buffer content_type;
};

/* Stops the parser. */
static int fail(struct reading *r, int error)
{
    r->error = error;
    return -1;
}

static int on_header_field(http_parser *parser, const char *at, size_t length)
{
    struct reading *r = parser->data;
    if (r->in_value)
        r->name_length = 0;
    r->in_value = false;
    for (size_t i = 0; i < length && r->name_length < sizeof r->name - 1; i++)
        r->name[r->name_length++] = at[i];
    r->name[r->name_length] = '\0';
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
    struct reading *r = parser->data;
    if (!r->in_value) {
        bool location = strcasecmp(r->name, "Location") == 0 && r->page->location.length == 0;
        bool type = strcasecmp(r->name, "Content-Type") == 0 && r->content_type.length == 0;
        r->header = location ? HEADER_LOCATION : type ? HEADER_CONTENT_TYPE : HEADER_OTHER;
        r->in_value = true;
    }
    if (r->header == HEADER_OTHER)
        return 0;
    struct buffer *to = r->header == HEADER_LOCATION ? &r->page->location : &r->content_type;
    if (to->length + length > MAX_LOCATION)
        return 0; /* url_resolve will find the rest of it wanting */
    return buffer_append(to, at, length) < 0 ? fail(r, -ENOMEM) : 0;
}

static bool is_html(const struct buffer *type)
{
    static const char *const types[] = {"text/html", "application/xhtml+xml"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t length = strlen(types[i]);
        if (type->length >= length && strncasecmp(type->data, types[i], length) == 0)
            return true;
    }
    return false;
}

static int on_headers_complete(http_parser *parser)
{
    struct reading *r = parser->data;
    r->page->status = parser->status_code;
    r->page->is_html = is_html(&r->content_type);
    bool has_length = (parser->flags & F_CONTENTLENGTH) != 0;
    return has_length && parser->content_length > r->max_body ? fail(r, -EFBIG) : 0;
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    struct reading *r = parser->data;
    if (r->page->body.length + length > r->max_body)
        return fail(r, -EFBIG);
    return buffer_append(&r->page->body, at, length) < 0 ? fail(r, -ENOMEM) : 0;
}

static int on_message_complete(http_parser *parser)
{
    struct reading *r = parser->data;
    if (parser->status_code / 100 == 1)
        return 0; /* "100 Continue" and the like: the answer proper follows */
    r->complete = true;
    r->page->reusable = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings settings = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static int send_request(int fd, const struct url *url)
{
    struct buffer request = {0};
    int error =
        buffer_print(&request,
                     "GET %s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: weft-crawl\r\nAccept: text/html, */*;q=0.5\r\n"
                     "Accept-Encoding: identity\r\n\r\n",
                     url->text + url->target_start, (int)url->host_length, url->text + URL_HOST);
    ssize_t sent = error ? error : weft_write_full(fd, request.data, request.length);
    buffer_free(&request);
    return sent < 0 ? (int)sent : 0;
}

/* Hand `count` bytes (0: the stream has ended) to the parser. 1 when the answer is complete, 0 when it needs more. */
static int parse(struct reading *r, http_parser *parser, const char *bytes, size_t count)
{
    size_t used = http_parser_execute(parser, &settings, bytes, count);
    enum http_errno error = HTTP_PARSER_ERRNO(parser);
    if (r->error)
        return r->error;
    if (r->complete) {
        r->page->reusable &= used == count; /* nobody asked for what follows */
        return 1;
    }
    if (error == HPE_INVALID_EOF_STATE)
        return -ECONNABORTED;
    if (error != HPE_OK) {
        r->page->detail = http_errno_description(error);
        return -EPROTO;
    }
    return count == 0 ? -ECONNABORTED : 0;
}

static int read_answer(int fd, struct reading *r)
{
    char piece[PIECE];
    http_parser parser;
    bool any = false;
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = r;
    for (int result = 0;;) {
        ssize_t count = weft_recv(fd, piece, sizeof piece, 0);
        if (count <= 0 && !any && (count == 0 || count == -ECONNRESET))
            return -EPIPE;
        if (count < 0)
            return (int)count;
        any = true;
        result = parse(r, &parser, piece, (size_t)count);
        if (result != 0)
            return result < 0 ? result : 0;
    }
}

int fetch_page(int fd, const struct url *url, uint64_t max_body, struct page *page)
{
    struct reading reading = {.page = page, .max_body = max_body};
    int error = send_request(fd, url);
    if (error == -ECONNRESET)
        error = -EPIPE;
    if (!error)
        error = read_answer(fd, &reading);
    buffer_free(&reading.content_type);
    if (!error && page->location.length > 0 && buffer_append(&page->location, "", 1) < 0)
        error = -ENOMEM;
    return error;
}

void page_free(struct page *page)
{
    buffer_free(&page->location);
    buffer_free(&page->body);
    *page = (struct page){0};
}
