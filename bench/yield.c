/* What does giving way to another coroutine through the scheduler cost? Two coroutines yield to each other; one
 * operation is one yield. */
#include "bench/bench.h"
#include "bench/runtime.h"

typedef struct turn {
    uint64_t quota;
    uint64_t done;
} turn;

typedef struct work {
    bench b;
    bool checked;
} work;

static void *take_turns(void *arg)
{
    turn *t = arg;

    for (uint64_t i = 0; i < t->quota; i++)
        if (weft_yield() == 0)
            t->done++;
    return NULL;
}

static uint64_t run(uint64_t ops)
{
    turn turns[2] = {{.quota = ops / 2}, {.quota = ops / 2}};
    weft_t *children[2];

    for (int i = 0; i < 2; i++) {
        children[i] = weft_spawn(take_turns, &turns[i]);
        if (children[i] == NULL)
            bench_die("weft_spawn", weft_last_error());
    }
    for (int i = 0; i < 2; i++)
        weft_join(children[i], NULL);
    return turns[0].done + turns[1].done;
}

static void *body(void *arg)
{
    work *w = arg;
    uint64_t done;

    run(bench_warmup_ops(&w->b));
    bench_begin(&w->b);
    done = run(w->b.ops);
    bench_end(&w->b);
    w->checked = done == w->b.ops;
    return NULL;
}

int main(int argc, char **argv)
{
    work w = {.checked = false};

    bench_init(&w.b, argc, argv, 20000000);
    w.b.ops &= ~UINT64_C(1);
    bench_run(&w.b, body, &w);
    return bench_report(&w.b, w.checked);
}
