/* What would a hop in a ring of 503 cost if it were nothing but a switch? Each context takes the token, one hop fewer,
 * and switches to the next. */
#include "bench/bench.h"
#include "bench/context.h"

enum {
    MEMBERS = 503,
    STACK_SIZE =
        512 + 64 /* enough for one frame and a switch; the odd line keeps the frames out of the same cache sets */
};

static _Alignas(64) char stacks[MEMBERS][STACK_SIZE];

static void *main_sp;
static void *member_sp[MEMBERS];
static uint64_t token;

static void pass_on(uintptr_t value)
{
    uintptr_t me = value;
    uintptr_t next = (me + 1) % MEMBERS;

    for (;;) {
        if (token == 0) {
            bench_context_switch(&member_sp[me], main_sp, me);
        } else {
            token--;
            bench_context_switch(&member_sp[me], member_sp[next], next);
        }
    }
}

static bool run(bench *b, uint64_t ops)
{
    (void)b;
    token = ops;
    return bench_context_switch(&main_sp, member_sp[0], 0) == ops % MEMBERS;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, 5000000);
    for (uintptr_t i = 0; i < MEMBERS; i++)
        member_sp[i] = bench_context_make(stacks[i] + STACK_SIZE, pass_on);
    checked = bench_measure(&b, run);
    return bench_report(&b, checked);
}
