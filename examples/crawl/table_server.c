#include "examples/crawl/table_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child. `output` is the write end of the pipe over which it tells its port. */
static void become_server(int output, pid_t parent, const char *root, long delay_ms)
{
    char delay[24];
    snprintf(delay, sizeof delay, "%ld", delay_ms);
    char *const arguments[] = {"crawl",      "--serve", "--listen", "127.0.0.1:0", "--root",
                               (char *)root, "--delay", delay,      "--quiet",     NULL};
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* so that it ends with us, however we end */
    if (getppid() != parent || dup2(output, STDOUT_FILENO) < 0)
        _exit(1);
    execv("/proc/self/exe", arguments);
    fprintf(stderr, "crawl: cannot start the server: %s\n", strerror(errno));
    _exit(1);
}

/* "listening on http://127.0.0.1:PORT/" → PORT, -1 when it ended without saying so. */
static int read_port(int input)
{
    char line[128];
    int port = -1;
    FILE *file = fdopen(input, "r");
    if (!file) {
        close(input);
        return -1;
    }
    if (fgets(line, sizeof line, file) && sscanf(line, "listening on http://127.0.0.1:%d/", &port) != 1)
        port = -1;
    fclose(file);
    return port;
}

int table_server_start(struct table_server *server, const char *root, long delay_ms)
{
    int ends[2];
    pid_t parent = getpid();
    fflush(NULL); /* the child must not print what we have buffered */
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    server->pid = fork();
    if (server->pid == 0)
        become_server(ends[1], parent, root, delay_ms);
    close(ends[1]);
    server->port = read_port(ends[0]);
    if (server->pid > 0 && server->port > 0)
        return 0;
    fprintf(stderr, "crawl: the server for the table did not start\n");
    if (server->pid > 0)
        table_server_stop(server);
    return -1;
}

void table_server_stop(struct table_server *server)
{
    kill(server->pid, SIGTERM);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
