/* What the tests of the examples share: running a program, talking to a socket, a server that misbehaves on request. */
#ifndef TESTS_EXAMPLES_SUPPORT_H
#define TESTS_EXAMPLES_SUPPORT_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "examples/common/buffer.h"

/* ---- programs ---- */

struct program {
    pid_t pid;
    int out, err; /* the read ends of its stdout and stderr */
};

/* argv[0] is the path. 0 or -errno. */
int program_start(struct program *p, char *const argv[]);

/* Read what it still prints, terminated, and wait for its end. Its exit status; 128 + number when a signal ended it. */
int program_finish(struct program *p, struct buffer *out, struct buffer *err);

/* Read one line of its stdout, without the newline. Its length, -1 at the end. */
int program_read_line(struct program *p, char *line, size_t size);

/* ---- sockets on 127.0.0.1 ---- */

int dial(int port); /* a descriptor, -1 */
bool send_text(int fd, const char *text);
ssize_t read_to_end(int fd, struct buffer *answer); /* until the peer closes; appended and terminated */
bool read_until(int fd, struct buffer *answer, const char *wanted, unsigned times); /* … has come so many times */
unsigned count_of(const char *text, const char *wanted);

/* ---- a server on plain threads ---- */

/* Answer a request for `path`; `nth` counts the requests for any path on this connection from 0. Returns true to go on
 * with the next request on it. */
typedef bool rough_handler(int fd, const char *path, unsigned nth, void *arg);

struct rough_server {
    int listener, port;
    rough_handler *handler;
    void *arg;
    pthread_t acceptor;
};

int rough_server_start(struct rough_server *s, rough_handler *handler, void *arg);
void rough_server_stop(struct rough_server *s);

#endif
