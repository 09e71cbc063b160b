/* What would an item cost if a channel were nothing but a ring of 128 places? One thread fills it and empties it in
 * turns. */
#include "bench/bench.h"

enum { CAPACITY = 128 };

typedef struct ring {
    uint64_t head;
    uint64_t tail;
    uint64_t item[CAPACITY];
} ring;

static ring channel;

/* Not inlined, or the compiler would see through the ring and keep the items in registers. */
static __attribute__((noinline)) bool put(ring *r, uint64_t item)
{
    if (r->tail - r->head == CAPACITY)
        return false;
    r->item[r->tail++ % CAPACITY] = item;
    return true;
}

static __attribute__((noinline)) bool take(ring *r, uint64_t *item)
{
    if (r->tail == r->head)
        return false;
    *item = r->item[r->head++ % CAPACITY];
    return true;
}

static bool run(bench *b, uint64_t ops)
{
    uint64_t sent = 0;
    uint64_t sum = 0;
    uint64_t item;

    (void)b;
    while (sent < ops) {
        while (sent < ops && put(&channel, sent))
            sent++;
        while (take(&channel, &item))
            sum += item;
    }
    return sum == ops * (ops - 1) / 2;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, 10000000);
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
