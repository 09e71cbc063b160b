/* A small HTTP/1.1 file server: a coroutine that accepts, and a coroutine per connection. */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "examples/serve/request.h"
#include "weft.h"

struct server_options {
    const char *listen;        /* host:port, port 0 = any */
    const char *root;          /* folder */
    int64_t delay_ns;          /* each answer comes so much later, as from a distant site */
    int64_t header_timeout_ns; /* from the first byte of a request to its last */
    int64_t idle_timeout_ns;   /* between requests, and for each piece of an answer to be taken */
    unsigned max_connections;
    bool quiet; /* no log line per request */
};

struct server {
    struct server_options options;
    int listener, root_fd;
    weft_t *acceptor;
    weft_sem slots; /* connections that may still be accepted */
    atomic_bool stopping;
    weft_mutex lock;                /* of the list */
    struct connection *connections; /* all that are open */
};

struct connection {
    struct server *server;
    struct connection *next, *previous; /* server->connections, under its lock */
    int fd;
    struct request request;
    size_t start, end; /* input[start … end) has come but is not parsed yet */
    char input[4096];
};

/* Open the root and the socket. 0, or -errno with a message on stderr. Pair with server_close. */
int server_open(struct server *server, const struct server_options *options);

/* Begin to accept. 0, -errno. */
int server_start(struct server *server);

/* Accept no more, let each connection finish the answer that it is sending, and return; server_close after weft_stop.
 * */
void server_stop(struct server *server);
void server_close(struct server *server);

/* The body of a connection's coroutine; arg is its struct connection (connection.c). */
void *connection_main(void *arg);

/* For connection_main: take the connection off the list, close it, free it. */
void server_end_connection(struct connection *c);

/* The whole program: main(argc, argv) of serve. Other programs that link this module run it in a child process. */
int serve_main(int argc, char **argv);

#endif
