/* What would the tree cost if a child were nothing but a call on a context of its own? The children of a node run one
 * after the other on the stack of their depth; one operation is one node. */
#include <stddef.h>

#include "bench/bench.h"
#include "bench/context.h"
#include "bench/tree.h"

enum { DEPTH = 20 };

typedef struct node {
    uint64_t first;
    uint64_t leaves;
    uint64_t sum;
    unsigned depth;
} node;

static void *stack_tops[DEPTH];

static void *visit(void *arg)
{
    node *parent = arg;
    node children[BENCH_SKYNET_CHILDREN];

    if (parent->leaves == 1) {
        parent->sum = parent->first;
        return NULL;
    }
    for (uint64_t i = 0; i < BENCH_SKYNET_CHILDREN; i++) {
        uint64_t leaves = parent->leaves / BENCH_SKYNET_CHILDREN;

        children[i] = (node){.first = parent->first + i * leaves, .leaves = leaves, .depth = parent->depth + 1};
        bench_call_on(stack_tops[children[i].depth], visit, &children[i]);
    }
    for (int i = 0; i < BENCH_SKYNET_CHILDREN; i++)
        parent->sum += children[i].sum;
    return NULL;
}

static bool run(bench *b, uint64_t ops)
{
    node root = {.leaves = bench_skynet_leaves(ops)};

    (void)b;
    bench_call_on(stack_tops[0], visit, &root);
    return root.sum == root.leaves * (root.leaves - 1) / 2;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, bench_skynet_nodes(1000000));
    b.ops = bench_skynet_nodes(bench_skynet_leaves(b.ops));
    for (int i = 0; i < DEPTH; i++)
        stack_tops[i] = bench_stack_new();
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
