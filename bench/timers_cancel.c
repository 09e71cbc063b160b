/* What does a timeout cost that is hardly ever needed? Of every hundred a coroutine starts, 1 to 1000 ms each, it stops
 * 99 again; the last, of up to 1 ms, ends a sleep that would never end. One operation is one start and its stop. */
#include <errno.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/runtime.h"

enum { ROUND = 100, LONGEST_MS = 1000 };

typedef struct member {
    uint64_t seed;
    uint64_t count; /* timeouts it is to start */
    uint64_t stopped;
    uint64_t fired;
} member;

static void *start_and_stop(void *arg)
{
    member *m = arg;
    weft_timeout timeout;

    for (uint64_t i = 1; i <= m->count; i++) {
        uint64_t number = bench_random(&m->seed);
        bool fires = i % ROUND == 0;
        int64_t ns = fires ? (int64_t)(number % 1000000) : (int64_t)(1 + number % LONGEST_MS) * 1000000;

        if (weft_timeout_start(&timeout, ns) < 0)
            break;
        if (fires && weft_sleep(WEFT_NEVER) != -ETIMEDOUT)
            break;
        if (weft_timeout_stop(&timeout) < 0)
            break;
        if (weft_timeout_fired(&timeout) == 1)
            m->fired++;
        else
            m->stopped++;
    }
    return NULL;
}

/* True when those fired that had to, and no other. */
static bool run(bench *b, uint64_t ops)
{
    uint64_t count = (ops + ROUND - 1) / ROUND;
    member *members = calloc(count, sizeof *members);
    weft_t **handles = calloc(count, sizeof(weft_t *));
    uint64_t stopped = 0;
    uint64_t fired = 0;

    (void)b;
    if (members == NULL || handles == NULL)
        bench_die("members", ENOMEM);
    for (uint64_t i = 0; i < count; i++) {
        members[i] = (member){.seed = i + 1, .count = i + 1 < count ? ROUND : ops - i * ROUND};
        handles[i] = bench_spawn(start_and_stop, &members[i]);
    }
    for (uint64_t i = 0; i < count; i++) {
        bench_join(handles[i]);
        stopped += members[i].stopped;
        fired += members[i].fired;
    }
    free(handles);
    free(members);
    return fired == ops / ROUND && stopped == ops - fired;
}

int main(int argc, char **argv)
{
    bench b;
    bool checked;

    bench_init(&b, argc, argv, 1000000);
    checked = bench_run_measured(&b, run);
    return bench_report(&b, checked);
}
