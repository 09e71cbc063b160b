/* Listening and dialling by name.
 *
 * Dialling follows RFC 8305: the addresses of a name, alternating between families, are tried one after the other,
 * the next one as soon as an attempt failed or 250 ms after the last began; the first that connects wins. The
 * attempts are sockets that connect without blocking, under one weft_poll: no coroutine of their own, so nothing is
 * left to be joined or killed when one has won.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "core/clock.h"
#include "core/syscall.h"
#include "io/resolve.h"
#include "weft.h"

/* RFC 8305, section 8: the recommended delay between attempts. */
static const int64_t ATTEMPT_DELAY = 250 * WEFT_MILLISECOND;

/* A name with more addresses than this is tried with the first ones only. */
enum { ATTEMPTS_MAX = 16 };

static int set_option(int fd, int level, int name, int value)
{
    return (int)wf_syscall6(SYS_setsockopt, fd, level, name, (long)&value, sizeof value, 0);
}

static void release(struct addrinfo *list)
{
    int saved = errno;
    freeaddrinfo(list);
    errno = saved;
}

/* ---- listening ---- */

static int listen_on(const struct addrinfo *address, int backlog, bool any)
{
    int fd = weft_socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    int error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error == 0 && address->ai_family == AF_INET6)
        error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !any);
    if (error == 0)
        error = weft_bind(fd, address->ai_addr, address->ai_addrlen);
    if (error == 0)
        error = weft_listen(fd, backlog > 0 ? backlog : SOMAXCONN);
    if (error == 0)
        return fd;
    weft_close(fd);
    return error;
}

/* The first address that can be listened on; of any: v6 first, because its socket takes v4 too. */
static int listen_on_first(const struct addrinfo *list, int backlog, bool any)
{
    int result = -ENOENT;
    for (int pass = any ? 0 : 1; pass < 2; pass++) {
        for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
            if (pass == 0 && a->ai_family != AF_INET6)
                continue;
            result = listen_on(a, backlog, any);
            if (result >= 0)
                return result;
            if (any && result == -EADDRINUSE)
                return result; /* the other family would serve half of the world only */
        }
    }
    return result;
}

WEFT_API int weft_tcp_listen(const char *host_port, int backlog)
{
    wf_host_port name;
    struct addrinfo *list;
    int error = wf_host_port_parse(&name, host_port);
    if (error == 0)
        error = wf_resolve(&name, true, WEFT_NEVER, &list);
    if (error < 0)
        return error;
    int fd = listen_on_first(list, backlog, name.any);
    release(list);
    return fd;
}

WEFT_API int weft_tcp_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    long result = wf_syscall3(SYS_getsockname, fd, &address, &length);
    if (result < 0)
        return (int)result;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return -EAFNOSUPPORT;
}

/* ---- dialling ---- */

struct dial {
    const struct addrinfo *order[ATTEMPTS_MAX];
    size_t count;                         /* addresses */
    size_t next;                          /* the next one to try */
    struct pollfd attempts[ATTEMPTS_MAX]; /* sockets that are connecting; fd -1: failed */
    size_t open;                          /* how many of them have not failed */
    int error;                            /* of the last that failed */
};

/* Alternate between the family of the first address and the others. */
static void put_in_order(struct dial *d, const struct addrinfo *list)
{
    const struct addrinfo *lines[2] = {list, list};
    int first = list->ai_family;
    for (int turn = 0; d->count < ATTEMPTS_MAX && (lines[0] != NULL || lines[1] != NULL); turn ^= 1) {
        const struct addrinfo **line = &lines[turn];
        while (*line != NULL && ((*line)->ai_family == first) != (turn == 0))
            *line = (*line)->ai_next;
        if (*line == NULL)
            continue;
        d->order[d->count++] = *line;
        *line = (*line)->ai_next;
    }
}

/* Begin the next attempt. True: it has connected already, and its socket is the last in attempts. */
static bool begin(struct dial *d)
{
    const struct addrinfo *a = d->order[d->next];
    struct pollfd *attempt = &d->attempts[d->next++];
    *attempt = (struct pollfd){.fd = -1, .events = POLLOUT};
    int fd = weft_socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        d->error = fd;
        return false;
    }
    long result = wf_syscall3(SYS_connect, fd, a->ai_addr, a->ai_addrlen);
    if (result < 0 && result != -EINPROGRESS) {
        d->error = (int)result;
        weft_close(fd);
        return false;
    }
    attempt->fd = fd;
    d->open++;
    return result == 0;
}

static int outcome(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    long result = wf_syscall6(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, (long)&error, (long)&size, 0);
    return result < 0 ? (int)result : -error;
}

/* After a poll: the attempt that has connected, NULL when none has; those that failed are closed. */
static struct pollfd *look(struct dial *d)
{
    for (size_t i = 0; i < d->next; i++) {
        struct pollfd *attempt = &d->attempts[i];
        if (attempt->fd < 0 || attempt->revents == 0)
            continue;
        int error = outcome(attempt->fd);
        if (error == 0)
            return attempt;
        d->error = error;
        weft_close(attempt->fd);
        attempt->fd = -1;
        d->open--;
    }
    return NULL;
}

/* Try the addresses until one connects. Returns its descriptor, still O_NONBLOCK, taken out of attempts. */
static int race(struct dial *d, int64_t deadline)
{
    struct pollfd *winner = NULL;
    int64_t next_at = 0;
    while (winner == NULL) {
        if (d->next < d->count && (d->open == 0 || wf_clock_now() >= next_at)) {
            next_at = weft_after(ATTEMPT_DELAY);
            if (begin(d))
                winner = &d->attempts[d->next - 1];
            continue;
        }
        if (d->open == 0)
            return d->error;
        int64_t until = d->next < d->count && next_at < deadline ? next_at : deadline;
        int ready = weft_poll_until(d->attempts, d->next, until);
        if (ready < 0)
            return ready;
        if (ready == 0 && until == deadline)
            return -ETIMEDOUT;
        size_t open = d->open;
        winner = look(d);
        if (d->open < open)
            next_at = 0; /* one has failed: do not wait for the next */
    }
    int fd = winner->fd;
    winner->fd = -1;
    return fd;
}

static int finish(int fd)
{
    long flags = wf_syscall3(SYS_fcntl, fd, F_GETFL, 0);
    wf_syscall3(SYS_fcntl, fd, F_SETFL, flags & ~O_NONBLOCK);
    int error = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (error == 0)
        return fd;
    weft_close(fd);
    return error;
}

WEFT_API int weft_tcp_dial_until(const char *host_port, int64_t deadline)
{
    wf_host_port name;
    struct addrinfo *list;
    int error = wf_host_port_parse(&name, host_port);
    if (error == 0 && name.any)
        error = -EINVAL;
    if (error == 0)
        error = wf_resolve(&name, false, deadline, &list);
    if (error < 0)
        return error;
    struct dial d = {.error = -ENOENT};
    put_in_order(&d, list);
    int fd = race(&d, deadline);
    for (size_t i = 0; i < d.next; i++)
        if (d.attempts[i].fd >= 0)
            weft_close(d.attempts[i].fd);
    release(list);
    return fd < 0 ? fd : finish(fd);
}

WEFT_API int weft_tcp_dial(const char *host_port)
{
    return weft_tcp_dial_until(host_port, WEFT_NEVER);
}
