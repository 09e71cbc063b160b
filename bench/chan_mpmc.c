/* What does an item cost on its way through a busy channel? Four producers, four consumers, room for 128; one operation
 * is one item. */
#include "bench/bench.h"
#include "bench/runtime.h"

enum { SIDE = 4, CAPACITY = 128 };

typedef struct member {
    weft_chan *channel;
    uint64_t first; /* a producer's items */
    uint64_t end;
    uint64_t sum; /* of a consumer's items */
} member;

static void *produce(void *arg)
{
    member *m = arg;

    for (uint64_t item = m->first; item < m->end; item++)
        if (weft_chan_send(m->channel, &item) < 0)
            break;
    return NULL;
}

static void *consume(void *arg)
{
    member *m = arg;
    uint64_t sum = 0;
    uint64_t item;

    while (weft_chan_recv(m->channel, &item) == 0)
        sum += item;
    m->sum = sum;
    return NULL;
}

/* True when the sum of what all consumers got is 0 + 1 + … + (ops - 1). */
static bool run(bench *b, uint64_t ops)
{
    weft_chan *channel = weft_chan_new(sizeof(uint64_t), CAPACITY);
    member producer[SIDE];
    member consumer[SIDE];
    weft_t *producing[SIDE];
    weft_t *consuming[SIDE];
    uint64_t sum = 0;

    (void)b;
    if (channel == NULL)
        bench_die("weft_chan_new", weft_last_error());
    for (uint64_t i = 0; i < SIDE; i++) {
        producer[i] = (member){.channel = channel, .first = ops * i / SIDE, .end = ops * (i + 1) / SIDE};
        consumer[i] = (member){.channel = channel};
        producing[i] = bench_spawn(produce, &producer[i]);
        consuming[i] = bench_spawn(consume, &consumer[i]);
    }
    for (int i = 0; i < SIDE; i++)
        bench_join(producing[i]);
    weft_chan_close(channel);
    for (int i = 0; i < SIDE; i++) {
        bench_join(consuming[i]);
        sum += consumer[i].sum;
    }
    weft_chan_free(channel);
    return sum == ops * (ops - 1) / 2;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, 10000000);
    checked = bench_run_measured(&b, run);
    return bench_report(&b, checked);
}
