/* Sockets over the ring: bytes arrive, once and in order; errors are the kernel's; nothing raises SIGPIPE. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "runtime.h"

enum { PIECE = 1000 };

struct sums {
    _Atomic(uint64_t) sent, received;
};

static uint64_t add_up(uint64_t sum, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static void fill(unsigned char *bytes, size_t n, unsigned *seed)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(rand_r(seed) >> 8);
}

/* ---- echo ---- */

struct server {
    int listener;
    int connections;
};

static void *echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    unsigned char bytes[4096];
    ssize_t n;
    while ((n = weft_recv(fd, bytes, sizeof bytes, 0)) > 0)
        CHECK_INT(weft_send(fd, bytes, (size_t)n, 0), n);
    CHECK_INT(n, 0);
    CHECK_INT(weft_close(fd), 0);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct server *server = arg;
    for (int i = 0; i < server->connections; i++) {
        int fd = weft_accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (CHECK(fd >= 0))
            CHECK_INT(weft_go(echo, (void *)(intptr_t)fd), 0);
    }
    return NULL;
}

static int listen_somewhere(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(weft_bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    CHECK_INT(weft_listen(fd, 1000), 0);
    getsockname(fd, (struct sockaddr *)address, &length);
    return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(weft_connect(fd, (const struct sockaddr *)address, sizeof *address), 0);
    return fd;
}

struct client {
    struct sockaddr_in address;
    int rounds;
    struct sums sums;
};

static void *talk(void *arg)
{
    struct client *client = arg;
    unsigned seed = (unsigned)weft_id(NULL);
    unsigned char out[PIECE], in[PIECE];
    int fd = connect_to(&client->address);
    for (int i = 0; i < client->rounds; i++) {
        size_t n = 1 + (size_t)rand_r(&seed) % PIECE;
        fill(out, n, &seed);
        CHECK_INT(weft_send(fd, out, n, 0), (ssize_t)n);
        CHECK_INT(weft_read_full(fd, in, n), (ssize_t)n);
        CHECK(memcmp(out, in, n) == 0);
        atomic_fetch_add(&client->sums.sent, add_up(0, out, n));
        atomic_fetch_add(&client->sums.received, add_up(0, in, n));
    }
    CHECK_INT(weft_close(fd), 0);
    return NULL;
}

static void *echo_many(void *arg)
{
    (void)arg;
    struct client client = {.rounds = wt_scaled(40)};
    struct server server = {.connections = 100};
    server.listener = listen_somewhere(&client.address);
    weft_t *acceptor = weft_spawn(accept_all, &server);
    wt_spawn_and_join(server.connections, talk, &client);
    CHECK_INT(weft_join(acceptor, NULL), 0);
    CHECK_INT(weft_close(server.listener), 0);
    CHECK(client.sums.sent == client.sums.received);
    return NULL;
}

static void test_echo_among_many_connections_returns_the_same_bytes(void **state)
{
    (void)state;
    wt_over_workers(echo_many, NULL);
}

/* ---- large transfers ---- */

enum { LARGE = 8 << 20 };

static void *drain(void *arg)
{
    int fd = (int)(intptr_t)arg;
    unsigned char *bytes = malloc(LARGE);
    uint64_t sum = 0;
    size_t total = 0;
    ssize_t n;
    while ((n = weft_recv(fd, bytes, LARGE, 0)) > 0) {
        sum = add_up(sum, bytes, (size_t)n);
        total += (size_t)n;
    }
    CHECK_INT(n, 0);
    CHECK_INT((int64_t)total, LARGE);
    free(bytes);
    return (void *)(uintptr_t)sum;
}

static void *send_large(void *arg)
{
    (void)arg;
    int fds[2];
    unsigned seed = 7;
    void *received;
    unsigned char *bytes = malloc(LARGE);
    fill(bytes, LARGE, &seed);
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    weft_t *reader = weft_spawn(drain, (void *)(intptr_t)fds[1]);
    CHECK_INT(weft_send(fds[0], bytes, LARGE, 0), LARGE);
    CHECK_INT(weft_shutdown(fds[0], SHUT_WR), 0);
    CHECK_INT(weft_join(reader, &received), 0);
    CHECK((uintptr_t)received == add_up(0, bytes, LARGE));
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    free(bytes);
    return NULL;
}

static void test_send_of_more_than_the_buffers_hold_sends_all_of_it(void **state)
{
    (void)state;
    wt_over_workers(send_large, NULL);
}

static void *send_vectors(void *arg)
{
    int fds[2];
    unsigned seed = 7;
    void *received;
    unsigned char *bytes = malloc(LARGE);
    struct iovec iov[8];
    fill(bytes, LARGE, &seed);
    for (int i = 0; i < 8; i++)
        iov[i] = (struct iovec){bytes + i * (LARGE / 8), LARGE / 8};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 8};
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    weft_t *reader = weft_spawn(drain, (void *)(intptr_t)fds[1]);
    if (arg == NULL)
        CHECK_INT(weft_sendmsg(fds[0], &message, 0), LARGE);
    else
        CHECK_INT(weft_writev(fds[0], iov, 8), LARGE);
    CHECK_INT(weft_shutdown(fds[0], SHUT_WR), 0);
    CHECK_INT(weft_join(reader, &received), 0);
    CHECK((uintptr_t)received == add_up(0, bytes, LARGE));
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    free(bytes);
    return NULL;
}

