/* What does one short-lived coroutine cost from birth to result? One operation spawns an empty child and joins it. */
#include "bench/bench.h"
#include "bench/runtime.h"

typedef struct work {
    bench b;
    bool checked;
} work;

static void *count(void *arg)
{
    (*(uint64_t *)arg)++;
    return arg;
}

static uint64_t run(uint64_t ops)
{
    uint64_t counted = 0;

    for (uint64_t i = 0; i < ops; i++) {
        void *result = NULL;
        weft_t *child = weft_spawn(count, &counted);

        if (child == NULL)
            bench_die("weft_spawn", weft_last_error());
        if (weft_join(child, &result) < 0 || result != &counted)
            break;
    }
    return counted;
}

static void *body(void *arg)
{
    work *w = arg;
    uint64_t counted;

    run(bench_warmup_ops(&w->b));
    bench_begin(&w->b);
    counted = run(w->b.ops);
    bench_end(&w->b);
    w->checked = counted == w->b.ops;
    return NULL;
}

int main(int argc, char **argv)
{
    work w = {.checked = false};

    bench_init(&w.b, argc, argv, 5000000);
    bench_run(&w.b, body, &w);
    return bench_report(&w.b, w.checked);
}
