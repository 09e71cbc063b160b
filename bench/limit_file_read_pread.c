/* What does reading a block of a file cost one thread that does nothing but pread, one read after the other? */
#include <unistd.h>

#include "bench/bench.h"
#include "bench/blocks.h"

static int file;
static char *buffer;

static bool run(bench *b, uint64_t ops)
{
    uint64_t state = 1;

    (void)b;
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t number = blocks_pick(&state);

        if (pread(file, buffer, BLOCK_BYTES, (off_t)(number * BLOCK_BYTES)) != BLOCK_BYTES ||
            !blocks_check(buffer, number))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init_modes(&b, argc, argv, 100000, "direct");
    file = blocks_open(&b);
    buffer = blocks_buffers(1);
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