static void test_sendmsg_of_more_than_the_buffers_hold_sends_all_of_it(void **state)
{
    (void)state;
    wt_over_workers(send_vectors, NULL);
}

static void test_writev_of_more_than_the_buffers_hold_writes_all_of_it(void **state)
{
    (void)state;
    wt_over_workers(send_vectors, (void *)1);
}

/* ---- single calls; from coroutines and from plain threads ---- */

static void *refused(void *arg)
{
    (void)arg;
    struct sockaddr_in address;
    int listener = listen_somewhere(&address);
    CHECK_INT(weft_close(listener), 0);
    int fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(weft_connect(fd, (struct sockaddr *)&address, sizeof address), -ECONNREFUSED);
    CHECK_INT(weft_close(fd), 0);
    return NULL;
}

static void *datagrams(void *arg)
{
    (void)arg;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {0};
    socklen_t length = sizeof to;
    char bytes[10] = "";
    int receiver = weft_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int sender = weft_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(weft_bind(receiver, (struct sockaddr *)&to, sizeof to), 0);
    getsockname(receiver, (struct sockaddr *)&to, &length);
    CHECK_INT(weft_sendto(sender, "hello", 5, 0, (struct sockaddr *)&to, sizeof to), 5);
    length = sizeof from;
    CHECK_INT(weft_recvfrom(receiver, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length), 5);
    CHECK(memcmp(bytes, "hello", 5) == 0);
    CHECK_INT(length, sizeof from);
    CHECK_INT(ntohl(from.sin_addr.s_addr), INADDR_LOOPBACK);
    CHECK_INT(weft_close(sender), 0);
    CHECK_INT(weft_close(receiver), 0);
    return NULL;
}

static void *hung_up(void *arg)
{
    (void)arg;
    int fds[2];
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    CHECK_INT(weft_send(fds[0], "x", 1, 0), -EPIPE);
    CHECK_INT(weft_write(fds[0], "x", 1), -EPIPE);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_write(fds[1], "x", 1), -EPIPE);
    CHECK_INT(weft_close(fds[1]), 0);
    return NULL;
}

static void *nonblocking(void *arg)
{
    (void)arg;
    int fds[2];
    char byte;
    struct sockaddr_in address;
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    CHECK_INT(weft_recv(fds[0], &byte, 1, 0), -EAGAIN);
    CHECK_INT(weft_read(fds[0], &byte, 1), -EAGAIN);
    while (weft_send(fds[0], "0123456789abcdef", 16, 0) > 0)
        ;
    CHECK_INT(weft_send(fds[0], "x", 1, 0), -EAGAIN);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    int listener = listen_somewhere(&address);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    CHECK_INT(weft_accept(listener, NULL, NULL), -EAGAIN);
    CHECK_INT(weft_close(listener), 0);
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_INT(weft_read(fds[0], &byte, 1), -EAGAIN);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    return NULL;
}

