/* Two threads hand numbers to each other through two one-place slots, each a mutex and a condition variable: the
 * nearest thing to an unbuffered channel that pthreads have. One operation is one hop. */
#include <pthread.h>

#include "bench/bench.h"

typedef struct slot {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool full;
    uint64_t value;
} slot;

static slot ping = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
static slot pong = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
static const uint64_t last = UINT64_MAX;

static void put(slot *s, uint64_t value)
{
    pthread_mutex_lock(&s->mutex);
    while (s->full)
        pthread_cond_wait(&s->changed, &s->mutex);
    s->value = value;
    s->full = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->mutex);
}

static uint64_t take(slot *s)
{
    uint64_t value;

    pthread_mutex_lock(&s->mutex);
    while (!s->full)
        pthread_cond_wait(&s->changed, &s->mutex);
    value = s->value;
    s->full = false;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    return value;
}

static void *answer(void *arg)
{
    uint64_t value;

    while ((value = take(&ping)) != last)
        put(&pong, value + 1);
    return arg;
}

/* `ops` hops; returns the sum of what came back: 1 + 2 + … + ops / 2. */
static uint64_t play(uint64_t ops)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops / 2; i++) {
        put(&ping, i);
        sum += take(&pong);
    }
    return sum;
}

int main(int argc, char **argv)
{
    bench b;
    pthread_t thread;
    uint64_t sum;
    int error;

    bench_init(&b, argc, argv, 200000);
    b.ops &= ~UINT64_C(1);
    error = pthread_create(&thread, NULL, answer, NULL);
    if (error != 0)
        bench_die("pthread_create", error);
    play(bench_warmup_ops(&b));
    bench_begin(&b);
    sum = play(b.ops);
    bench_end(&b);
    put(&ping, last);
    pthread_join(thread, NULL);
    return bench_report(&b, sum == (b.ops / 2) * (b.ops / 2 + 1) / 2);
}
