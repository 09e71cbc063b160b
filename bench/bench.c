/* The frame of a benchmark program: see bench.h. */
#include "bench/bench.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/histogram.h"

static const uint64_t counter_config[BENCH_COUNTERS] = {PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_CPU_CYCLES};
static const char *const counter_name[BENCH_COUNTERS] = {"instructions", "cycles"};

int64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t bench_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

uint64_t bench_memory_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    uint64_t total_kib = 0;
    uint64_t kib;

    if (status == NULL)
        bench_die("/proc/self/status", errno);
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmRSS: %" SCNu64, &kib) == 1 || sscanf(line, "VmPTE: %" SCNu64, &kib) == 1)
            total_kib += kib;
    fclose(status);
    return total_kib * 1024;
}

uint64_t bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

_Noreturn void bench_die(const char *what, int error)
{
    fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

/* A counter of this thread and of every thread it starts from now on (inherit), in user space only, which is what an
 * unprivileged process may count. -1 where there is no such counter, as in many virtual machines. */
static int open_counter(uint64_t config)
{
    struct perf_event_attr attr;

    memset(&attr, 0, sizeof attr);
    attr.type = PERF_TYPE_HARDWARE;
    attr.size = sizeof attr;
    attr.config = config;
    attr.inherit = 1;
    attr.exclude_kernel = 1;
    attr.exclude_hv = 1;
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t read_counter(int fd)
{
    uint64_t value = 0;

    if (fd < 0 || read(fd, &value, sizeof value) != (ssize_t)sizeof value)
        return 0;
    return value;
}

static _Noreturn void usage(const char *program)
{
    fprintf(stderr, "usage: %s [--workers N] [--repetition-id I] [--quick] [--ops N] [--mode WORD] [--port N]\n",
            program);
    exit(2);
}

static uint64_t parse_number(const char *program, const char *text, uint64_t least)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < least)
        usage(program);
    return value;
}

void bench_init(bench *b, int argc, char **argv, uint64_t default_ops)
{
    bench_init_modes(b, argc, argv, default_ops, "");
}

void bench_init_modes(bench *b, int argc, char **argv, uint64_t default_ops, const char *mode)
{
    static const struct option options[] = {
        {"workers", required_argument, NULL, 'w'},
        {"repetition-id", required_argument, NULL, 'i'},
        {"quick", no_argument, NULL, 'q'},
        {"ops", required_argument, NULL, 'o'},
        {"mode", required_argument, NULL, 'm'},
        {"port", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    int option;

    memset(b, 0, sizeof *b);
    b->workers = 1;
    b->mode = "";
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'w':
            b->workers = (unsigned)parse_number(argv[0], optarg, 1);
            break;
        case 'i':
            b->repetition = (unsigned)parse_number(argv[0], optarg, 0);
            break;
        case 'q':
            b->quick = true;
            break;
        case 'o':
            b->ops = parse_number(argv[0], optarg, 1);
            break;
        case 'm':
            b->mode = optarg;
            break;
        case 'p':
            b->port = (int)parse_number(argv[0], optarg, 1);
            break;
        default:
            usage(argv[0]);
        }
    }
    if (optind != argc)
        usage(argv[0]);
    if (b->mode[0] != '\0' && !bench_mode_is(b, mode)) {
        fprintf(stderr, "%s: no mode '%s'\n", argv[0], b->mode);
        exit(2);
    }
    if (b->ops == 0)
        b->ops = b->quick ? default_ops / 10 : default_ops;
    for (int i = 0; i < BENCH_COUNTERS; i++)
        b->counter_fd[i] = open_counter(counter_config[i]);
}

uint64_t bench_warmup_ops(const bench *b)
{
    return b->ops / 10 + 2;
}

void bench_begin(bench *b)
{
    for (int i = 0; i < BENCH_COUNTERS; i++)
        b->counter_began[i] = read_counter(b->counter_fd[i]);
    b->began_ns = bench_now_ns();
}

void bench_end(bench *b)
{
    b->ended_ns = bench_now_ns();
    for (int i = 0; i < BENCH_COUNTERS; i++)
        b->counter[i] = read_counter(b->counter_fd[i]) - b->counter_began[i];
}

bool bench_measure(bench *b, bench_work *work)
{
    bool warm = work(b, bench_warmup_ops(b));
    bool checked;

    bench_begin(b);
    checked = work(b, b->ops);
    bench_end(b);
    return warm && checked;
}

bool bench_mode_is(const bench *b, const char *mode)
{
    return strcmp(b->mode, mode) == 0;
}

void bench_add_metric(bench *b, const char *name, double value)
{
    if (b->metrics_count == BENCH_METRICS)
        bench_die(name, ENOSPC);
    b->metrics[b->metrics_count++] = (bench_metric){.name = name, .value = value};
}

void bench_add_latency(bench *b, const struct bench_histogram *latency)
{
    bench_add_metric(b, "p50_us", bench_histogram_us(latency, 0.5));
    bench_add_metric(b, "p99_us", bench_histogram_us(latency, 0.99));
    bench_add_metric(b, "p999_us", bench_histogram_us(latency, 0.999));
    bench_add_metric(b, "max_us", (double)latency->max / 1e3);
}

int bench_report(const bench *b, bool checked)
{
    struct rusage usage_now;

    getrusage(RUSAGE_SELF, &usage_now);
    printf("{\"ops\": %" PRIu64 ", \"seconds\": %.9f, \"checked\": %s, \"rss_bytes\": %ld", b->ops,
           (double)(b->ended_ns - b->began_ns) / 1e9, checked ? "true" : "false", usage_now.ru_maxrss * 1024);
    for (int i = 0; i < BENCH_COUNTERS; i++)
        if (b->counter_fd[i] >= 0)
            printf(", \"%s\": %" PRIu64, counter_name[i], b->counter[i]);
    for (unsigned i = 0; i < b->metrics_count; i++)
        printf(", \"%s\": %.6g", b->metrics[i].name, b->metrics[i].value);
    puts("}");
    return checked ? 0 : 1;
}

void bench_announce_port(int port)
{
    printf("{\"port\": %d}\n", port);
    fflush(stdout);
}
