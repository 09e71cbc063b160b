/* What the load generator asks, and how it checks the answers. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "bench/bench.h"
#include "bench/loadgen.h"

/* One small message is outstanding at a time: the socket's buffer has room. */
static void send_all(connection *c, const void *message, size_t size)
{
    ssize_t n = send(c->fd, message, size, MSG_NOSIGNAL);

    if (n != (ssize_t)size)
        bench_die("send", n < 0 ? errno : EIO);
}

/* Bytes that have come; 0 when there are none at the moment. */
static size_t receive(connection *c, void *buffer, size_t size, int flags)
{
    ssize_t n = recv(c->fd, buffer, size, MSG_DONTWAIT | flags);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        bench_die("recv", n < 0 ? errno : ECONNRESET);
    if (!c->busy)
        bench_die("the server sent something unasked", EBADMSG);
    return (size_t)n;
}

/* ---- echo: 64 bytes, and the same 64 bytes back. The first byte is 1 where the server is to compute for 1 ms before it
 * answers, else 0. ---- */

/* Word i of a request: differs for each connection, request and word, so that a mixed-up answer is noticed. */
static uint64_t message_word(const connection *c, unsigned i)
{
    uint64_t word = ((uint64_t)c->id << 40 ^ c->sequence << 8 ^ i) * UINT64_C(0x9e3779b97f4a7c15);
    uint8_t stall = c->stall;

    if (i == 0)
        memcpy(&word, &stall, 1);
    return word;
}

static void echo_ask(connection *c)
{
    uint64_t message[MESSAGE_WORDS];

    c->sequence++;
    for (unsigned i = 0; i < MESSAGE_WORDS; i++)
        message[i] = message_word(c, i);
    c->received = 0;
    send_all(c, message, sizeof message);
}

static bool echo_take(connection *c, uint64_t *bytes)
{
    size_t n = receive(c, (char *)c->answer + c->received, MESSAGE_SIZE - c->received, 0);

    *bytes = n;
    c->received += (uint32_t)n;
    if (c->received < MESSAGE_SIZE)
        return false;
    for (unsigned i = 0; i < MESSAGE_WORDS; i++)
        if (c->answer[i] != message_word(c, i))
            bench_die("the server sent back something else", EBADMSG);
    return true;
}

/* ---- HTTP/1.1, one request after the other on the same connection ---- */

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: loadgen\r\nAccept: */*\r\n\r\n";
static const char plain_body[] = "Hello, World!";

enum { TAKE = 1 << 20 };

static void http_ask(connection *c)
{
    c->received = 0;
    c->in_body = false;
    send_all(c, request, sizeof request - 1);
}

/* The value of a header field in a complete head, NULL when it is not there. `name` begins with the end of the line
 * before and ends with the colon. */
static const char *field(const connection *c, const char *name)
{
    const char *found = strcasestr(c->head, name);

    return found == NULL ? NULL : found + strlen(name);
}

static void parse_head(connection *c)
{
    const char *length = field(c, "\r\nContent-Length:");

    if (strncmp(c->head, "HTTP/1.1 200 ", 13) != 0 || length == NULL)
        bench_die("no status 200 with a Content-Length", EBADMSG);
    c->body_size = strtoull(length, NULL, 10);
    c->body_left = c->body_size;
    c->in_body = true;
}

/* Receive into the head until it is complete. What has come of the body behind it is moved to `rest`; returns its size. */
static size_t take_head(connection *c, char *rest)
{
    size_t n = receive(c, c->head + c->received, HEAD_SIZE - c->received, 0);
    const char *end;
    size_t left;

    c->received += (uint32_t)n;
    c->head[c->received] = '\0';
    end = strstr(c->head, "\r\n\r\n");
    if (end == NULL) {
        if (c->received == HEAD_SIZE)
            bench_die("a head that is too long", EMSGSIZE);
        return 0;
    }
    left = c->received - (size_t)(end + 4 - c->head);
    memcpy(rest, end + 4, left);
    c->head[c->received - left] = '\0';
    parse_head(c);
    return left;
}

/* The plain answer is small: it comes at once, or in two pieces. */
static bool http_take(connection *c, uint64_t *bytes)
{
    char rest[HEAD_SIZE];
    size_t n;

    n = c->in_body ? receive(c, rest, sizeof rest, 0) : take_head(c, rest);
    *bytes = n;
    if (!c->in_body)
        return false;
    if (c->body_size != sizeof plain_body - 1 || n > c->body_left ||
        memcmp(rest, plain_body + (c->body_size - c->body_left), n) != 0)
        bench_die("a wrong body", EBADMSG);
    c->body_left -= n;
    return c->body_left == 0;
}

/* ---- bulk: the same with large bodies. Byte i of a body is i * 7 mod 251. The first bytes of each are compared, the
 * others are counted and thrown away in the kernel, so that the client can keep up. ---- */

enum { COMPARED = 64 * 1024 };

static void compare_bulk(const connection *c, const char *part, size_t size)
{
    uint64_t at = c->body_size - c->body_left;

    for (size_t i = 0; i < size; i++)
        if ((unsigned char)part[i] != (at + i) * 7 % 251)
            bench_die("a wrong body", EBADMSG);
}

static bool bulk_take(connection *c, uint64_t *bytes)
{
    static char part[COMPARED];
    uint64_t done = c->body_size - c->body_left;
    size_t n;

    if (!c->in_body) {
        n = take_head(c, part);
        compare_bulk(c, part, n);
    } else if (done < COMPARED) {
        n = receive(c, part, COMPARED - done, 0);
        compare_bulk(c, part, n);
    } else {
        n = receive(c, NULL, c->body_left < TAKE ? c->body_left : TAKE, MSG_TRUNC);
    }
    *bytes = n;
    if (!c->in_body)
        return false;
    if (n > c->body_left)
        bench_die("more than was announced", EBADMSG);
    c->body_left -= n;
    return c->body_left == 0;
}

const protocol *protocol_find(const char *name)
{
    static const protocol known[] = {
        {.name = "echo", .ask = echo_ask, .take = echo_take},
        {.name = "http", .ask = http_ask, .take = http_take},
        {.name = "bulk", .ask = http_ask, .take = bulk_take, .counts_bytes = true},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    return NULL;
}
