/* What every benchmark program shares: its command line, its clock, its counters and its one line of JSON.
 *
 * A program runs one repetition: bench_init, a warm-up of its own, bench_begin, the work, bench_end, bench_report. The
 * runner (bench/run.py) starts it once per repetition and mixes it with the other programs, so nothing here repeats,
 * averages or judges.
 *
 * The work is `ops` operations. The same number goes to every program of a workload unless one is so slow that the
 * runner gives it a known fraction; what is compared is always time per operation.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

enum { BENCH_COUNTERS = 2 }; /* instructions, cycles: user space, all threads */

typedef struct bench {
    /* from the command line */
    unsigned workers;
    unsigned repetition;
    bool quick;
    uint64_t ops;

    /* measured between bench_begin and bench_end */
    int64_t began_ns;
    int64_t ended_ns;
    int counter_fd[BENCH_COUNTERS]; /* -1 where the kernel refuses */
    uint64_t counter_began[BENCH_COUNTERS];
    uint64_t counter[BENCH_COUNTERS];
} bench;

/* Read --workers N, --repetition-id I, --quick and --ops N; prints the usage and exits with 2 when they make no sense.
 * Without --ops the count is default_ops, a tenth of it with --quick. Opens the counters: call it before any thread is
 * started, or its work is not counted. */
void bench_init(bench *b, int argc, char **argv, uint64_t default_ops);

/* The number of operations for the warm-up: enough to touch the code, the stacks and the predictors. */
uint64_t bench_warmup_ops(const bench *b);

void bench_begin(bench *b);
void bench_end(bench *b);

/* Print the line. `checked`: the result of the work was what it had to be. Returns the exit status of the program: 1
 * when it was not. */
int bench_report(const bench *b, bool checked);

int64_t bench_now_ns(void);

/* For servers: print {"port": N} for the runner, which waits for it. */
void bench_announce_port(int port);

/* Print "what: reason of -error" and exit with 1. */
_Noreturn void bench_die(const char *what, int error);

#endif
