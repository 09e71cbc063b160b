/* What does a process cost in which everybody waits? 100,000 coroutines wait for an event for ten seconds (two with
 * --quick): cpu_percent is the CPU time of all threads but this one, of one CPU, per worker; switches_per_s how often a
 * second, per worker, a thread gave its CPU up, which it has to wake up for. One operation is one coroutine, its time
 * that of the CPU. */
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/runtime.h"

enum { SETTLE_MS = 1200 /* what is still busy after this is busy for good */ };

static weft_event morning = WEFT_EVENT_INIT;
static weft_group all = WEFT_GROUP_INIT;
static atomic_uint_least64_t waiting;

static void *wait_for_morning(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&waiting, 1, memory_order_relaxed);
    if (weft_event_wait(&morning) == 0)
        weft_group_done(&all);
    return NULL;
}

static void sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* What the other threads have used so far. */
static void others(int64_t *cpu_ns, int64_t *switches)
{
    struct rusage process;
    struct rusage thread;
    struct timespec own;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
    *cpu_ns = bench_cpu_ns() - own.tv_sec * 1000000000 - own.tv_nsec;
    getrusage(RUSAGE_SELF, &process);
    getrusage(RUSAGE_THREAD, &thread);
    *switches = process.ru_nvcsw - thread.ru_nvcsw;
}

static void put_to_bed(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        int error = weft_go(wait_for_morning, NULL);

        if (error < 0)
            bench_die("weft_go", error);
    }
    while (atomic_load_explicit(&waiting, memory_order_relaxed) < count)
        sleep_ms(1);
    sleep_ms(SETTLE_MS);
}

static void wake_all(void)
{
    int error;

    weft_event_set(&morning);
    error = weft_group_wait(&all);
    if (error == 0)
        error = weft_stop(WEFT_NEVER);
    if (error < 0)
        bench_die("waking all", error);
}

int main(int argc, char **argv)
{
    int64_t cpu_ns[2];
    int64_t switches[2];
    double seconds;
    bench b;

    bench_init(&b, argc, argv, 100000);
    bench_start_runtime(&b);
    weft_group_add(&all, (int)b.ops);
    put_to_bed(b.ops);
    bench_stats_begin();
    others(&cpu_ns[0], &switches[0]);
    bench_begin(&b);
    sleep_ms(b.quick ? 2000 : 10000);
    bench_end(&b);
    others(&cpu_ns[1], &switches[1]);
    bench_stats_end(&b);
    wake_all();
    if (cpu_ns[1] <= cpu_ns[0]) /* the clocks of the process and of this thread were not read at the same moment */
        cpu_ns[1] = cpu_ns[0] + 1;
    seconds = (double)(b.ended_ns - b.began_ns) / 1e9;
    bench_add_metric(&b, "cpu_percent", (double)(cpu_ns[1] - cpu_ns[0]) / 1e7 / seconds / b.workers);
    bench_add_metric(&b, "switches_per_s", (double)(switches[1] - switches[0]) / seconds / b.workers);
    b.ended_ns = b.began_ns + cpu_ns[1] - cpu_ns[0];
    return bench_report(&b, atomic_load(&waiting) == b.ops);
}
