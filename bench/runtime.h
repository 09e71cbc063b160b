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

#endif
