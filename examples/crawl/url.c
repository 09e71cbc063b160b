#include "examples/crawl/url.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "examples/common/buffer.h"

/* A piece of a string that is not terminated. */
struct span {
    const char *start;
    size_t length;
};

static struct span span_of(const char *start, const char *end)
{
    return (struct span){start, (size_t)(end - start)};
}

/* Browsers drop blanks around a link, and line ends and tabs inside; so do we. The fragment goes too. */
static char *clean(const char *reference)
{
    while (*reference && (unsigned char)*reference <= ' ')
        reference++;
    size_t length = strcspn(reference, "#");
    char *text = malloc(length + 1), *to = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        if (!strchr("\t\r\n", reference[i]))
            *to++ = reference[i];
    }
    while (to > text && (unsigned char)to[-1] <= ' ')
        to--;
    *to = '\0';
    return text;
}

/* Length of "scheme" in "scheme:…", 0 when there is none. */
static size_t scheme_length(const char *text)
{
    size_t n = 0;
    if (!isalpha((unsigned char)*text))
        return 0;
    while (isalnum((unsigned char)text[n]) || (text[n] != '\0' && strchr("+-.", text[n])))
        n++;
    return text[n] == ':' ? n : 0;
}

static int hex_value(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Append with exactly the percent-encoding that is needed: unreserved characters plain, what may stand in a path or
 * query as it is, all else encoded. */
static int append_encoded(struct buffer *out, const char *text, size_t length)
{
    int error = 0;
    for (size_t i = 0; i < length && !error; i++) {
        unsigned char c = (unsigned char)text[i];
        bool encoded =
            c == '%' && i + 2 < length && isxdigit((unsigned char)text[i + 1]) && isxdigit((unsigned char)text[i + 2]);
        if (encoded) {
            c = (unsigned char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        }
        bool unreserved = c < 0x80 && (isalnum(c) || (c != '\0' && strchr("-._~", c)));
        bool reserved = !encoded && c != '\0' && strchr("!$&'()*+,;=:@/?[]|", c);
        char plain = (char)c;
        error = unreserved || reserved ? buffer_append(out, &plain, 1) : buffer_print(out, "%%%02X", c);
    }
    return error;
}

/* RFC 3986, 5.2.4, on path[0 … length), in place; the path begins with '/'. Returns the new length. */
static size_t remove_dot_segments(char *path, size_t length)
{
    size_t to = 0, from = 0;
    while (from < length) {
        size_t end = from + 1; /* path[from] is the '/' before the segment */
        while (end < length && path[end] != '/')
            end++;
        size_t n = end - from - 1;
        bool dot = n == 1 && path[from + 1] == '.';
        bool two_dots = n == 2 && path[from + 1] == '.' && path[from + 2] == '.';
        if (two_dots) {
            while (to > 0 && path[--to] != '/')
                ;
        }
        if (!dot && !two_dots) {
            memmove(path + to, path + from, end - from);
            to += end - from;
        } else if (end == length) {
            path[to++] = '/'; /* "a/." and "a/.." are folders */
        }
        from = end;
    }
    return to;
}

/* "name", "1.2.3.4" or "[::1]" → appended in lower case. */
static enum url_result append_host(struct buffer *out, struct span host)
{
    bool v6 = host.length > 2 && host.start[0] == '[' && host.start[host.length - 1] == ']';
    const char *allowed = v6 ? "0123456789abcdef:." : "abcdefghijklmnopqrstuvwxyz0123456789-._";
    if (host.length == 0 || host.length > URL_MAX_HOST)
        return URL_BAD_HOST;
    for (size_t i = 0; i < host.length; i++) {
        char c = (char)tolower((unsigned char)host.start[i]);
        bool bracket = v6 && (i == 0 || i == host.length - 1);
        if (!bracket && (c == '\0' || !strchr(allowed, c)))
            return URL_BAD_HOST;
        if (buffer_append(out, &c, 1) < 0)
            return URL_NO_MEMORY;
    }
    return URL_OK;
}

/* "host", "host:", "host:8080" → appended; 80 is left out. */
static enum url_result append_authority(struct buffer *out, struct span authority, uint16_t *port)
{
    const char *end = authority.start + authority.length;
    if (memchr(authority.start, '@', authority.length))
        return URL_USER_NAME;
    const char *colon = memrchr(authority.start, ':', authority.length);
    if (colon && memchr(colon, ']', (size_t)(end - colon)))
        colon = NULL; /* inside "[::1]" */
    enum url_result result = append_host(out, span_of(authority.start, colon ? colon : end));
    if (result != URL_OK)
        return result;
    unsigned number = 0;
    for (const char *p = colon ? colon + 1 : end; p < end; p++) {
        if (!isdigit((unsigned char)*p) || (number = number * 10 + (unsigned)(*p - '0')) > 65535)
            return URL_BAD_PORT;
    }
    if (colon && colon + 1 < end && number == 0)
        return URL_BAD_PORT;
    *port = (uint16_t)(number ? number : 80);
    if (*port != 80 && buffer_print(out, ":%u", number) < 0)
        return URL_NO_MEMORY;
    return URL_OK;
}

static bool is_slash(char c)
{
    return c == '/' || c == '\\'; /* as browsers have it */
}

/* The path and query of the reference `text`, which begins behind the authority if it has one. */
static int append_target(struct buffer *out, const struct url *base, const char *text)
{
    size_t start = out->length, path_length = strcspn(text, "?");
    const char *base_target = base ? base->text + base->target_start : "/";
    size_t base_path = strcspn(base_target, "?");
    int error = 0;

    if (path_length == 0 && base) { /* "" and "?query": the path of the base, and its query unless there is one */
        error = buffer_append(out, base_target, text[0] == '?' ? base_path : strlen(base_target));
    } else if (path_length == 0) {
        error = buffer_append(out, "/", 1);
    } else {
        if (!is_slash(text[0])) {
            size_t folder = base_path;
            while (folder > 0 && base_target[folder - 1] != '/')
                folder--;
            error = buffer_append(out, base_target, folder);
        }
        if (!error)
            error = append_encoded(out, text, path_length);
    }
    if (error)
        return error;
    char *path = out->data + start;
    size_t length = out->length - start, query = 0;
    while (query < length && path[query] != '?')
        query++;
    size_t shorter = remove_dot_segments(path, query);
    memmove(path + shorter, path + query, length - query);
    out->length -= query - shorter;
    return append_encoded(out, text + path_length, strlen(text + path_length));
}

/* `text` is clean. Fills `out` with the URL, without its NUL. */
static enum url_result resolve(const struct url *base, char *text, struct buffer *out, struct url *url)
{
    size_t scheme = scheme_length(text);
    const char *rest = text + scheme + (scheme > 0);
    enum url_result result = URL_OK;

    if (scheme == 0 && !base)
        return URL_NO_SCHEME;
    if (scheme == 5 && strncasecmp(text, "https", 5) == 0)
        return URL_HTTPS;
    if (scheme > 0 && (scheme != 4 || strncasecmp(text, "http", 4) != 0))
        return URL_OTHER_SCHEME;
    for (char *p = text; *p && *p != '?'; p++)
        *p = is_slash(*p) ? '/' : *p;
    if (buffer_append(out, "http://", URL_HOST) < 0)
        return URL_NO_MEMORY;
    if (is_slash(rest[0]) && is_slash(rest[1])) {
        const char *end = rest + 2 + strcspn(rest + 2, "/?");
        result = append_authority(out, span_of(rest + 2, end), &url->port);
        rest = end;
        base = NULL;
    } else if (scheme > 0) {
        return URL_BAD_HOST; /* "http:page" */
    } else {
        url->port = base->port;
        result = buffer_append(out, base->text + URL_HOST, base->host_length) < 0 ? URL_NO_MEMORY : URL_OK;
    }
    if (result != URL_OK)
        return result;
    url->host_length = out->length - URL_HOST;
    url->target_start = out->length;
    return append_target(out, base, rest) < 0 ? URL_NO_MEMORY : URL_OK;
}

enum url_result url_resolve(const struct url *base, const char *reference, struct url *url)
{
    struct buffer out = {0};
    if (strnlen(reference, URL_MAX_LENGTH + 1) > URL_MAX_LENGTH)
        return URL_TOO_LONG;
    char *text = clean(reference);
    enum url_result result = text ? resolve(base, text, &out, url) : URL_NO_MEMORY;
    free(text);
    if (result == URL_OK && out.length > URL_MAX_LENGTH)
        result = URL_TOO_LONG;
    if (result == URL_OK && buffer_append(&out, "", 1) < 0)
        result = URL_NO_MEMORY;
    if (result != URL_OK) {
        buffer_free(&out);
        return result;
    }
    url->text = out.data;
    return URL_OK;
}

const char *url_result_text(enum url_result result)
{
    switch (result) {
    case URL_OK:
        return "good";
    case URL_NO_SCHEME:
        return "not a whole URL; it has to begin with http://";
    case URL_HTTPS:
        return "https:// is not supported by this example, only http://";
    case URL_OTHER_SCHEME:
        return "only http:// is supported";
    case URL_BAD_HOST:
        return "bad URL: it names no valid host";
    case URL_BAD_PORT:
        return "bad URL: the port is not a number from 1 to 65535";
    case URL_USER_NAME:
        return "a user name in the URL is not supported";
    case URL_TOO_LONG:
        return "bad URL: over 8192 bytes long";
    case URL_NO_MEMORY:
        break;
    }
    return "no memory";
}

void url_free(struct url *url)
{
    free(url->text);
    *url = (struct url){0};
}
