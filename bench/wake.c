/* How long does a coroutine that sleeps on one worker take to run when it is woken from another? The waker posts a
 * semaphore at set times; the latency is from then until the sleeper runs. One operation is one wake-up, its time the
 * mean. */
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/histogram.h"
#include "bench/runtime.h"
#include "bench/wake.h"

typedef struct pair {
    bench *b;
    weft_sem wakes;
    atomic_bool ready; /* the sleeper runs, so that it has a worker */
    int64_t *due_ns;   /* made when it does */
    pid_t sleeper_tid;
    pid_t waker_tid;
    int64_t total_ns;
    bench_histogram latency;
} pair;

/* Pinned where it first runs, which is not where the waker keeps its worker busy. */
static void *sleeper(void *arg)
{
    pair *p = arg;

    p->sleeper_tid = gettid();
    p->due_ns = wake_calendar(p->b->ops);
    atomic_store_explicit(&p->ready, true, memory_order_release);
    for (uint64_t i = 0; i < p->b->ops; i++) {
        int64_t late_ns;
        int error = weft_sem_wait(&p->wakes);

        if (error < 0)
            bench_die("weft_sem_wait", error);
        late_ns = bench_now_ns() - p->due_ns[i];
        bench_histogram_add(&p->latency, late_ns);
        p->total_ns += late_ns;
    }
    return NULL;
}

static void *waker(void *arg)
{
    static const weft_spawn_options pinned = {.pinned = true};
    pair *p = arg;
    weft_t *other = weft_spawn_opt(&pinned, sleeper, p);

    if (other == NULL)
        bench_die("weft_spawn_opt", weft_last_error());
    p->waker_tid = gettid();
    while (!atomic_load_explicit(&p->ready, memory_order_acquire))
        weft_checkpoint();
    for (uint64_t i = 0; i < p->b->ops; i++) {
        while (bench_now_ns() < p->due_ns[i])
            weft_yield();
        weft_sem_post(&p->wakes);
    }
    bench_join(other);
    return NULL;
}

static void *body(void *arg)
{
    static const weft_spawn_options pinned = {.pinned = true};
    weft_t *child = weft_spawn_opt(&pinned, waker, arg);

    if (child == NULL)
        bench_die("weft_spawn_opt", weft_last_error());
    bench_join(child);
    return NULL;
}

int main(int argc, char **argv)
{
    static pair p;
    bench b;

    bench_init(&b, argc, argv, 5000);
    if (b.workers < 2) {
        fprintf(stderr, "%s: needs two workers\n", argv[0]);
        return 2;
    }
    p.b = &b;
    weft_sem_init(&p.wakes, 0);
    bench_begin(&b);
    bench_run(&b, body, &p);
    bench_end(&b);
    b.ended_ns = b.began_ns + p.total_ns;
    bench_add_latency(&b, &p.latency);
    return bench_report(&b, p.latency.count == b.ops && p.sleeper_tid != p.waker_tid);
}
