/* How much memory does something take that has one page of its own? One operation is touching it for the first time. */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "bench/bench.h"

enum { PAGE = 4096 };

int main(int argc, char **argv)
{
    bench b;
    uint64_t before;
    char *pages;

    bench_init_modes(&b, argc, argv, 1000000, "stack64K");
    pages = mmap(NULL, b.ops * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
        bench_die("mmap", errno);
    madvise(pages, b.ops * PAGE, MADV_NOHUGEPAGE);
    before = bench_memory_bytes();
    bench_begin(&b);
    for (uint64_t i = 0; i < b.ops; i++)
        *(volatile uint64_t *)(pages + i * PAGE) = i;
    bench_end(&b);
    bench_add_metric(&b, "bytes_per_coroutine", (double)(bench_memory_bytes() - before) / (double)b.ops);
    for (uint64_t i = 0; i < b.ops; i++)
        if (*(uint64_t *)(pages + i * PAGE) != i)
            return bench_report(&b, false);
    return bench_report(&b, true);
}
