/* What does reading a block of a file cost? 64 coroutines read blocks of 4 KiB picked at random, from the page cache or,
 * with the mode direct, from the disk; one operation is one read. */
#include "bench/bench.h"
#include "bench/blocks.h"
#include "bench/runtime.h"

typedef struct reader {
    char *buffer;
    uint64_t state;
    uint64_t count;
    uint64_t right;
} reader;

static int file;
static char *buffers;

static void *read_blocks(void *arg)
{
    reader *r = arg;

    for (uint64_t i = 0; i < r->count; i++) {
        uint64_t number = blocks_pick(&r->state);

        if (weft_pread(file, r->buffer, BLOCK_BYTES, (off_t)(number * BLOCK_BYTES)) != BLOCK_BYTES)
            break;
        r->right += blocks_check(r->buffer, number);
    }
    return NULL;
}

static bool run(bench *b, uint64_t ops)
{
    reader readers[BLOCK_READERS];
    weft_t *handles[BLOCK_READERS];
    uint64_t right = 0;

    (void)b;
    for (uint64_t i = 0; i < BLOCK_READERS; i++) {
        readers[i] = (reader){
            .buffer = buffers + i * BLOCK_BYTES,
            .state = i + 1,
            .count = ops * (i + 1) / BLOCK_READERS - ops * i / BLOCK_READERS,
        };
        handles[i] = bench_spawn(read_blocks, &readers[i]);
    }
    for (int i = 0; i < BLOCK_READERS; i++) {
        bench_join(handles[i]);
        right += readers[i].right;
    }
    return right == ops;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init_modes(&b, argc, argv, 100000, "direct");
    file = blocks_open(&b);
    buffers = blocks_buffers(BLOCK_READERS);
    checked = bench_run_measured(&b, run);
    return bench_report(&b, checked);
}
