/* What does reading a block of a file cost with nothing but io_uring, 64 reads in flight? Each completion starts the next
 * read with its buffer. */
#include "bench/bench.h"
#include "bench/blocks.h"
#include "bench/uring.h"

enum { READ = 1 };

static uring ring;
static int file;
static char *buffers;
static uint64_t wanted[BLOCK_READERS]; /* the block that is being read into each buffer */
static uint64_t state;
static uint64_t left;
static uint64_t in_flight;
static uint64_t wrong;

static void start_read(unsigned reader)
{
    struct io_uring_sqe *sqe;

    if (left == 0)
        return;
    left--;
    in_flight++;
    wanted[reader] = blocks_pick(&state);
    sqe = uring_next(&ring);
    io_uring_prep_read(sqe, file, buffers + (size_t)reader * BLOCK_BYTES, BLOCK_BYTES, wanted[reader] * BLOCK_BYTES);
    io_uring_sqe_set_data64(sqe, uring_tag(READ, 0, reader));
}

static void complete(const struct io_uring_cqe *cqe)
{
    unsigned reader = uring_number(cqe->user_data);

    in_flight--;
    if (cqe->res != BLOCK_BYTES || !blocks_check(buffers + (size_t)reader * BLOCK_BYTES, wanted[reader]))
        wrong++;
    start_read(reader);
}

static bool run(bench *b, uint64_t ops)
{
    (void)b;
    state = 1;
    left = ops;
    for (unsigned i = 0; i < BLOCK_READERS; i++)
        start_read(i);
    while (in_flight > 0)
        uring_turn(&ring, complete);
    return wrong == 0;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init_modes(&b, argc, argv, 100000, "direct");
    file = blocks_open(&b);
    buffers = blocks_buffers(BLOCK_READERS);
    uring_init(&ring, 2 * BLOCK_READERS, 4 * BLOCK_READERS);
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
