/* Listening and dialling by name, and names. Loopback only. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "runtime.h"

static bool has_v6(void)
{
    int fd = weft_tcp_listen("[::1]:0", 1);
    if (fd >= 0)
        weft_close(fd);
    return fd >= 0;
}

/* Listen here, dial there, pass a byte both ways. */
static void connect_over(const char *here, const char *there)
{
    char text[64], byte = 0;
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    int listener = weft_tcp_listen(here, 0);
    if (!CHECK(listener >= 0))
        return;
    snprintf(text, sizeof text, "%s:%d", there, weft_tcp_port(listener));
    int client = weft_tcp_dial(text);
    int served = weft_accept(listener, NULL, NULL);
    if (CHECK(client >= 0) && CHECK(served >= 0)) {
        CHECK_INT(weft_send(client, "a", 1, 0), 1);
        CHECK_INT(weft_recv(served, &byte, 1, 0), 1);
        CHECK_INT(byte, 'a');
        CHECK_INT(fcntl(client, F_GETFL) & O_NONBLOCK, 0);
        CHECK_INT(fcntl(client, F_GETFD), FD_CLOEXEC);
        CHECK_INT(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
        CHECK(no_delay != 0);
        CHECK_INT(weft_close(client), 0);
        CHECK_INT(weft_close(served), 0);
    }
    CHECK_INT(weft_close(listener), 0);
}

static void *connect_over_all(void *arg)
{
    (void)arg;
    connect_over("127.0.0.1:0", "127.0.0.1");
    connect_over("localhost:0", "localhost");
    connect_over(":0", "127.0.0.1");
    connect_over("*:0", "localhost");
    if (has_v6()) {
        connect_over("[::1]:0", "[::1]");
        connect_over(":0", "[::1]");
    }
    return NULL;
}

static void test_dial_reaches_who_listens_on_each_kind_of_address(void **state)
{
    (void)state;
    wt_over_workers_and_thread(connect_over_all, NULL);
}

static void *dial_nobody(void *arg)
{
    (void)arg;
    char text[64];
    int listener = weft_tcp_listen("127.0.0.1:0", 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", weft_tcp_port(listener));
    CHECK_INT(weft_close(listener), 0);
    CHECK_INT(weft_tcp_dial(text), -ECONNREFUSED);
    CHECK_INT(weft_tcp_dial("localhost:1"), -ECONNREFUSED);
    CHECK(weft_tcp_dial("no.such.name.invalid:80") < 0);
    CHECK_INT(weft_tcp_dial(":80"), -EINVAL);
    CHECK_INT(weft_tcp_dial("localhost"), -EINVAL);
    CHECK_INT(weft_tcp_listen("localhost:x", 0), -EINVAL);
    CHECK_INT(weft_tcp_port(0), -ENOTSOCK);
    return NULL;
}

static void test_dial_of_nobody_returns_the_error(void **state)
{
    (void)state;
    wt_over_workers_and_thread(dial_nobody, NULL);
}

/* A listener with no room: the attempt goes on until the deadline. */
static void *dial_with_deadline(void *arg)
{
    (void)arg;
    char text[64];
    int fill[8];
    int listener = weft_tcp_listen("127.0.0.1:0", 1);
    snprintf(text, sizeof text, "127.0.0.1:%d", weft_tcp_port(listener));
    int last = 0;
    for (int i = 0; i < 8; i++) {
        fill[i] = weft_tcp_dial_until(text, weft_after(20 * WEFT_MILLISECOND));
        last = fill[i];
    }
    CHECK_INT(last, -ETIMEDOUT);
    for (int i = 0; i < 8; i++)
        if (fill[i] >= 0)
            CHECK_INT(weft_close(fill[i]), 0);
    CHECK_INT(weft_close(listener), 0);
    return NULL;
}

/* The same with a kill, and with a timeout around it. */
struct silent {
    char address[64];
    int result;
};

static void *dial_silent(void *arg)
{
    struct silent *s = arg;
    s->result = weft_tcp_dial(s->address);
    return NULL;
}

static void *kill_dialler(void *arg)
{
    (void)arg;
    struct silent s = {.result = 0};
    weft_timeout timeout = {0};
    int fill[2];
    int listener = weft_tcp_listen("127.0.0.1:0", 1);
    snprintf(s.address, sizeof s.address, "127.0.0.1:%d", weft_tcp_port(listener));
    for (int i = 0; i < 2; i++) /* a backlog of one holds two */
        fill[i] = weft_tcp_dial(s.address);
    weft_t *t = weft_spawn(dial_silent, &s);
    wt_until_waiting(t, WF_WAIT_IO);
    CHECK_INT(weft_kill(t), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(s.result, -ECANCELED);
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_tcp_dial(s.address), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(weft_close(fill[i]), 0);
    CHECK_INT(weft_close(listener), 0);
    return NULL;
}

static void test_dial_that_gets_no_answer_ends_by_a_kill_and_by_a_timeout(void **state)
{
    (void)state;
    wt_over_workers(kill_dialler, NULL);
}

static void test_dial_that_gets_no_answer_ends_at_its_deadline(void **state)
{
    (void)state;
    wt_over_workers_and_thread(dial_with_deadline, NULL);
}

static void *listen_twice(void *arg)
{
    (void)arg;
    char text[64];
    int first = weft_tcp_listen("127.0.0.1:0", 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", weft_tcp_port(first));
    CHECK_INT(weft_tcp_listen(text, 0), -EADDRINUSE);
    CHECK_INT(weft_close(first), 0);
    int again = weft_tcp_listen(text, 0);
    CHECK(again >= 0);
    CHECK_INT(weft_close(again), 0);
    return NULL;
}

static void test_listen_where_somebody_listens_is_refused(void **state)
{
    (void)state;
    wt_over_workers_and_thread(listen_twice, NULL);
}

static void *resolve(void *arg)
{
    (void)arg;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char host[64] = "", service[16] = "";
    if (CHECK_INT(weft_getaddrinfo("127.0.0.1", "80", &hints, &list), 0)) {
        CHECK_INT(weft_getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof host, service, sizeof service,
                                   NI_NUMERICHOST | NI_NUMERICSERV),
                  0);
        CHECK(strcmp(host, "127.0.0.1") == 0);
        CHECK(strcmp(service, "80") == 0);
        freeaddrinfo(list);
    }
    struct sockaddr_in nowhere = {.sin_family = 77};
    CHECK_INT(weft_getnameinfo((struct sockaddr *)&nowhere, sizeof nowhere, host, sizeof host, NULL, 0, 0), EAI_FAMILY);
    hints.ai_flags = AI_NUMERICHOST;
    CHECK_INT(weft_getaddrinfo("not-a-number", "80", &hints, &list), EAI_NONAME);
    return NULL;
}

static void test_names_are_resolved_as_by_libc(void **state)
{
    (void)state;
    wt_over_workers_and_thread(resolve, NULL);
}

/* The time was over before it began: where the thread was faster all the same, there was nothing to wait for. */
static void *resolve_late(void *arg)
{
    struct addrinfo *list = NULL;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char host[64];
    weft_timeout timeout = {0};
    CHECK_INT(weft_timeout_start(&timeout, 0), 0);
    int code = weft_getaddrinfo("localhost", "80", NULL, &list);
    CHECK(code == 0 || (code == EAI_SYSTEM && weft_last_error() == -ETIMEDOUT));
    if (code == 0)
        freeaddrinfo(list);
    code = weft_getnameinfo((struct sockaddr *)&address, sizeof address, host, sizeof host, NULL, 0, 0);
    CHECK(code == 0 || (code == EAI_SYSTEM && weft_last_error() == -ETIMEDOUT));
    int fd = weft_tcp_listen("localhost:0", 0);
    CHECK(fd >= 0 || fd == -ETIMEDOUT);
    if (fd >= 0)
        CHECK_INT(weft_close(fd), 0);
    int result = weft_tcp_dial("localhost:1");
    CHECK(result == -ETIMEDOUT || result == -ECONNREFUSED);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return arg;
}

/* A killed coroutine gets no name, however fast the thread would be. */
static void *resolve_after_kill(void *arg)
{
    struct addrinfo *list = NULL;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char host[64];
    CHECK_INT(weft_kill(weft_self()), 0);
    CHECK_INT(weft_getaddrinfo("localhost", "80", NULL, &list), EAI_SYSTEM);
    CHECK_INT(weft_last_error(), -ECANCELED);
    CHECK_INT(weft_getnameinfo((struct sockaddr *)&address, sizeof address, host, sizeof host, NULL, 0, 0), EAI_SYSTEM);
    CHECK_INT(weft_last_error(), -ECANCELED);
    CHECK_INT(weft_tcp_listen("localhost:0", 0), -ECANCELED);
    CHECK_INT(weft_tcp_dial("localhost:1"), -ECANCELED);
    return arg;
}

static void *resolve_too_late(void *arg)
{
    wt_spawn_and_join(1, resolve_late, arg);
    wt_spawn_and_join(1, resolve_after_kill, arg);
    return NULL;
}

static void test_resolution_by_a_killed_or_late_coroutine_is_refused(void **state)
{
    (void)state;
    wt_over_workers(resolve_too_late, NULL);
}

static void *resolve_killed(void *arg)
{
    (void)arg;
    struct addrinfo *list = NULL;
    int code = weft_getaddrinfo("localhost", "80", NULL, &list);
    CHECK(code == 0 || (code == EAI_SYSTEM && weft_last_error() == -ECANCELED));
    if (code == 0)
        freeaddrinfo(list);
    return NULL;
}

static void *kill_resolvers(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(100); i++) {
        weft_t *t = weft_spawn(resolve_killed, NULL);
        for (int n = i % 5; n > 0; n--)
            weft_yield();
        CHECK_INT(weft_kill(t), 0);
        CHECK_INT(weft_join(t, NULL), 0);
    }
    return NULL;
}

static void test_resolution_that_was_abandoned_frees_itself(void **state)
{
    (void)state;
    wt_over_workers(kill_resolvers, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dial_reaches_who_listens_on_each_kind_of_address),
        cmocka_unit_test(test_dial_of_nobody_returns_the_error),
        cmocka_unit_test(test_dial_that_gets_no_answer_ends_by_a_kill_and_by_a_timeout),
        cmocka_unit_test(test_dial_that_gets_no_answer_ends_at_its_deadline),
        cmocka_unit_test(test_listen_where_somebody_listens_is_refused),
        cmocka_unit_test(test_names_are_resolved_as_by_libc),
        cmocka_unit_test(test_resolution_by_a_killed_or_late_coroutine_is_refused),
        cmocka_unit_test(test_resolution_that_was_abandoned_frees_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
