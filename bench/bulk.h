/* What the servers of bulk send: a body of 64 equal pieces of about a MiB, byte i being i * 7 mod 251. */
#ifndef BENCH_BULK_H
#define BENCH_BULK_H

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/bench.h"

enum { BULK_PERIOD = 251, BULK_PIECE = BULK_PERIOD * 4096, BULK_PIECES = 64 };

#define BULK_BODY ((size_t)BULK_PIECE * BULK_PIECES)

/* One piece in memory; `file`: the descriptor of a file in memory that holds it. */
static inline char *bulk_make(int *file)
{
    char *piece;

    *file = memfd_create("bulk", MFD_CLOEXEC);
    if (*file < 0 || ftruncate(*file, BULK_PIECE) < 0)
        bench_die("memfd_create", errno);
    piece = mmap(NULL, BULK_PIECE, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
    if (piece == MAP_FAILED)
        bench_die("mmap", errno);
    for (size_t i = 0; i < BULK_PIECE; i++)
        piece[i] = (char)(i * 7 % BULK_PERIOD);
    return piece;
}

#endif
