/* What the servers of stall_echo do with a request whose first byte is 1. */
#ifndef BENCH_STALL_H
#define BENCH_STALL_H

#include "bench/bench.h"

enum { STALL_NS = 1000000 };

static inline void stall_if_asked(const char *message)
{
    if (message[0] != 1)
        return;
    for (int64_t end_ns = bench_now_ns() + STALL_NS; bench_now_ns() < end_ns;)
        ;
}

#endif