static void *dont_wait(void *arg)
{
    (void)arg;
    int fds[2];
    char byte;
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_INT(weft_recv(fds[0], &byte, 1, MSG_DONTWAIT), -EAGAIN);
    CHECK_INT(weft_recv_until(fds[0], &byte, 1, 0, 0), -ETIMEDOUT);
    CHECK_INT(weft_send(fds[1], "x", 1, 0), 1);
    CHECK_INT(weft_recv(fds[0], &byte, 1, MSG_PEEK), 1);
    CHECK_INT(weft_recv(fds[0], &byte, 1, MSG_DONTWAIT), 1);
    CHECK_INT(weft_send(fds[1], "x", 1, 0), 1);
    CHECK_INT(weft_recv_until(fds[0], &byte, 1, 0, 0), 1);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    return NULL;
}

static void *bad(void *arg)
{
    (void)arg;
    char byte;
    struct pollfd poll = {.fd = 900, .events = POLLIN};
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    CHECK_INT(weft_recv(900, &byte, 1, 0), -EBADF);
    CHECK_INT(weft_send(900, &byte, 1, 0), -EBADF);
    CHECK_INT(weft_read(900, &byte, 1), -EBADF);
    CHECK_INT(weft_recvfrom(900, &byte, 1, 0, NULL, NULL), -EBADF);
    CHECK_INT(weft_recvmsg(900, &message, 0), -EBADF);
    CHECK_INT(weft_sendto(900, &byte, 1, 0, NULL, 0), -EBADF);
    CHECK_INT(weft_sendmsg(900, &message, 0), -EBADF);
    CHECK_INT(weft_read(-1, &byte, 1), -EBADF);
    CHECK_INT(weft_read_full(900, &byte, 1), -EBADF);
    CHECK_INT(weft_write_full(900, &byte, 1), -EBADF);
    CHECK_INT(weft_readv(900, &iov, 1), -EBADF);
    CHECK_INT(weft_writev(900, &iov, 1), -EBADF);
    CHECK_INT(weft_pwrite(900, &byte, 1, 0), -EBADF);
    CHECK_INT(weft_fdatasync(900), -EBADF);
    CHECK_INT(weft_dup(900), -EBADF);
    CHECK_INT(weft_bind(900, (struct sockaddr *)&address, sizeof address), -EBADF);
    CHECK_INT(weft_listen(900, 1), -EBADF);
    CHECK_INT(weft_accept4(900, NULL, NULL, 0), -EBADF);
    CHECK_INT(weft_openat(900, "x", O_RDONLY, 0), -EBADF);
    CHECK_INT(weft_tcp_port(900), -EBADF);
    CHECK_INT(weft_read(1 << 30, &byte, 1), -EBADF);
    CHECK_INT(weft_write(900, &byte, 1), -EBADF);
    CHECK_INT(weft_pread(900, &byte, 1, 0), -EBADF);
    CHECK_INT(weft_pread(0, &byte, 1, -1), -EINVAL);
    CHECK_INT(weft_accept(900, NULL, NULL), -EBADF);
    CHECK_INT(weft_connect(900, (struct sockaddr *)&address, sizeof address), -EBADF);
    CHECK_INT(weft_fsync(900), -EBADF);
    CHECK_INT(weft_close(900), -EBADF);
    CHECK_INT(weft_close(-1), -EBADF);
    CHECK_INT(weft_shutdown(900, SHUT_WR), -EBADF);
    CHECK_INT(weft_poll(&poll, 1, -1), 1);
    CHECK_INT(poll.revents, POLLNVAL);
    return NULL;
}

