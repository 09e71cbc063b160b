#include "examples/serve/request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Every callback that returns non-zero stops the parser. */
static int refuse(struct request *r, int status)
{
    r->state = REQUEST_REFUSED;
    r->status = status;
    return -1;
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
    struct request *r = parser->data;
    if (r->target.length + length > REQUEST_MAX_TARGET)
        return refuse(r, 414);
    return buffer_append(&r->target, at, length) < 0 ? refuse(r, 503) : 0;
}

static int count_header(struct request *r, size_t length)
{
    r->header_bytes += length;
    return r->header_bytes > REQUEST_MAX_HEADERS ? refuse(r, 431) : 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t length)
{
    struct request *r = parser->data;
    if (r->in_value) {
        r->in_value = false;
        r->name_length = 0;
    }
    for (size_t i = 0; i < length && r->name_length < sizeof r->name - 1; i++)
        r->name[r->name_length++] = at[i];
    r->name[r->name_length] = '\0';
    return count_header(r, length);
}

/* The name is complete: where does the value go? */
static void choose_value(struct request *r)
{
    static const struct {
        const char *name;
        size_t offset, size;
    } wanted[] = {
        {"Range", offsetof(struct request, range), sizeof r->range},
        {"If-Range", offsetof(struct request, if_range), sizeof r->if_range},
        {"If-Modified-Since", offsetof(struct request, if_modified_since), sizeof r->if_modified_since},
    };
    r->value = NULL;
    r->value_length = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strcasecmp(r->name, wanted[i].name) == 0) {
            r->value = (char *)r + wanted[i].offset;
            r->value_size = wanted[i].size;
            r->value[0] = '\0';
        }
    }
    r->has_host |= strcasecmp(r->name, "Host") == 0;
    r->has_expect |= strcasecmp(r->name, "Expect") == 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
    struct request *r = parser->data;
    if (!r->in_value) {
        r->in_value = true;
        choose_value(r);
    }
    if (r->value && r->value_length + length >= r->value_size) {
        r->value[0] = '\0';
        r->value = NULL;
    } else if (r->value) {
        memcpy(r->value + r->value_length, at, length);
        r->value_length += length;
        r->value[r->value_length] = '\0';
    }
    return count_header(r, length);
}

static int on_headers_complete(http_parser *parser)
{
    struct request *r = parser->data;
    if (parser->http_major != 1)
        return refuse(r, 505);
    if (parser->http_minor >= 1 && !r->has_host)
        return refuse(r, 400);
    if (r->has_expect)
        return refuse(r, 417);
    bool has_length = (parser->flags & F_CONTENTLENGTH) != 0;
    return has_length && parser->content_length > REQUEST_MAX_BODY ? refuse(r, 413) : 0;
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    (void)at;
    struct request *r = parser->data;
    r->body_bytes += length;
    return r->body_bytes > REQUEST_MAX_BODY ? refuse(r, 413) : 0;
}

static int on_message_complete(http_parser *parser)
{
    struct request *r = parser->data;
    if (buffer_append(&r->target, "", 1) < 0)
        return refuse(r, 503);
    r->state = REQUEST_COMPLETE;
    r->keep_alive = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1); /* what follows is the next request */
    return 0;
}

void request_reset(struct request *r)
{
    struct buffer target = r->target;
    memset(r, 0, sizeof *r);
    r->target = target;
    r->target.length = 0;
    http_parser_init(&r->parser, HTTP_REQUEST);
    r->parser.data = r;
}

static int status_of_error(enum http_errno error, char first_byte)
{
    switch (error) {
    case HPE_HEADER_OVERFLOW:
        return 431;
    case HPE_INVALID_VERSION:
        return 505;
    case HPE_INVALID_METHOD: /* an unknown word is a method that we lack; anything else is not HTTP at all */
        return isupper((unsigned char)first_byte) ? 501 : 400;
    default:
        return 400;
    }
}

size_t request_feed(struct request *r, const char *bytes, size_t count)
{
    static const http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };
    size_t used = http_parser_execute(&r->parser, &settings, bytes, count);
    enum http_errno error = HTTP_PARSER_ERRNO(&r->parser);
    if (r->state == REQUEST_INCOMPLETE && error != HPE_OK)
        refuse(r, status_of_error(error, bytes[0]));
    return used;
}

void request_free(struct request *r)
{
    buffer_free(&r->target);
}
