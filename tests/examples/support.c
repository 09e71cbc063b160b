#include "tests/examples/support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int program_start(struct program *p, char *const argv[])
{
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
        return -errno;
    p->pid = fork();
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    p->out = out[0];
    p->err = err[0];
    return p->pid < 0 ? -errno : 0;
}

static bool read_piece(int *fd, struct buffer *to)
{
    if (buffer_reserve(to, 65536) < 0)
        abort();
    ssize_t count = read(*fd, to->data + to->length, 65535);
    if (count <= 0) {
        close(*fd);
        *fd = -1;
        return false;
    }
    to->length += (size_t)count;
    return true;
}

int program_finish(struct program *p, struct buffer *out, struct buffer *err)
{
    int status;
    while (p->out >= 0 || p->err >= 0) {
        struct pollfd fds[2] = {{.fd = p->out, .events = POLLIN}, {.fd = p->err, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[0].revents)
            read_piece(&p->out, out);
        if (fds[1].revents)
            read_piece(&p->err, err);
    }
    buffer_append(out, "", 1);
    buffer_append(err, "", 1);
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int program_read_line(struct program *p, char *line, size_t size)
{
    size_t length = 0;
    while (length + 1 < size) {
        if (read(p->out, line + length, 1) <= 0)
            return -1;
        if (line[length] == '\n')
            break;
        length++;
    }
    line[length] = '\0';
    return (int)length;
}

int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool send_text(int fd, const char *text)
{
    size_t length = strlen(text);
    return send(fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

ssize_t read_to_end(int fd, struct buffer *answer)
{
    int copy = dup(fd);
    while (read_piece(&copy, answer))
        ;
    buffer_append(answer, "", 1);
    return (ssize_t)--answer->length;
}

unsigned count_of(const char *text, const char *wanted)
{
    unsigned count = 0;
    for (const char *p = text; (p = strstr(p, wanted)); p += strlen(wanted))
        count++;
    return count;
}

bool read_until(int fd, struct buffer *answer, const char *wanted, unsigned times)
{
    int copy = dup(fd);
    bool enough = false;
    while (!enough && read_piece(&copy, answer)) {
        buffer_append(answer, "", 1);
        answer->length--;
        enough = count_of(answer->data, wanted) >= times;
    }
    if (copy >= 0)
        close(copy);
    return enough;
}

struct rough_connection {
    struct rough_server *server;
    int fd;
};

/* Read up to the empty line that ends the head of a request. False: the peer has gone. */
static bool read_head(int fd, char *head, size_t size)
{
    size_t length = 0;
    while (length + 1 < size && read(fd, head + length, 1) == 1) {
        head[++length] = '\0';
        if (length >= 4 && strcmp(head + length - 4, "\r\n\r\n") == 0)
            return true;
    }
    return false;
}

static void *serve_connection(void *arg)
{
    struct rough_connection *c = arg;
    char head[16384], path[8192];
    for (unsigned nth = 0; read_head(c->fd, head, sizeof head); nth++) {
        if (sscanf(head, "GET %8191s", path) != 1 || !c->server->handler(c->fd, path, nth, c->server->arg))
            break;
    }
    close(c->fd);
    free(c);
    return NULL;
}

static void *accept_rough(void *arg)
{
    struct rough_server *s = arg;
    for (int fd; (fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        struct rough_connection *c = malloc(sizeof *c);
        pthread_t thread;
        if (!c)
            abort();
        *c = (struct rough_connection){s, fd};
        if (pthread_create(&thread, NULL, serve_connection, c) != 0)
            abort();
        pthread_detach(thread);
    }
    return NULL;
}

int rough_server_start(struct rough_server *s, rough_handler *handler, void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGPIPE, SIG_IGN);
    *s = (struct rough_server){.handler = handler, .arg = arg};
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(s->listener, 512) < 0)
        return -errno;
    getsockname(s->listener, (struct sockaddr *)&address, &length);
    s->port = ntohs(address.sin_port);
    return -pthread_create(&s->acceptor, NULL, accept_rough, s);
}

void rough_server_stop(struct rough_server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->acceptor, NULL);
    close(s->listener);
}
