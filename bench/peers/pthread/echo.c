/* A thread per connection, blocking calls. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/listen.h"

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[1024];
    ssize_t n;

    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    bench b;
    pthread_attr_t attr;
    int listener;

    bench_init(&b, argc, argv, 1);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    listener = bench_listen(0);
    for (;;) {
        pthread_t thread;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        int error = fd < 0 ? errno : pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd);

        if (error != 0)
            bench_die("accept", error);
    }
}
