/* What would a child cost if it were nothing but a new context on a warm stack? One operation lays out a context,
 * enters it, calls its body and comes back for good. */
#include "bench/bench.h"
#include "bench/context.h"

typedef struct child {
    void *(*fn)(void *arg);
    void *arg;
    void *result;
    bool finished;
} child;

static void *main_sp;
static void *child_sp;
static void *stack_top;

static void *count(void *arg)
{
    (*(uint64_t *)arg)++;
    return arg;
}

static void enter(uintptr_t value)
{
    child *c = (child *)value;

    c->result = c->fn(c->arg);
    c->finished = true;
    bench_context_switch(&child_sp, main_sp, 0);
    __builtin_unreachable();
}

static uint64_t run(uint64_t ops)
{
    uint64_t counted = 0;

    for (uint64_t i = 0; i < ops; i++) {
        child c = {.fn = count, .arg = &counted};

        child_sp = bench_context_make(stack_top, enter);
        bench_context_switch(&main_sp, child_sp, (uintptr_t)&c);
        if (!c.finished || c.result != &counted)
            break;
    }
    return counted;
}

int main(int argc, char **argv)
{
    bench b;
    uint64_t counted;

    bench_init(&b, argc, argv, 5000000);
    stack_top = bench_stack_new();
    run(bench_warmup_ops(&b));
    bench_begin(&b);
    counted = run(b.ops);
    bench_end(&b);
    return bench_report(&b, counted == b.ops);
}
