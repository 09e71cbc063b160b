/* How fast do large answers go out from a thread per connection that does nothing but send? With the mode sendfile their
 * pages go to the socket without being copied. */
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "bench/bench.h"
#include "bench/bulk.h"
#include "bench/http.h"
#include "bench/listen.h"

static char *piece;
static int file;
static bool from_file;

static bool send_piece(int fd)
{
    off_t at = 0;

    while (at < BULK_PIECE) {
        ssize_t n;

        if (from_file) {
            n = sendfile(fd, file, &at, (size_t)(BULK_PIECE - at));
        } else {
            n = send(fd, piece + at, (size_t)(BULK_PIECE - at), MSG_NOSIGNAL);
            at += n;
        }
        if (n <= 0)
            return false;
    }
    return true;
}

static bool answer(int fd, const http_request *request)
{
    char head[HTTP_ANSWER_MAX];
    size_t size = http_write_head(head, request, BULK_BODY);
    bool good = send(fd, head, size, MSG_NOSIGNAL | MSG_MORE) == (ssize_t)size;

    for (int i = 0; good && i < BULK_PIECES; i++)
        good = send_piece(fd);
    return good;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char text[HTTP_REQUEST_MAX];
    size_t size = 0;
    http_request request;
    ssize_t n;

    while ((n = recv(fd, text + size, sizeof text - size, 0)) > 0) {
        size += (size_t)n;
        if (!http_parse(text, size, &request))
            continue;
        size = 0;
        if (request.status != 200 || !answer(fd, &request))
            break;
    }
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    bench b;
    int listener;

    bench_init_modes(&b, argc, argv, 1, "sendfile");
    from_file = bench_mode_is(&b, "sendfile");
    piece = bulk_make(&file);
    listener = bench_listen(0);
    for (;;) {
        pthread_t thread;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        int error = fd < 0 ? errno : pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd);

        if (error != 0)
            bench_die("accept", error);
        pthread_detach(thread);
    }
}
