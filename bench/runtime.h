/* How every weft program of the suite starts its runtime: the defaults (or what the environment says) with
 * --workers. */
#ifndef BENCH_RUNTIME_H
#define BENCH_RUNTIME_H

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

    m->checked = bench_measure(m->b, m->work);
    return NULL;
}

/* bench_measure inside a coroutine. */
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
