/* Ten thousand connections at once through examples/serve: each is opened, all stay open, each gets the same file twice and
 * compares it; then all are closed, and the server has not one descriptor more than before.
 *
 * The client is one plain thread with epoll and knows nothing of weft. `connections N`: so many instead. The server is the one
 * that was built beside it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime.h"

enum {
    CONNECTIONS = 10000,
    SPARE = 100,       /* descriptors for everything else */
    IN_FLIGHT = 500,   /* connects at once: less than the backlog */
    PER_SOURCE = 5000, /* connections from one source address: far less than it has ports */
    BODY = 1000,
    HEAD_MOST = 1000,
    PATIENCE_MS = 60000, /* without any event: something hangs */
    SETTLE_MS = 10000,
};

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SERVER_MOST 2000 /* ThreadSanitizer aborts at 8,128 threads and fibers */
#endif
#endif
#ifndef SERVER_MOST
#define SERVER_MOST CONNECTIONS
#endif

static int wanted = SERVER_MOST;

/* ---- the server ---- */

struct server {
    pid_t pid;
    int port;
    int descriptors; /* that it held when nobody was connected */
    char folder[64];
    char body[BODY + 1];
};

static int count_descriptors(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    int count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static void write_body(struct server *server)
{
    char path[128];
    strcpy(server->folder, "/tmp/weft-connections-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    for (int i = 0; i < BODY; i++)
        server->body[i] = (char)('!' + i * 7 % 90);
    snprintf(path, sizeof path, "%s/body", server->folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, server->body, BODY), BODY);
    close(fd);
}

static void remove_body(struct server *server)
{
    char path[128];
    snprintf(path, sizeof path, "%s/body", server->folder);
    unlink(path);
    rmdir(server->folder);
}

static void exec_server(const struct server *server)
{
    char most[16];
    snprintf(most, sizeof most, "%d", CONNECTIONS + 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(SERVE_PROGRAM, SERVE_PROGRAM, "--listen", "127.0.0.1:0", "--root", server->folder, "--max-connections", most,
          "--quiet", (char *)NULL);
    _exit(127);
}

static void start_server(struct server *server)
{
    int fds[2];
    char line[200];
    write_body(server);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    server->pid = fork();
    if (server->pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        exec_server(server);
    }
    close(fds[1]);
    FILE *output = fdopen(fds[0], "r");
    assert_non_null(fgets(line, sizeof line, output));
    fclose(output);
    assert_int_equal(sscanf(line, "listening on http://127.0.0.1:%d/", &server->port), 1);
    server->descriptors = count_descriptors(server->pid);
}

/* Its exit status. */
static int stop_server(struct server *server)
{
    int status;
    kill(server->pid, SIGTERM);
    assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
    remove_body(server);
    return status;
}

/* ---- a connection ---- */

enum step { CONNECTING, FIRST, OPEN, SECOND, DONE, BROKEN };

struct connection {
    int fd;
    enum step step;
    size_t length; /* of the answer so far */
    char answer[HEAD_MOST + BODY + 1];
};

struct client {
    const struct server *server;
    int epoll;
    int n, opened, answered, broken, connecting;
    struct connection *connections;
};

/* All sources are on loopback; each has its own ports. */
static struct sockaddr_in source_of(int number)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (unsigned)(number / PER_SOURCE));
    return source;
}

static void give_up(struct client *client, struct connection *c, const char *why)
{
    if (client->broken++ < 5)
        print_message("connection %d, step %d: %s (%s)\n", (int)(c - client->connections), c->step, why,
                      strerror(errno));
    client->connecting -= c->step == CONNECTING;
    c->step = BROKEN;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void open_next(struct client *client)
{
    struct connection *c = &client->connections[client->opened];
    struct sockaddr_in source = source_of(client->opened++);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)client->server->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    client->connecting++;
    c->step = CONNECTING;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        give_up(client, c, "socket");
        return;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(c->fd, (struct sockaddr *)&source, sizeof source) != 0)
        give_up(client, c, "bind");
    else if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        give_up(client, c, "connect");
    else if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        give_up(client, c, "epoll_ctl");
}

static void ask(struct client *client, struct connection *c)
{
    static const char get[] = "GET /body HTTP/1.1\r\nHost: loopback\r\n\r\n";
    c->length = 0;
    if (send(c->fd, get, sizeof get - 1, MSG_NOSIGNAL) != sizeof get - 1)
        give_up(client, c, "send");
}

