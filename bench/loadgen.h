/* The parts of the load generator: connections and phases in loadgen.c, what is asked and how answers are checked in
 * loadgen_protocol.c. */
#ifndef BENCH_LOADGEN_H
#define BENCH_LOADGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/histogram.h"

enum { MESSAGE_WORDS = 8, MESSAGE_SIZE = MESSAGE_WORDS * 8, HEAD_SIZE = 1024 };

/* One request of the open phase, made before the phase begins. */
typedef struct arrival {
    int64_t due_ns; /* since the phase began */
    uint32_t connection;
    uint32_t next; /* index of the next one that waits for the same connection */
    bool stall;    /* stall_echo: this one is to keep the server busy for 1 ms */
} arrival;

typedef struct connection {
    int fd;
    uint32_t id;
    bool busy;
    bool stall;     /* of the present request */
    int64_t due_ns; /* of the present request, absolute */
    uint32_t waiting_first;
    uint32_t waiting_last;

    /* echo */
    uint64_t sequence;
    uint32_t received; /* bytes of the present answer; of its head, with HTTP */
    uint64_t answer[MESSAGE_WORDS];

    /* HTTP */
    bool in_body;
    uint64_t body_size;
    uint64_t body_left;
    char head[HEAD_SIZE + 1];
} connection;

typedef struct protocol {
    const char *name;
    /* Send the next request of an idle connection. */
    void (*ask)(connection *c);
    /* Take what has come; true when the answer is complete, and right: a wrong one ends the program. *bytes: how much of
     * the answer, without its head, has come. */
    bool (*take)(connection *c, uint64_t *bytes);
    bool counts_bytes; /* an operation is a MiB of answers, not an answer */
} protocol;

/* The one of this name, NULL when there is none. */
const protocol *protocol_find(const char *name);

#endif
