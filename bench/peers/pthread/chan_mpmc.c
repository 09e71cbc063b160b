/* 4 producers and 4 consumers share a queue with room for 128, a mutex and two condition variables; one operation is
 * one item. */
#include <pthread.h>

#include "bench/bench.h"

enum { SIDES = 4, CAPACITY = 128 };

typedef struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty;
    pthread_cond_t not_full;

    /* lock: mutex */
    uint64_t items[CAPACITY];
    unsigned first;
    unsigned count;
    bool closed;
} queue;

static queue q = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .not_empty = PTHREAD_COND_INITIALIZER,
    .not_full = PTHREAD_COND_INITIALIZER,
};

static void put(uint64_t item)
{
    pthread_mutex_lock(&q.mutex);
    while (q.count == CAPACITY)
        pthread_cond_wait(&q.not_full, &q.mutex);
    q.items[(q.first + q.count++) % CAPACITY] = item;
    pthread_cond_signal(&q.not_empty);
    pthread_mutex_unlock(&q.mutex);
}

/* False when there is nothing, and nothing will come. */
static bool take(uint64_t *item)
{
    bool taken;

    pthread_mutex_lock(&q.mutex);
    while (q.count == 0 && !q.closed)
        pthread_cond_wait(&q.not_empty, &q.mutex);
    taken = q.count > 0;
    if (taken) {
        *item = q.items[q.first];
        q.first = (q.first + 1) % CAPACITY;
        q.count--;
        pthread_cond_signal(&q.not_full);
    }
    pthread_mutex_unlock(&q.mutex);
    return taken;
}

static void set_closed(bool closed)
{
    pthread_mutex_lock(&q.mutex);
    q.closed = closed;
    pthread_cond_broadcast(&q.not_empty);
    pthread_mutex_unlock(&q.mutex);
}

typedef struct side {
    pthread_t producer;
    pthread_t consumer;
    uint64_t first;
    uint64_t end;
    uint64_t sum;
} side;

static void *produce(void *arg)
{
    const side *s = arg;

    for (uint64_t item = s->first; item < s->end; item += SIDES)
        put(item);
    return NULL;
}

static void *consume(void *arg)
{
    side *s = arg;
    uint64_t item;

    while (take(&item))
        s->sum += item;
    return NULL;
}

static void start(pthread_t *thread, void *(*body)(void *), side *s)
{
    int error = pthread_create(thread, NULL, body, s);

    if (error != 0)
        bench_die("pthread_create", error);
}

/* True when all came out that went in: 0 … ops - 1. */
static bool run(uint64_t ops)
{
    side sides[SIDES];
    uint64_t sum = 0;

    set_closed(false);
    for (unsigned i = 0; i < SIDES; i++) {
        sides[i] = (side){.first = i, .end = ops};
        start(&sides[i].producer, produce, &sides[i]);
        start(&sides[i].consumer, consume, &sides[i]);
    }
    for (int i = 0; i < SIDES; i++)
        pthread_join(sides[i].producer, NULL);
    set_closed(true);
    for (int i = 0; i < SIDES; i++) {
        pthread_join(sides[i].consumer, NULL);
        sum += sides[i].sum;
    }
    return sum == (ops % 2 == 0 ? ops / 2 * (ops - 1) : (ops - 1) / 2 * ops);
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, 1000000);
    checked = run(bench_warmup_ops(&b));
    bench_begin(&b);
    checked = run(b.ops) && checked;
    bench_end(&b);
    return bench_report(&b, checked);
}
