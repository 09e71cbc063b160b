/* What would a lock cost if nobody ever had to wait for it? One thread takes it with a compare-and-swap and gives it
 * back with an exchange, which are the two atomic operations that a lock with waiters needs. */
#include <stdatomic.h>

#include "bench/bench.h"

static atomic_uint lock;
static uint64_t counter;

static bool run(bench *b, uint64_t ops)
{
    (void)b;
    counter = 0;
    for (uint64_t i = 0; i < ops; i++) {
        unsigned expected = 0;

        if (!atomic_compare_exchange_strong_explicit(&lock, &expected, 1, memory_order_acquire, memory_order_relaxed))
            return false;
        counter++;
        if (atomic_exchange_explicit(&lock, 0, memory_order_release) != 1)
            return false;
    }
    return counter == ops;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, 20000000);
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
