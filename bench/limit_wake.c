/* How long does a thread that sleeps in a futex take to run when another thread wakes it? */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/histogram.h"
#include "bench/wake.h"

static bench b;
static atomic_uint posts; /* how many there were: the futex */
static int64_t *due_ns;
static int64_t total_ns;
static bench_histogram latency;

static void *sleeper(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < b.ops; i++) {
        int64_t late_ns;

        while (atomic_load_explicit(&posts, memory_order_acquire) == i)
            syscall(SYS_futex, &posts, FUTEX_WAIT_PRIVATE, i, NULL, NULL, 0);
        late_ns = bench_now_ns() - due_ns[i];
        bench_histogram_add(&latency, late_ns);
        total_ns += late_ns;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int error;

    bench_init(&b, argc, argv, 5000);
    due_ns = wake_calendar(b.ops);
    bench_begin(&b);
    error = pthread_create(&thread, NULL, sleeper, NULL);
    if (error != 0)
        bench_die("pthread_create", error);
    for (uint64_t i = 0; i < b.ops; i++) {
        while (bench_now_ns() < due_ns[i])
            ;
        atomic_fetch_add_explicit(&posts, 1, memory_order_release);
        syscall(SYS_futex, &posts, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
    pthread_join(thread, NULL);
    bench_end(&b);
    b.ended_ns = b.began_ns + total_ns;
    bench_add_latency(&b, &latency);
    return bench_report(&b, latency.count == b.ops);
}
