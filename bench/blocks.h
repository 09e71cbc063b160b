/* The file of file_read: 64 MiB on a disk, without a name, each block of 4 KiB beginning with its number. */
#ifndef BENCH_BLOCKS_H
#define BENCH_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/bench.h"

enum { BLOCK_BYTES = 4096, BLOCKS = 16384, BLOCK_READERS = 64 };

/* Write the file to the disk and open it for reading; with the mode direct by O_DIRECT, which goes around the page cache;
 * else it is in there. It lies in $TMPDIR or /var/tmp. */
int blocks_open(const bench *b);

/* `count` buffers, one behind the other, aligned as O_DIRECT wants it; never freed. */
char *blocks_buffers(unsigned count);

/* The block to read next. */
static inline uint64_t blocks_pick(uint64_t *state)
{
    return bench_random(state) % BLOCKS;
}

/* Is this block number `number`? */
static inline bool blocks_check(const char *buffer, uint64_t number)
{
    return *(const uint64_t *)buffer == number;
}

#endif
