/* A ring as the limit programs of the servers use it: one thread, completions taken in batches, and a group of buffers for
 * receives that go on by themselves. */
#ifndef BENCH_URING_H
#define BENCH_URING_H

#include <liburing.h>
#include <stdint.h>

enum {
    URING_BUFFERS = 8192, /* a power of two, and more than connections that have a request on its way */
    URING_BUFFER_SIZE = 1024,
    URING_GROUP = 0
};

typedef struct uring {
    struct io_uring ring;
    struct io_uring_buf_ring *group;
    char *memory;
} uring;

/* What a completion is about: its kind in the top byte, a number of 24 bits, a descriptor. */
static inline uint64_t uring_tag(uint64_t kind, int fd, unsigned number)
{
    return kind << 56 | (uint64_t)number << 32 | (unsigned)fd;
}

static inline unsigned uring_kind(uint64_t tag)
{
    return (unsigned)(tag >> 56);
}

static inline unsigned uring_number(uint64_t tag)
{
    return (unsigned)(tag >> 32) & 0xffffff;
}

static inline int uring_fd(uint64_t tag)
{
    return (int)(uint32_t)tag;
}

/* Without the group of buffers. Each ends the program when it fails. */
void uring_init(uring *u, unsigned submissions, unsigned completions);
void uring_init_buffers(uring *u);

/* The next free submission, tagged after it is prepared. */
struct io_uring_sqe *uring_next(uring *u);

static inline char *uring_buffer(const uring *u, unsigned buffer)
{
    return u->memory + (size_t)buffer * URING_BUFFER_SIZE;
}

/* Give a buffer back to the group. */
static inline void uring_give(uring *u, unsigned buffer)
{
    io_uring_buf_ring_add(u->group, uring_buffer(u, buffer), URING_BUFFER_SIZE, (unsigned short)buffer,
                          io_uring_buf_ring_mask(URING_BUFFERS), 0);
    io_uring_buf_ring_advance(u->group, 1);
}

/* Accept on `listener` again and again; receive into the group again and again. */
void uring_accept(uring *u, uint64_t kind, int listener);
void uring_receive(uring *u, uint64_t kind, int fd);

/* Submit, wait for at least one completion and pass on all that are there. */
void uring_turn(uring *u, void (*complete)(const struct io_uring_cqe *cqe));

#endif
