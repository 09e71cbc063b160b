/* How much memory does a coroutine take that waits? Many wait for the same event; bytes_per_coroutine is by how much
 * resident memory, page tables included, has grown for each. With the mode stack64K their stacks have 64 KiB, else the
 * default size. One operation is spawning one and getting it to wait. */
#include <stdatomic.h>

#include "bench/bench.h"
#include "bench/runtime.h"

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

static void put_to_bed(const bench *b, uint64_t count)
{
    weft_spawn_options options = {.stack_size = bench_mode_is(b, "stack64K") ? 64 * 1024 : 0};

    for (uint64_t i = 0; i < count; i++) {
        weft_t *child = weft_spawn_opt(&options, wait_for_morning, NULL);

        if (child == NULL)
            bench_die("weft_spawn_opt", weft_last_error());
        weft_detach(child);
    }
    while (atomic_load_explicit(&waiting, memory_order_relaxed) < count)
        weft_yield();
}

static void *body(void *arg)
{
    bench *b = arg;
    uint64_t before = bench_memory_bytes();
    int error;

    weft_group_add(&all, (int)b->ops);
    bench_begin(b);
    put_to_bed(b, b->ops);
    bench_end(b);
    bench_add_metric(b, "bytes_per_coroutine", (double)(bench_memory_bytes() - before) / (double)b->ops);
    weft_event_set(&morning);
    error = weft_group_wait(&all);
    if (error < 0)
        bench_die("weft_group_wait", error);
    return NULL;
}

int main(int argc, char **argv)
{
    bench b;

    bench_init_modes(&b, argc, argv, 1000000, "stack64K");
    bench_run(&b, body, &b);
    /* All have woken, or the group would not have let go. */
    return bench_report(&b, atomic_load(&waiting) == b.ops);
}
