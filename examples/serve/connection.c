/* One connection, in plain blocking style: read a request, answer it, and again. */
#include <errno.h>

#include "examples/serve/response.h"
#include "examples/serve/server.h"

enum {
    LINGER_MS = 1000,
    LINGER_BYTES = 256 * 1024,
};

enum reading {
    READ_REQUEST, /* c->request is complete */
    READ_REFUSED, /* c->request.status says why */
    READ_NOTHING, /* the client has gone, or said nothing for too long */
};

/* Hand what has come to the parser. False: it needs more. */
static bool parse_input(struct connection *c)
{
    if (c->start == c->end)
        return false;
    c->start += request_feed(&c->request, c->input + c->start, c->end - c->start);
    return c->request.state != REQUEST_INCOMPLETE;
}

static enum reading read_request(struct connection *c)
{
    const struct server_options *options = &c->server->options;
    bool begun = c->start < c->end; /* the next request of a pipeline is here already */
    int64_t deadline = weft_after(begun ? options->header_timeout_ns : options->idle_timeout_ns);

    request_reset(&c->request);
    while (!parse_input(c)) {
        ssize_t count = weft_recv_until(c->fd, c->input, sizeof c->input, 0, deadline);
        if (count == -ETIMEDOUT && begun) {
            c->request.status = 408;
            return READ_REFUSED;
        }
        if (count <= 0)
            return READ_NOTHING;
        c->start = 0;
        c->end = (size_t)count;
        if (!begun)
            deadline = weft_after(options->header_timeout_ns);
        begun = true;
    }
    return c->request.state == REQUEST_COMPLETE ? READ_REQUEST : READ_REFUSED;
}

/* Closing with unread input resets the connection, and the client may lose our last answer. So read on for a moment. */
static void linger(struct connection *c)
{
    int64_t deadline = weft_after(LINGER_MS * WEFT_MILLISECOND);
    if (weft_shutdown(c->fd, SHUT_WR) < 0)
        return;
    for (ssize_t total = 0; total < LINGER_BYTES;) {
        ssize_t count = weft_recv_until(c->fd, c->input, sizeof c->input, 0, deadline);
        if (count <= 0)
            return;
        total += count;
    }
}

void *connection_main(void *arg)
{
    struct connection *c = arg;
    for (bool go_on = true; go_on;) {
        enum reading reading = read_request(c);
        if (reading == READ_NOTHING)
            break;
        if (reading == READ_REFUSED)
            response_refuse(c, c->request.status);
        go_on = reading == READ_REQUEST && response_send(c);
        if (!go_on)
            linger(c);
    }
    server_end_connection(c);
    return NULL;
}