/* What never waits: what it makes works, and what the kernel refuses is refused. */
static void *make_and_refuse(void *arg)
{
    (void)arg;
    int fds[2];
    char bytes[8] = "";
    struct iovec out = {"message", 7}, in = {bytes, sizeof bytes};
    struct msghdr sent = {.msg_iov = &out, .msg_iovlen = 1}, received = {.msg_iov = &in, .msg_iovlen = 1};
    struct sockaddr_in address;
    CHECK_INT(weft_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
    CHECK_INT(weft_socketpair(AF_INET, SOCK_STREAM, 0, fds), -EOPNOTSUPP);
    CHECK_INT(weft_pipe2(fds, -1), -EINVAL);
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_INT(weft_sendmsg(fds[0], &sent, 0), 7);
    CHECK_INT(weft_recvmsg(fds[1], &received, 0), 7);
    CHECK(memcmp(bytes, "message", 7) == 0);
    int duplicate = weft_dup(fds[0]);
    CHECK_INT(fcntl(duplicate, F_GETFD), 0);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_send(duplicate, "x", 1, 0), 1); /* the socket is open still */
    CHECK_INT(weft_shutdown(duplicate, 77), -EINVAL);
    CHECK_INT(weft_shutdown(duplicate, SHUT_RDWR), 0);
    CHECK_INT(weft_recv(fds[1], bytes, 8, 0), 1);
    CHECK_INT(weft_recv(fds[1], bytes, 8, 0), 0);
    CHECK_INT(weft_tcp_port(fds[1]), -EAFNOSUPPORT);
    CHECK_INT(weft_close(duplicate), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    int listener = listen_somewhere(&address);
    int second = weft_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(weft_tcp_port(listener), ntohs(address.sin_port));
    CHECK_INT(weft_bind(second, (struct sockaddr *)&address, sizeof address), -EADDRINUSE);
    CHECK_INT(weft_shutdown(second, SHUT_WR), -ENOTCONN);
    CHECK_INT(weft_close(second), 0);
    CHECK_INT(weft_close(listener), 0);
    return NULL;
}

/* … and works for a killed coroutine too, so that it can clean up. */
static void *make_and_refuse_killed(void *arg)
{
    int fds[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_INT(weft_send(fds[0], "x", 1, 0), -ECANCELED);
    CHECK_INT(weft_shutdown(fds[0], SHUT_RDWR), 0);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    CHECK_INT(weft_pipe2(fds, O_CLOEXEC), 0);
    int duplicate = weft_dup(fds[0]);
    CHECK_INT(weft_close(duplicate), 0);
    CHECK_INT(weft_close(fds[0]), 0);
    CHECK_INT(weft_close(fds[1]), 0);
    int fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(weft_bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_INT(weft_listen(fd, 1), 0);
    CHECK(weft_tcp_port(fd) > 0);
    CHECK_INT(weft_close(fd), 0);
    return arg;
}

static void *clean_up_killed(void *arg)
{
    wt_spawn_and_join(1, make_and_refuse_killed, arg);
    return NULL;
}

static void test_connect_to_a_closed_port_is_refused(void **state)
{
    (void)state;
    wt_over_workers_and_thread(refused, NULL);
}

static void test_datagram_arrives_with_its_sender(void **state)
{
    (void)state;
    wt_over_workers_and_thread(datagrams, NULL);
}

static void test_send_and_write_after_hang_up_return_epipe_without_a_signal(void **state)
{
    (void)state;
    wt_over_workers_and_thread(hung_up, NULL);
}

static void test_nonblocking_descriptor_gets_eagain(void **state)
{
    (void)state;
    wt_over_workers_and_thread(nonblocking, NULL);
}

static void test_dontwait_and_past_deadline_take_what_is_there_and_do_not_wait(void **state)
{
    (void)state;
    wt_over_workers_and_thread(dont_wait, NULL);
}

static void test_bad_descriptor_is_refused_by_every_call(void **state)
{
    (void)state;
    wt_over_workers_and_thread(bad, NULL);
}

static void test_calls_that_never_wait_make_and_refuse_as_the_kernel_does(void **state)
{
    (void)state;
    wt_over_workers_and_thread(make_and_refuse, NULL);
}

static void test_calls_that_never_wait_work_for_a_killed_coroutine(void **state)
{
    (void)state;
    wt_over_workers(clean_up_killed, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_among_many_connections_returns_the_same_bytes),
        cmocka_unit_test(test_send_of_more_than_the_buffers_hold_sends_all_of_it),
        cmocka_unit_test(test_sendmsg_of_more_than_the_buffers_hold_sends_all_of_it),
        cmocka_unit_test(test_writev_of_more_than_the_buffers_hold_writes_all_of_it),
        cmocka_unit_test(test_connect_to_a_closed_port_is_refused),
        cmocka_unit_test(test_datagram_arrives_with_its_sender),
        cmocka_unit_test(test_send_and_write_after_hang_up_return_epipe_without_a_signal),
        cmocka_unit_test(test_nonblocking_descriptor_gets_eagain),
        cmocka_unit_test(test_dontwait_and_past_deadline_take_what_is_there_and_do_not_wait),
        cmocka_unit_test(test_bad_descriptor_is_refused_by_every_call),
        cmocka_unit_test(test_calls_that_never_wait_make_and_refuse_as_the_kernel_does),
        cmocka_unit_test(test_calls_that_never_wait_work_for_a_killed_coroutine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
