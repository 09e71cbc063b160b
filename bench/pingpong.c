/* What does handing a value to another coroutine and waiting for its answer cost? Two coroutines, two unbuffered
 * channels; one operation is one hop. */
#include "bench/bench.h"
#include "bench/runtime.h"

typedef struct table {
    weft_chan *ping;
    weft_chan *pong;
} table;

typedef struct work {
    bench b;
    bool checked;
} work;

static void *answer(void *arg)
{
    table *t = arg;
    uint64_t value;

    while (weft_chan_recv(t->ping, &value) == 0) {
        value++;
        if (weft_chan_send(t->pong, &value) < 0)
            break;
    }
    return NULL;
}

/* `ops` hops; returns the sum of what came back: 1 + 2 + … + ops / 2. */
static uint64_t play(table *t, uint64_t ops)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops / 2; i++) {
        uint64_t value = i;

        if (weft_chan_send(t->ping, &value) < 0 || weft_chan_recv(t->pong, &value) < 0)
            break;
        sum += value;
    }
    return sum;
}

static void *body(void *arg)
{
    work *w = arg;
    table t = {.ping = weft_chan_new(sizeof(uint64_t), 0), .pong = weft_chan_new(sizeof(uint64_t), 0)};
    weft_t *child = weft_spawn(answer, &t);
    uint64_t sum;

    if (t.ping == NULL || t.pong == NULL || child == NULL)
        bench_die("setting up", weft_last_error());
    play(&t, bench_warmup_ops(&w->b));
    bench_begin(&w->b);
    sum = play(&t, w->b.ops);
    bench_end(&w->b);
    weft_chan_close(t.ping);
    weft_join(child, NULL);
    weft_chan_free(t.ping);
    weft_chan_free(t.pong);
    w->checked = sum == (w->b.ops / 2) * (w->b.ops / 2 + 1) / 2;
    return NULL;
}

int main(int argc, char **argv)
{
    work w = {.checked = false};

    bench_init(&w.b, argc, argv, 10000000);
    w.b.ops &= ~UINT64_C(1);
    bench_run(&w.b, body, &w);
    return bench_report(&w.b, w.checked);
}
