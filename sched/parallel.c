/* weft_parallel_for: halve the range until its parts are small, fork the upper half, do the lower one. */
#include <errno.h>

#include "sched/worker.h"

enum { PARTS_PER_WORKER = 8 }; /* so many that one slow part holds nobody up for long, so few that they cost nothing */

typedef struct loop {
    size_t grain;
    void (*fn)(size_t from, size_t to, void *arg);
    void *arg;
} loop;

typedef struct range {
    const loop *loop;
    size_t lo, hi;
    int error; /* the result */
} range;

static void *run_range(void *arg);

static int halve(const loop *l, size_t lo, size_t hi)
{
    if (hi - lo <= l->grain) {
        int error = weft_checkpoint();
        if (error == 0)
            l->fn(lo, hi, l->arg);
        return error;
    }
    size_t middle = lo + (hi - lo) / 2;
    range upper = {.loop = l, .lo = middle, .hi = hi};
    weft_task task;
    weft_fork(&task, run_range, &upper);
    int lower_error = halve(l, lo, middle);
    int sync_error = weft_sync(&task);
    if (lower_error != 0)
        return lower_error;
    return sync_error != 0 ? sync_error : upper.error;
}

static void *run_range(void *arg)
{
    range *r = arg;
    r->error = halve(r->loop, r->lo, r->hi);
    return NULL;
}

typedef struct whole {
    loop loop;
    size_t lo, hi;
    int error;
} whole;

/* In a coroutine: there are workers. */
static void *run_whole(void *arg)
{
    whole *w = arg;
    if (w->loop.grain == 0)
        w->loop.grain = (w->hi - w->lo) / wf_rt.count / PARTS_PER_WORKER;
    if (w->loop.grain == 0)
        w->loop.grain = 1;
    w->error = halve(&w->loop, w->lo, w->hi);
    return NULL;
}

/* On a plain thread. The coroutine uses the thread's frame, so it has to end before the thread goes on. */
static int run_on_thread(whole *w)
{
    int error = weft_shield_begin(); /* does the thread have a block to wait with? */
    if (error != 0)
        return error;
    weft_shield_end();
    w->error = -ECANCELED; /* if it is killed before it starts */
    weft_t *t = weft_spawn(run_whole, w);
    if (t == NULL)
        return weft_last_error();
    error = weft_join(t, NULL);
    if (error == 0)
        return w->error;
    weft_kill(t);
    weft_shield_begin();
    weft_join(t, NULL);
    weft_shield_end();
    return error;
}

int weft_parallel_for(size_t lo, size_t hi, size_t grain, void (*fn)(size_t from, size_t to, void *arg), void *arg)
{
    whole w = {.loop = {.grain = grain, .fn = fn, .arg = arg}, .lo = lo, .hi = hi};
    if (fn == NULL)
        return -EINVAL;
    if (lo >= hi)
        return 0;
    if (weft_self() == NULL)
        return run_on_thread(&w);
    run_whole(&w);
    return w.error;
}
