#include "examples/serve/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACK_OFF_LEAST_MS = 10,
    BACK_OFF_MOST_MS = 1000,
};

/* The lock is held for a few instructions; a kill must not keep us from taking it. */
static void lock_list(struct server *server)
{
    weft_shield_begin();
    weft_mutex_lock(&server->lock);
    weft_shield_end();
}

static void link_connection(struct connection *c)
{
    struct server *server = c->server;
    lock_list(server);
    c->next = server->connections;
    if (c->next)
        c->next->previous = c;
    server->connections = c;
    weft_mutex_unlock(&server->lock);
}

static void unlink_connection(struct connection *c)
{
    struct server *server = c->server;
    lock_list(server);
    if (c->next)
        c->next->previous = c->previous;
    if (c->previous)
        c->previous->next = c->next;
    else
        server->connections = c->next;
    weft_mutex_unlock(&server->lock);
}

void server_end_connection(struct connection *c)
{
    struct server *server = c->server;
    unlink_connection(c); /* before the close: server_stop must not shut down somebody else's descriptor */
    weft_close(c->fd);
    request_free(&c->request);
    free(c);
    weft_sem_post(&server->slots);
}

/* Give the connection a coroutine of its own. On an error fd stays the caller's. */
static int begin_connection(struct server *server, int fd)
{
    struct connection *c = malloc(sizeof *c);
    if (!c)
        return -ENOMEM;
    memset(c, 0, offsetof(struct connection, input));
    c->server = server;
    c->fd = fd;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    link_connection(c);
    int error = weft_go(connection_main, c);
    if (error < 0) {
        unlink_connection(c);
        request_free(&c->request);
        free(c);
    }
    return error;
}

/* After an error of accept: 0 to try again at once, -ECANCELED to stop, else how many milliseconds to wait. */
static int after_accept_error(int error, int waited_ms)
{
    if (error == -ECANCELED || error == -EBADF || error == -EINVAL)
        return -ECANCELED;
    bool exhausted = error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
    if (!exhausted)
        return 0; /* that connection has failed already, the next may not */
    if (waited_ms == 0)
        fprintf(stderr, "serve: accept: %s; waiting until connections end\n", strerrordesc_np(-error));
    int wait_ms = waited_ms ? waited_ms * 2 : BACK_OFF_LEAST_MS;
    return wait_ms < BACK_OFF_MOST_MS ? wait_ms : BACK_OFF_MOST_MS;
}

static void *accept_connections(void *arg)
{
    struct server *server = arg;
    int wait_ms = 0;
    while (weft_sem_wait(&server->slots) == 0) {
        int fd = weft_accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && begin_connection(server, fd) == 0) {
            wait_ms = 0;
            continue;
        }
        weft_sem_post(&server->slots);
        if (fd >= 0) {
            weft_close(fd);
            wait_ms = after_accept_error(-ENOMEM, wait_ms);
        } else {
            wait_ms = after_accept_error(fd, wait_ms);
        }
        if (wait_ms < 0 || (wait_ms > 0 && weft_sleep(wait_ms * WEFT_MILLISECOND) < 0))
            break;
    }
    return NULL;
}

int server_open(struct server *server, const struct server_options *options)
{
    memset(server, 0, sizeof *server);
    server->options = *options;
    weft_sem_init(&server->slots, options->max_connections);
    weft_mutex_init(&server->lock);
    atomic_init(&server->stopping, false);
    server->root_fd = weft_open(options->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (server->root_fd < 0) {
        fprintf(stderr, "serve: %s: %s\n", options->root, strerrordesc_np(-server->root_fd));
        return server->root_fd;
    }
    server->listener = weft_tcp_listen(options->listen, 0);
    if (server->listener < 0) {
        fprintf(stderr, "serve: cannot listen on %s: %s\n", options->listen, strerrordesc_np(-server->listener));
        weft_close(server->root_fd);
        return server->listener;
    }
    return 0;
}

int server_start(struct server *server)
{
    server->acceptor = weft_spawn_opt(&(weft_spawn_options){.name = "accept"}, accept_connections, server);
    return server->acceptor ? 0 : weft_last_error();
}

void server_stop(struct server *server)
{
    atomic_store_explicit(&server->stopping, true, memory_order_relaxed); /* a hint: nothing is published by it */
    weft_kill(server->acceptor);
    weft_join(server->acceptor, NULL);
    weft_close(server->listener);
    lock_list(server);
    /* Those that wait for a request read the end of the stream; those that send an answer finish it first. */
    for (struct connection *c = server->connections; c; c = c->next)
        weft_shutdown(c->fd, SHUT_RD);
    weft_mutex_unlock(&server->lock);
}

void server_close(struct server *server)
{
    weft_close(server->root_fd);
    weft_sem_fini(&server->slots);
    weft_mutex_fini(&server->lock);
}