/* 1 when the answer is whole and right, 0 when more must come, -1 when it is wrong. */
static int judge(const struct server *server, struct connection *c)
{
    c->answer[c->length] = '\0';
    char *end = strstr(c->answer, "\r\n\r\n");
    if (end == NULL)
        return c->length < HEAD_MOST ? 0 : -1;
    size_t head = (size_t)(end + 4 - c->answer);
    if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0 || c->length > head + BODY)
        return -1;
    if (c->length < head + BODY)
        return 0;
    return memcmp(c->answer + head, server->body, BODY) == 0 ? 1 : -1;
}

static void take_answer(struct client *client, struct connection *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, c->answer + c->length, sizeof c->answer - 1 - c->length, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            give_up(client, c, n == 0 ? "the server closed it" : "recv");
            return;
        }
        c->length += (size_t)n;
        int verdict = judge(client->server, c);
        if (verdict < 0)
            give_up(client, c, "wrong answer");
        if (verdict == 0)
            continue;
        if (verdict > 0) {
            client->answered++;
            c->step++;
        }
        return;
    }
}

static void handle(struct client *client, struct connection *c, uint32_t events)
{
    if (c->step == CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        errno = error;
        if (error != 0) {
            give_up(client, c, "connect");
            return;
        }
        client->connecting--;
        c->step = FIRST;
        ask(client, c);
    } else if (c->step == FIRST || c->step == SECOND) {
        take_answer(client, c);
    } else if (c->step == OPEN && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
        give_up(client, c, "closed while it was to stay open");
    }
}

/* Until so many answers have come, or nothing comes any more. */
static void handle_until(struct client *client, int answers)
{
    struct epoll_event events[256];
    while (client->answered + client->broken < answers) {
        while (client->opened < client->n && client->connecting < IN_FLIGHT)
            open_next(client);
        int n = epoll_wait(client->epoll, events, 256, PATIENCE_MS);
        if (n == 0) {
            print_message("nothing for %d s: %d opened, %d connecting, %d answers\n", PATIENCE_MS / 1000,
                          client->opened, client->connecting, client->answered);
            return;
        }
        for (int i = 0; i < n; i++)
            handle(client, events[i].data.ptr, events[i].events);
    }
}

static void close_all(struct client *client)
{
    for (int i = 0; i < client->opened; i++)
        if (client->connections[i].fd >= 0)
            close(client->connections[i].fd);
    close(client->epoll);
}

/* ---- the test ---- */

static rlim_t raise_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max;
}

static void wait_for_descriptors(struct server *server)
{
    for (int ms = 0; ms < SETTLE_MS && count_descriptors(server->pid) > server->descriptors; ms += 10)
        usleep(10000);
}

static void test_connections_ten_thousand_at_once_are_all_served(void **state)
{
    (void)state;
    struct server server = {0};
    struct client client = {.server = &server, .n = wanted};
    client.connections = calloc((size_t)wanted, sizeof *client.connections);
    assert_non_null(client.connections);
    start_server(&server);
    client.epoll = epoll_create1(EPOLL_CLOEXEC);

    int64_t began = weft_now();
    handle_until(&client, wanted);
    int64_t opened = weft_now();
    int held = count_descriptors(server.pid) - server.descriptors;
    for (int i = 0; i < wanted; i++) {
        struct connection *c = &client.connections[i];
        if (c->step == OPEN) {
            c->step = SECOND;
            ask(&client, c);
        }
    }
    handle_until(&client, 2 * wanted);
    int64_t ended = weft_now();
    close_all(&client);
    wait_for_descriptors(&server);
    int left = count_descriptors(server.pid) - server.descriptors;
    int status = stop_server(&server);
    free(client.connections);

    print_message("%d connections: opened and answered in %lld ms, answered again in %lld ms\n", wanted,
                  (long long)((opened - began) / WEFT_MILLISECOND), (long long)((ended - opened) / WEFT_MILLISECOND));
    assert_int_equal(client.broken, 0);
    assert_int_equal(client.answered, 2 * wanted);
    assert_true(held >= wanted);
    assert_int_equal(left, 0);
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_ten_thousand_at_once_are_all_served),
    };
    if (argc > 1)
        wanted = atoi(argv[1]);
    rlim_t limit = raise_limit();
    if (wanted < 1 || limit < (rlim_t)wanted + SPARE) {
        printf("SKIP: %d connections need RLIMIT_NOFILE %d, its hard limit is %llu\n", wanted, wanted + SPARE,
               (unsigned long long)limit);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
