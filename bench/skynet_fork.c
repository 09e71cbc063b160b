/* What does a wide tree of forked tasks cost? Each node forks ten children, which lie in its own frame, and adds up
 * their results; the leaves, up to a million, return their numbers. One operation is one node. */
#include "bench/bench.h"
#include "bench/runtime.h"
#include "bench/tree.h"

typedef struct node {
    uint64_t first;  /* number of its first leaf */
    uint64_t leaves; /* under it */
    uint64_t sum;    /* of their numbers */
} node;

static void *visit(void *arg)
{
    node *parent = arg;
    node children[BENCH_SKYNET_CHILDREN];
    weft_task tasks[BENCH_SKYNET_CHILDREN];

    if (parent->leaves == 1) {
        parent->sum = parent->first;
        return NULL;
    }
    for (uint64_t i = 0; i < BENCH_SKYNET_CHILDREN; i++) {
        uint64_t leaves = parent->leaves / BENCH_SKYNET_CHILDREN;
        int error;

        children[i] = (node){.first = parent->first + i * leaves, .leaves = leaves};
        error = weft_fork(&tasks[i], visit, &children[i]);
        if (error < 0)
            bench_die("weft_fork", error);
    }
    for (int i = BENCH_SKYNET_CHILDREN - 1; i >= 0; i--) {
        int error = weft_sync(&tasks[i]);

        if (error < 0)
            bench_die("weft_sync", error);
        parent->sum += children[i].sum;
    }
    return NULL;
}

static bool run(bench *b, uint64_t ops)
{
    node root = {.leaves = bench_skynet_leaves(ops)};

    (void)b;
    visit(&root);
    return root.sum == root.leaves * (root.leaves - 1) / 2;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, bench_skynet_nodes(1000000));
    b.ops = bench_skynet_nodes(bench_skynet_leaves(b.ops));
    checked = bench_run_measured(&b, run);
    return bench_report(&b, checked);
}
