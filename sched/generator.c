/* Generators: weft/generator.h on core/generator.h.
 *
 * A body runs as part of who resumes it. What that one knows of itself is in its control block, and of that only `stack`
 * changes: it is the body's while the body runs. So the scheduler, which goes by it, suspends and resumes a coroutine in
 * the middle of a body as anywhere else.
 *
 * The deque of forked tasks belongs to the stack that forked them (it knows how much is left of it, and wf_stack.forks
 * counts them), so it is closed when the stack is left (wf_forks_switch).
 */
#include <errno.h>

#include "core/alloc.h"
#include "core/generator.h"
#include "sched/forks.h"
#include "sched/ready.h"
#include "sched/strands.h"
#include "sched/suspend.h"

struct weft_gen {
    wf_generator core;
    void **out;     /* where who resumed it wants the value */
    void *nowhere;  /* for those who do not */
    int32_t thrown; /* into the yield that it is in or came from */
    int32_t unseen; /* the same, until it asks */
    int32_t failed; /* what it ends with: 0 nothing */
    bool decided;   /* it said so itself */
    void *arg;
    void *result;
};

/* ---- making ---- */

static const weft_gen_options no_options;

weft_gen *weft_gen_new_opt(const weft_gen_options *options, weft_fn *fn, void *arg)
{
    if (options == NULL)
        options = &no_options;
    int stack_class = wf_strand_class(options->stack_size);
    weft_gen *g = NULL;
    if (fn == NULL || stack_class < 0)
        wf_set_last_error(-EINVAL);
    else if ((g = wf_alloc(sizeof(*g))) == NULL)
        wf_set_last_error(-ENOMEM);
    if (g == NULL)
        return NULL;
    wf_strand_set(&g->core.strand, WF_GEN_NEW);
    g->core.strand.stack_class = (uint8_t)stack_class;
    g->core.strand.secret = options->secret;
    g->core.strand.fn = fn;
    g->arg = arg;
    return g;
}

weft_gen *weft_gen_new(weft_fn *fn, void *arg)
{
    return weft_gen_new_opt(NULL, fn, arg);
}

/* ---- the end of a body ---- */

/* With what it has ended: what it said, or else what was thrown and not looked at. */
static int outcome(weft_gen *g, uint32_t state)
{
    int error = g->decided ? g->failed : g->unseen;
    if (state == WF_GEN_CLOSING && error == -ECANCELED)
        error = 0;
    g->failed = error == WEFT_GEN_DONE ? -EPROTO : error;
    return g->failed;
}

/* On the stack of who resumed it. */
static void *bury(void *arg)
{
    weft_gen *g = arg;
    uint32_t state = wf_strand_state(&g->core.strand);
    wf_strand_unbind(&g->core.strand, wf_strand_cache(wf_worker_self()));
    wf_strand_set(&g->core.strand, WF_GEN_DONE);
    return (void *)(intptr_t)outcome(g, state);
}

/* The first frame of a body. */
WF_NOT_INSTRUMENTED static void enter(void *arg, void *value)
{
    weft_gen *g = arg;
    (void)value;
    wf_generator_entered(&g->core);
    g->result = g->core.strand.fn(g->arg);
    wf_coro *self = wf_strand_ends(&g->core.strand, "the body of a generator");
    wf_generator_leave(&g->core, &self->stack, bury);
}

/* ---- resuming ---- */

/* Who calls, if that is a coroutine without forked tasks, else NULL. The fast paths below are for such callers alone: they
 * have nothing to keep over a call, so they need no frame. */
WF_INLINE wf_coro *simple_caller(void)
{
    wf_worker *worker = wf_worker_self();
    if (wf_unlikely(worker == NULL || worker->forking))
        return NULL;
    return wf_load_relaxed(&worker->current); /* relaxed: this thread wrote it */
}

/* It is suspended. `state`: RUNNING or CLOSING. */
WF_INLINE int go_on(weft_gen *g, wf_coro *self, enum wf_strand_state state, void *in, int error, void **out)
{
    g->out = out != NULL ? out : &g->nowhere;
    g->thrown = error;
    g->unseen = error;
    wf_strand_set(&g->core.strand, state);
    return wf_generator_resume(&g->core, &self->stack, in);
}

static int go_on_slowly(weft_gen *g, enum wf_strand_state state, void *in, int error, void **out)
{
    wf_caller caller = wf_caller_now();
    if (caller.self == NULL)
        return -ENOMEM;
    wf_forks_switch(caller.worker, caller.self);
    return go_on(g, caller.self, state, in, error, out);
}

static int start(weft_gen *g, void **out)
{
    wf_caller caller = wf_caller_now();
    if (caller.self == NULL || !wf_strand_begins(&g->core.strand, caller))
        return -ENOMEM;
    g->out = out != NULL ? out : &g->nowhere;
    wf_strand_set(&g->core.strand, WF_GEN_RUNNING);
    return wf_generator_start(&g->core, &caller.self->stack, enter, NULL);
}

/* It is neither new nor suspended. */
static int refuse(const weft_gen *g)
{
    if (g == NULL)
        return -EINVAL;
    return wf_strand_state(&g->core.strand) == WF_GEN_DONE ? 0 : -EDEADLK;
}

WF_INLINE bool is_suspended(const weft_gen *g)
{
    return g != NULL && wf_strand_state(&g->core.strand) == WF_GEN_SUSPENDED;
}

