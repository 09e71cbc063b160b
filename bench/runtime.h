/* How every weft program of the suite starts its runtime: the defaults (or what the environment says) with
 * --workers. */
#ifndef BENCH_RUNTIME_H
#define BENCH_RUNTIME_H

#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "weft.h"

static inline void bench_start_runtime(const bench *b)
{
    weft_config config;
    int error = weft_config_from_env(&config);

    if (error == 0) {
        config.threads = b->workers;
        error = weft_start(&config);
    }
    if (error < 0)
        bench_die("weft_start", error);
}

/* ---- counters: with WEFT_BENCH_STATS=1 in the environment the line of JSON has those of weft_stats ---- */

/* What they were when the measured part began. */
static inline weft_stats_info *bench_stats_before(void)
{
    static weft_stats_info before;

    return &before;
}

static inline void bench_stats_begin(void)
{
    int error = weft_stats(bench_stats_before());

    if (error < 0)
        bench_die("weft_stats", error);
}

/* Add by how much they have grown since, as stats_NAME. */
static inline void bench_stats_end(bench *b)
{
    const weft_stats_info *before = bench_stats_before();
    const char *wanted = getenv("WEFT_BENCH_STATS");
    weft_stats_info after;
    int error = weft_stats(&after);

    if (error < 0)
        bench_die("weft_stats", error);
    if (wanted == NULL || strcmp(wanted, "1") != 0)
        return;
#define BENCH_STAT(name) bench_add_metric(b, "stats_" #name, (double)(after.name - before->name))
    BENCH_STAT(spawned);
    BENCH_STAT(dispatched);
    BENCH_STAT(suspended);
    BENCH_STAT(steals);
    BENCH_STAT(stolen);
    BENCH_STAT(parks);
    BENCH_STAT(wakes);
    BENCH_STAT(polls);
    BENCH_STAT(stalls);
    BENCH_STAT(forks_exposed);
    BENCH_STAT(forks_stolen);
    BENCH_STAT(forks_moved);
    BENCH_STAT(searches);
    BENCH_STAT(searches_failed);
    BENCH_STAT(looks);
    BENCH_STAT(robberies);
    BENCH_STAT(fences);
    BENCH_STAT(shared_core);
    BENCH_STAT(shared_cache);
    BENCH_STAT(shared_node);
    BENCH_STAT(shared_nothing);
#undef BENCH_STAT
}

/* Run the body of the program as a coroutine and stop the runtime; the body takes and keeps the bench. */
static inline void bench_run(bench *b, weft_fn *body, void *arg)
{
    int error;

    bench_start_runtime(b);
    error = weft_run(body, arg, NULL);
    if (error == 0)
        error = weft_stop(WEFT_NEVER);
    if (error < 0)
        bench_die("weft_run", error);
}

typedef struct bench_measurement {
    bench *b;
    bench_work *work;
    bool checked;
} bench_measurement;

static inline void *bench_measurement_body(void *arg)
{
    bench_measurement *m = arg;
    bool warm = m->work(m->b, bench_warmup_ops(m->b));

    bench_stats_begin();
    bench_begin(m->b);
    m->checked = m->work(m->b, m->b->ops) && warm;
    bench_end(m->b);
    bench_stats_end(m->b);
    return NULL;
}

/* bench_measure inside a coroutine, and the counters. */
static inline bool bench_run_measured(bench *b, bench_work *work)
{
    bench_measurement m = {.b = b, .work = work};

    bench_run(b, bench_measurement_body, &m);
    return m.checked;
}

static inline weft_t *bench_spawn(weft_fn *fn, void *arg)
{
    weft_t *child = weft_spawn(fn, arg);

    if (child == NULL)
        bench_die("weft_spawn", weft_last_error());
    return child;
}

/* The child's result; ends the program when there is none. */
static inline void *bench_join(weft_t *child)
{
    void *result = NULL;
    int error = weft_join(child, &result);

    if (error < 0)
        bench_die("weft_join", error);
    return result;
}

/* The body of a server: listens, announces its port, and starts a coroutine with the descriptor as its argument for each
 * connection. `serve` is that coroutine's function, a weft_fn. */
static inline void *bench_serve(void *serve)
{
    int listener = weft_tcp_listen("127.0.0.1:0", 4096);

    if (listener < 0)
        bench_die("weft_tcp_listen", listener);
    bench_announce_port(weft_tcp_port(listener));
    for (;;) {
        int fd = weft_accept(listener, NULL, NULL);
        int error = fd < 0 ? fd : weft_go((weft_fn *)serve, (void *)(intptr_t)fd);

        if (error < 0)
            bench_die("weft_accept", error);
    }
}

#endif
