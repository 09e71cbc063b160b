/* What does it cost to let every second call run elsewhere? fib(n) by recursion: one of the two calls is forked, the
 * other is plain; one operation is one call of fib. */
#include "bench/bench.h"
#include "bench/runtime.h"
#include "bench/tree.h"

typedef struct call {
    unsigned n;
    uint64_t result;
} call;

static void *fib(void *arg)
{
    call *c = arg;
    weft_task task;
    call first;
    call second;
    int error;

    if (c->n < 2) {
        c->result = c->n;
        return NULL;
    }
    first = (call){.n = c->n - 1};
    second = (call){.n = c->n - 2};
    error = weft_fork(&task, fib, &first);
    if (error < 0)
        bench_die("weft_fork", error);
    fib(&second);
    error = weft_sync(&task);
    if (error < 0)
        bench_die("weft_sync", error);
    c->result = first.result + second.result;
    return NULL;
}

static bool run(bench *b, uint64_t ops)
{
    call root = {.n = bench_fib_size(ops)};

    (void)b;
    fib(&root);
    return root.result == bench_fib(root.n);
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, bench_fib_calls(32));
    b.ops = bench_fib_calls(bench_fib_size(b.ops));
    checked = bench_run_measured(&b, run);
    return bench_report(&b, checked);
}