static WF_SLOW int send_slowly(weft_gen *g, void *in, void **out)
{
    if (is_suspended(g))
        return go_on_slowly(g, WF_GEN_RUNNING, in, 0, out);
    if (g == NULL || wf_strand_state(&g->core.strand) != WF_GEN_NEW)
        return refuse(g);
    return in == NULL ? start(g, out) : -EINVAL;
}

WF_INLINE int resume(weft_gen *g, void *in, void **out)
{
    wf_coro *self = simple_caller();
    if (wf_likely(self != NULL && is_suspended(g)))
        return go_on(g, self, WF_GEN_RUNNING, in, 0, out);
    return send_slowly(g, in, out);
}

int weft_gen_next(weft_gen *g, void **out)
{
    return resume(g, NULL, out);
}

int weft_gen_send(weft_gen *g, void *in, void **out)
{
    return resume(g, in, out);
}

/* It never runs. */
static int end_unstarted(weft_gen *g, int error)
{
    g->failed = error == WEFT_GEN_DONE ? -EPROTO : error;
    wf_strand_set(&g->core.strand, WF_GEN_DONE);
    return g->failed;
}

int weft_gen_throw(weft_gen *g, int error, void **out)
{
    if (g == NULL || error >= 0)
        return -EINVAL;
    switch (wf_strand_state(&g->core.strand)) {
    case WF_GEN_NEW:
        return end_unstarted(g, error);
    case WF_GEN_SUSPENDED:
        return go_on_slowly(g, WF_GEN_RUNNING, NULL, error, out);
    case WF_GEN_DONE:
        return error;
    default:
        return -EDEADLK;
    }
}

int weft_gen_close(weft_gen *g)
{
    if (is_suspended(g))
        return go_on_slowly(g, WF_GEN_CLOSING, NULL, -ECANCELED, NULL);
    if (g != NULL && wf_strand_state(&g->core.strand) == WF_GEN_NEW)
        return end_unstarted(g, 0);
    return refuse(g);
}

int weft_gen_result(weft_gen *g, void **result)
{
    if (g == NULL)
        return -EINVAL;
    if (wf_strand_state(&g->core.strand) != WF_GEN_DONE)
        return -EAGAIN;
    if (result != NULL)
        *result = g->result;
    return g->failed;
}

int weft_gen_free(weft_gen *g)
{
    if (g == NULL)
        return 0;
    int error = weft_gen_close(g);
    if (wf_strand_state(&g->core.strand) != WF_GEN_DONE)
        return error == -ENOMEM ? error : -EBUSY;
    wf_free(g);
    return 0;
}

/* ---- inside a body ---- */

/* The strand on whose stack it is; NULL: it is on its own. */
WF_INLINE wf_strand *strand_of(const wf_coro *self)
{
    return self->stack != NULL ? self->stack->strand : NULL;
}

static weft_gen *generator_of(wf_strand *strand)
{
    return wf_container_of(strand, weft_gen, core.strand);
}

/* The generator whose body calls, NULL: none. */
static weft_gen *running_here(void)
{
    wf_coro *self = wf_self_fast();
    wf_strand *strand = self != NULL ? strand_of(self) : NULL;
    uint32_t state = strand != NULL ? wf_strand_state(strand) : WF_STRAND_NONE;
    return state == WF_GEN_RUNNING || state == WF_GEN_CLOSING ? generator_of(strand) : NULL;
}

WF_INLINE void *suspend(weft_gen *g, wf_coro *self, void *value, intptr_t status)
{
    *g->out = value;
    wf_strand_set(&g->core.strand, WF_GEN_SUSPENDED);
    return wf_generator_suspend(&g->core, &self->stack, (void *)status);
}

static WF_SLOW void *yield_slowly(void *value)
{
    wf_caller caller = wf_caller_now();
    weft_gen *g = running_here();
    if (g == NULL) {
        wf_set_last_error(-EPERM);
        return NULL;
    }
    wf_forks_switch(caller.worker, caller.self);
    if (wf_strand_state(&g->core.strand) == WF_GEN_CLOSING)
        return suspend(g, caller.self, NULL, -EBUSY);
    return suspend(g, caller.self, value, 1);
}

void *weft_gen_yield(void *value)
{
    wf_coro *self = simple_caller();
    wf_strand *strand = self != NULL ? strand_of(self) : NULL;
    if (wf_likely(strand != NULL && wf_strand_state(strand) == WF_GEN_RUNNING))
        return suspend(generator_of(strand), self, value, 1);
    return yield_slowly(value);
}

int weft_gen_error(void)
{
    weft_gen *g = running_here();
    if (g == NULL)
        return -EPERM;
    g->unseen = 0;
    return g->thrown;
}

int weft_gen_set_error(int error)
{
    if (error > 0)
        return -EINVAL;
    weft_gen *g = running_here();
    if (g == NULL)
        return -EPERM;
    g->failed = error;
    g->decided = true;
    return 0;
}

/* What came out of the last yield goes on to sub. */
static int pass_on(weft_gen *sub, void *sent, void **value)
{
    int error = weft_gen_error();
    if (error == 0)
        return weft_gen_send(sub, sent, value);
    if (error != -ECANCELED)
        return weft_gen_throw(sub, error, value);
    error = weft_gen_close(sub);
    return error != 0 ? error : -ECANCELED;
}

int weft_gen_from(weft_gen *sub, void **result)
{
    if (running_here() == NULL)
        return -EPERM;
    void *value = NULL;
    int status = weft_gen_next(sub, &value);
    while (status == 1)
        status = pass_on(sub, weft_gen_yield(value), &value);
    if (status == 0)
        return weft_gen_result(sub, result);
    weft_gen *g = running_here();
    g->thrown = status;
    g->unseen = status;
    return status;
}
