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

struct bench_histogram;

enum {
    BENCH_COUNTERS = 2, /* instructions, cycles: user space, all threads */
    BENCH_METRICS = 40
};

/* A figure besides the time: what it is, unit last, and its value. */
typedef struct bench_metric {
    const char *name;
    double value;
} bench_metric;

typedef struct bench {
    /* from the command line */
    unsigned workers;
    unsigned repetition;
    bool quick;
    uint64_t ops;
    const char *mode; /* which form of the workload; "": the plain one */
    int port;         /* of the server that a client is to ask; 0: none was named */

    /* measured between bench_begin and bench_end */
    int64_t began_ns;
    int64_t ended_ns;
    int counter_fd[BENCH_COUNTERS]; /* -1 where the kernel refuses */
    uint64_t counter_began[BENCH_COUNTERS];
    uint64_t counter[BENCH_COUNTERS];
    bench_metric metrics[BENCH_METRICS];
    unsigned metrics_count;
} bench;

/* Do `ops` operations; true when their result was what it had to be. */
typedef bool bench_work(bench *b, uint64_t ops);

/* Read --workers N, --repetition-id I, --quick, --ops N, --mode WORD and --port N; prints the usage and exits with 2
 * when they make no sense. Without --ops the count is default_ops, a tenth of it with --quick. Opens the counters: call
 * it before any thread is started, or its work is not counted. */
void bench_init(bench *b, int argc, char **argv, uint64_t default_ops);

/* The same for a program that has a mode beside the plain one; others refuse every --mode. */
void bench_init_modes(bench *b, int argc, char **argv, uint64_t default_ops, const char *mode);

/* The number of operations for the warm-up: enough to touch the code, the stacks and the predictors. */
uint64_t bench_warmup_ops(const bench *b);

void bench_begin(bench *b);
void bench_end(bench *b);

/* Warm-up, begin, the work, end. True when the results of both were right. */
bool bench_measure(bench *b, bench_work *work);

/* Is this the mode that was asked for? */
bool bench_mode_is(const bench *b, const char *mode);

/* Add a figure to the line that bench_report prints; `name` is a constant. */
void bench_add_metric(bench *b, const char *name, double value);

/* Add p50_us, p99_us, p999_us and max_us. */
void bench_add_latency(bench *b, const struct bench_histogram *latency);

/* Print the line. `checked`: the result of the work was what it had to be. Returns the exit status of the program: 1
 * when it was not. */
int bench_report(const bench *b, bool checked);

int64_t bench_now_ns(void);

/* CPU time of this process, user and kernel. */
int64_t bench_cpu_ns(void);

/* Resident memory of this process at this moment, page tables included. */
uint64_t bench_memory_bytes(void);

/* The next of a sequence of pseudo-random numbers (xorshift64); *state is not 0, and the same start gives the same
 * sequence. */
uint64_t bench_random(uint64_t *state);

/* For servers: print {"port": N} for the runner, which waits for it. */
void bench_announce_port(int port);

/* Print "what: reason of -error" and exit with 1. */
_Noreturn void bench_die(const char *what, int error);

#endif
