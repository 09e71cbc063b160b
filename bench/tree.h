/* The two trees that recursive workloads walk, and how much of one a number of operations is: the runner names
 * operations, a tree has only certain sizes. One operation is one call, so a program reports the calls of its tree. */
#ifndef BENCH_TREE_H
#define BENCH_TREE_H

#include <stdint.h>

enum { BENCH_SKYNET_CHILDREN = 10 };

/* fib(n), one step after the other. */
static inline uint64_t bench_fib(unsigned n)
{
    uint64_t low = 0;
    uint64_t high = 1;

    for (unsigned i = 0; i < n; i++) {
        uint64_t sum = low + high;

        low = high;
        high = sum;
    }
    return low;
}

/* How many calls fib(n) by recursion is, itself included. */
static inline uint64_t bench_fib_calls(unsigned n)
{
    return 2 * bench_fib(n + 1) - 1;
}

/* The largest n whose recursion takes no more calls than `ops`. */
static inline unsigned bench_fib_size(uint64_t ops)
{
    unsigned n = 1;

    while (n < 80 && bench_fib_calls(n + 1) <= ops)
        n++;
    return n;
}

/* The leaves of the largest full tree of no more nodes than `ops`: a power of ten. */
static inline uint64_t bench_skynet_leaves(uint64_t ops)
{
    uint64_t leaves = 1;

    while ((leaves * 100 - 1) / 9 <= ops)
        leaves *= 10;
    return leaves;
}

/* Its nodes: leaves + leaves / 10 + … + 1. */
static inline uint64_t bench_skynet_nodes(uint64_t leaves)
{
    return (leaves * 10 - 1) / 9;
}

#endif
