/* What does asking a generator for its next value cost? One coroutine asks, and the body hands out 0, 1, 2, …; one operation is
 * one next: into the body and back. */
#include "bench/bench.h"
#include "bench/runtime.h"

typedef struct work {
    bench b;
    bool checked;
} work;

static void *count(void *arg)
{
    (void)arg;
    void *stop = NULL;

    for (uintptr_t i = 0; stop == NULL; i++)
        stop = weft_gen_yield((void *)i);
    return NULL;
}

/* Ask `ops` times; returns the sum of the values. */
static uint64_t run(weft_gen *numbers, uint64_t ops)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops; i++) {
        void *value = NULL;
        if (weft_gen_next(numbers, &value) != 1)
            bench_die("weft_gen_next", 0);
        sum += (uintptr_t)value;
    }
    return sum;
}

static weft_gen *numbers_new(void)
{
    weft_gen *numbers = weft_gen_new(count, NULL);

    if (numbers == NULL)
        bench_die("weft_gen_new", weft_last_error());
    return numbers;
}

/* Anything sent ends it. */
static void finish(weft_gen *numbers)
{
    if (weft_gen_send(numbers, numbers, NULL) != 0)
        bench_die("weft_gen_send", 0);
    weft_gen_free(numbers);
}

static void *body(void *arg)
{
    work *w = arg;
    weft_gen *numbers = numbers_new();
    uint64_t sum;

    run(numbers, bench_warmup_ops(&w->b));
    finish(numbers);
    numbers = numbers_new();
    bench_begin(&w->b);
    sum = run(numbers, w->b.ops);
    bench_end(&w->b);
    finish(numbers);
    w->checked = sum == w->b.ops * (w->b.ops - 1) / 2;
    return NULL;
}

int main(int argc, char **argv)
{
    work w = {.checked = false};

    bench_init(&w.b, argc, argv, 20000000);
    bench_run(&w.b, body, &w);
    return bench_report(&w.b, w.checked);
}
