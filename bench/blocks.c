/* See blocks.h. */
#include "bench/blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void write_all(int fd)
{
    char *block = blocks_buffers(1);

    for (uint64_t i = 0; i < BLOCKS; i++) {
        *(uint64_t *)block = i;
        if (write(fd, block, BLOCK_BYTES) != BLOCK_BYTES)
            bench_die("writing the file to read", errno);
    }
    if (fsync(fd) < 0)
        bench_die("fsync", errno);
}

int blocks_open(const bench *b)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/weft-bench-XXXXXX", folder != NULL ? folder : "/var/tmp");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        bench_die(path, errno);
    write_all(fd);
    if (bench_mode_is(b, "direct")) {
        close(fd);
        fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
        if (fd < 0)
            bench_die("open with O_DIRECT (set TMPDIR to a folder on a disk)", errno);
    }
    unlink(path);
    return fd;
}

char *blocks_buffers(unsigned count)
{
    char *buffers = aligned_alloc(BLOCK_BYTES, (size_t)count * BLOCK_BYTES);

    if (buffers == NULL)
        bench_die("buffers", ENOMEM);
    for (size_t i = 0; i < (size_t)count * BLOCK_BYTES; i++)
        buffers[i] = 0;
    return buffers;
}
