/* How fast do large answers go out, and what do they cost? Each request is answered with 66 MB, by sends of a MiB from
 * memory; with the mode sendfile by sendfile(2) on a socket that does not block, and waiting until it has room. */
#include <sys/sendfile.h>

#include "bench/bench.h"
#include "bench/bulk.h"
#include "bench/http.h"
#include "bench/runtime.h"

static char *piece;
static int file;
static bool from_file;

static bool send_piece(int fd)
{
    return weft_send(fd, piece, BULK_PIECE, 0) == BULK_PIECE;
}

static bool send_piece_of_file(int fd)
{
    off_t at = 0;

    while (at < BULK_PIECE) {
        ssize_t n = sendfile(fd, file, &at, (size_t)(BULK_PIECE - at));
        int error = n < 0 ? errno : 0;
        struct pollfd room = {.fd = fd, .events = POLLOUT};

        if (n == 0 || (error != 0 && error != EAGAIN))
            return false;
        if (error == EAGAIN && weft_poll(&room, 1, -1) < 0)
            return false;
    }
    return true;
}

static bool answer(int fd, const http_request *request)
{
    char head[HTTP_ANSWER_MAX];
    size_t size = http_write_head(head, request, BULK_BODY);
    bool good;

    good = weft_send(fd, head, size, MSG_MORE) == (ssize_t)size;
    if (good && from_file)
        good = fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
    for (int i = 0; good && i < BULK_PIECES; i++)
        good = from_file ? send_piece_of_file(fd) : send_piece(fd);
    if (good && from_file)
        good = fcntl(fd, F_SETFL, 0) == 0;
    return good;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char text[HTTP_REQUEST_MAX];
    size_t size = 0;
    http_request request;
    ssize_t n;

    while ((n = weft_recv(fd, text + size, sizeof text - size, 0)) > 0) {
        size += (size_t)n;
        if (!http_parse(text, size, &request))
            continue;
        size = 0; /* the load generator asks for one at a time */
        if (request.status != 200 || !answer(fd, &request))
            break;
    }
    weft_close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    bench b;

    bench_init_modes(&b, argc, argv, 1, "sendfile");
    from_file = bench_mode_is(&b, "sendfile");
    piece = bulk_make(&file);
    bench_run(&b, bench_serve, serve);
    return 1;
}
