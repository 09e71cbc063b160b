/* Spawning, the body of every coroutine, and its end.
 *
 *   weft_spawn     take a control block (no stack yet) -> NEW -> own run queue, or the shared queue from a plain thread
 *   worker         takes it from a queue -> RUNNING -> binds a stack -> switches (sched/queue.c, sched/switch.c)
 *   wf_coro_run    calls the body, then: cleanups, locals, the argument's destructor, DONE, joiners; picks the next to run.
 *                  When that one has not started yet it takes over this very stack, without a switch
 *   wf_coro_retire on the next one's stack: recycles the stack, gives up the coroutine's own reference
 */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/fiber.h"
#include "sched/forks.h"
#include "sched/life.h"
#include "sched/ready.h"
#include "sched/state.h"
#include "sched/suspend.h"
#include "sched/task.h"
#include "sched/worker.h"

/* ---- spawning ---- */

void wf_set_last_error(int error)
{
    wf_coro *self = wf_self();
    if (self != NULL)
        self->last_error = (int16_t)error;
}

int weft_last_error(void)
{
    wf_coro *self = wf_self();
    return self != NULL ? self->last_error : -ENOMEM;
}

/* Count a coroutine of a plain thread in, if the runtime takes it; a coroutine may also spawn while it drains. Counted
 * before the phase is read: weft_stop sets the phase and then reads the counts, so that it waits for whatever got in. */
static int admit_foreign(void)
{
    for (;;) {
        wf_runtime_count_spawned(NULL, 1);
        /* ORDER(phase): store-load pair with weft_stop; acquire what weft_start set up. */
        uint32_t phase = wf_load_seq_cst(&wf_rt.phase);
        if (phase == WF_RUNTIME_ON)
            return 0;
        wf_runtime_count_spawned(NULL, -1);
        if (phase != WF_RUNTIME_OFF && phase != WF_RUNTIME_STARTING)
            return -ESHUTDOWN;
        int error = wf_runtime_ensure();
        if (error != 0)
            return error;
    }
}

static int admit(wf_worker *worker)
{
    if (worker == NULL)
        return admit_foreign();
    wf_count(&worker->spawned, 1);
    /* relaxed: whoever spawns is alive itself, so weft_stop waits for it, and then finds this one counted. */
    if (wf_load_relaxed(&wf_rt.phase) <= WF_RUNTIME_DRAINING)
        return 0;
    wf_count(&worker->spawned, (uint64_t)-1);
    return -ESHUTDOWN;
}

/* Options that need the cold part of the block. */
static int apply_options(wf_coro *coro, const weft_spawn_options *options)
{
    if (options->pinned)
        coro->pins = 1;
    if (options->secret)
        coro->flags |= WF_CORO_SECRET;
    if (options->name == NULL && !options->fpenv && options->cleanup == NULL)
        return 0;
    wf_coro_extra *extra = wf_coro_extra_get(coro);
    if (extra == NULL)
        return -ENOMEM;
    if (options->name != NULL)
        strncpy(extra->name, options->name, sizeof(extra->name) - 1);
    if (options->fpenv)
        coro->flags |= WF_CORO_FPENV;
    extra->cleanup_arg = options->cleanup;
    return 0;
}

/* NEW and delayed: it waits, without a stack, for its timer or a kill. The timer is armed first, because from the commit on the
 * coroutine may run, end and be recycled; should it fire before the commit, it looks again a little later. */
static void start_later(wf_worker *self, wf_coro *coro, int64_t delay)
{
    int64_t now = wf_clock_now();
    /* relaxed, both: for weft_dump. */
    wf_store_relaxed(&coro->wait_since_ms, (uint32_t)(now / WEFT_MILLISECOND));
    wf_store_relaxed(&coro->wait_kind, WF_WAIT_SLEEP);
    coro->wake_value = 0;
    wf_timer_arm(coro, weft_after(delay));
    wf_state_dispatch(coro);
    /* A weft_stop that kills everything may have killed it already. */
    if (wf_state_commit_wait(coro, WF_STATE_KILLABLE | WF_STATE_TIMED) == WF_COMMIT_KILLED)
        wf_queue_put(self, coro, false);
}

/* NEW, of a worker's or the pool's blocks; NULL: no memory. */
WF_INLINE wf_coro *make(wf_worker *worker, weft_fn *fn, void *arg, unsigned refs, void *site)
{
    wf_coro *coro = wf_coro_new(worker, refs);
    if (wf_unlikely(coro == NULL))
        return NULL;
    coro->fn = fn;
    wf_store_relaxed(&coro->arg, arg); /* relaxed: the queue publishes it */
    coro->spawn_site = site;
    coro->stack_class = (uint8_t)wf_rt.default_class;
    return coro;
}

WF_SLOW weft_t *wf_spawn_refuse(int error)
{
    wf_set_last_error(error);
    return NULL;
}

void wf_spawn_undo(wf_worker *worker, wf_coro *coro)
{
    wf_tree_leave(coro);
    wf_coro_free(worker, coro);
    wf_runtime_count_spawned(worker, -1);
}

/* With what of it belongs to others: options, and what is inherited. */
static int equip(wf_coro *coro, const weft_spawn_options *options)
{
    if (options->stack_size != 0)
        coro->stack_class = (uint8_t)wf_stack_class(options->stack_size);
    int error = apply_options(coro, options);
    /* relaxed: a hook that is just being set may miss it. */
    if (error == 0 && (wf_load_relaxed(&wf_rt.gate) & WF_GATE_WATCHED))
        error = wf_tree_adopt(coro);
    return error;
}

wf_coro *wf_spawn_prepare(wf_worker *worker, const weft_spawn_options *options, weft_fn *fn, void *arg, unsigned refs,
                          void *site, int *error)
{
    static const weft_spawn_options none;
    if (options == NULL)
        options = &none;
    *error = -EINVAL;
    if (fn == NULL || options->start_after < 0 || options->stack_size > WF_STACK_SIZE_MAX)
        return NULL;
    *error = admit(worker);
    if (*error != 0)
        return NULL;
    wf_coro *coro = make(worker, fn, arg, refs, site);
    if (coro == NULL) {
        wf_runtime_count_spawned(worker, -1);
        *error = -ENOMEM;
        return NULL;
    }
    *error = equip(coro, options);
    if (*error == 0)
        return coro;
    wf_spawn_undo(worker, coro);
    return NULL;
}

void wf_spawn_launch(wf_worker *worker, wf_coro *coro, int64_t start_after)
{
    /* relaxed: as in equip */
    if (wf_unlikely(wf_load_relaxed(&wf_rt.gate) & WF_GATE_WATCHED))
        wf_hooks_spawned(coro);
    if (start_after > 0)
        start_later(worker, coro, start_after);
    else if (worker != NULL)
        wf_ready_push(worker, coro);
    else
        wf_queue_put(NULL, coro, false);
}

/* The common case: by a coroutine, with nothing out of the ordinary. Else NULL, and it goes the long way. */
WF_INLINE wf_coro *make_simply(wf_worker *worker, weft_fn *fn, void *arg, unsigned refs, void *site)
{
    /* relaxed: whoever spawns is alive itself, so weft_stop waits for it, and then finds this one counted. */
    if (wf_unlikely(worker == NULL || fn == NULL || wf_load_relaxed(&wf_rt.gate) != 0))
        return NULL;
    wf_coro *coro = make(worker, fn, arg, refs, site);
    if (wf_likely(coro != NULL))
        wf_count(&worker->spawned, 1);
    return coro;
}

static WF_SLOW weft_t *spawn_slowly(wf_worker *worker, weft_fn *fn, void *arg, void *site)
{
    int error;
    wf_coro *coro = wf_spawn_prepare(worker, NULL, fn, arg, 1, site, &error);
    if (coro == NULL)
        return wf_spawn_refuse(error);
    weft_t *handle = wf_coro_handle(coro);
    wf_spawn_launch(worker, coro, 0);
    return handle;
}

static WF_SLOW int go_slowly(wf_worker *worker, weft_fn *fn, void *arg, void *site)
{
    int error;
    wf_coro *coro = wf_spawn_prepare(worker, NULL, fn, arg, 0, site, &error);
    if (coro != NULL)
        wf_spawn_launch(worker, coro, 0);
    return error;
}

weft_t *weft_spawn(weft_fn *fn, void *arg)
{
    wf_worker *worker = wf_worker_self();
    wf_coro *coro = make_simply(worker, fn, arg, 1, __builtin_return_address(0));
    if (wf_unlikely(coro == NULL))
        return spawn_slowly(worker, fn, arg, __builtin_return_address(0));
    weft_t *handle = wf_coro_handle(coro); /* before it is queued: it may end at once */
    wf_ready_push(worker, coro);
    return handle;
}

weft_t *weft_spawn_opt(const weft_spawn_options *options, weft_fn *fn, void *arg)
{
    int error;
    wf_worker *worker = wf_worker_self();
    wf_coro *coro = wf_spawn_prepare(worker, options, fn, arg, 1, __builtin_return_address(0), &error);
    if (coro == NULL) {
        if (options != NULL && options->cleanup != NULL)
            options->cleanup(arg);
        return wf_spawn_refuse(error);
    }
    weft_t *handle = wf_coro_handle(coro);
    wf_spawn_launch(worker, coro, options != NULL ? options->start_after : 0);
    return handle;
}

int weft_go(weft_fn *fn, void *arg)
{
    wf_worker *worker = wf_worker_self();
    wf_coro *coro = make_simply(worker, fn, arg, 0, __builtin_return_address(0));
    if (wf_unlikely(coro == NULL))
        return go_slowly(worker, fn, arg, __builtin_return_address(0));
    wf_ready_push(worker, coro);
    return 0;
}

/* ---- body and end ---- */

/* Pinning at the first run: to the worker that dispatched it. */
static void pin_if_asked(wf_coro *self)
{
    if (self->pins > 0)
        self->flags |= WF_CORO_PINNED;
}

/* Symmetric coroutines, cleanups, locals, tree locals; each may leave other kinds behind. */
static void run_out(wf_coro *self)
{
    while (self->extra->family != NULL || self->extra->cleanups != NULL || self->extra->locals != NULL ||
           self->extra->tree != NULL) {
        wf_family_end(self);
        wf_cleanup_run_all(self);
        wf_local_run_destructors(self);
        wf_tree_leave(self);
    }
}

/* After the body, or in its place: all that was to be run at the end. */
static void tidy_up(wf_coro *self, void *arg)
{
    run_out(self);
    if (self->extra->cleanup_arg != NULL) {
        self->extra->cleanup_arg(arg);
        run_out(self);
    }
}

/* It ends with an error: somebody has to hear of that. */
static void report(wf_coro *self)
{
    if (self->flags & WF_CORO_TASK)
        return; /* the results of tasks travel through their argument */
    wf_hooks_failed(self);
    if (self->extra != NULL)
        run_out(self);
}

/* It has what few have. */
static WF_SLOW void end_slowly(wf_coro *self, void *arg)
{
    if (self->extra != NULL)
        tidy_up(self, arg);
    if (self->error != 0)
        report(self);
    wf_forks_end(wf_worker_self(), self);
}

/* The body has returned, or was not to run: what comes before DONE. */
WF_INLINE void end(wf_coro *self, void *arg)
{
    wf_worker *worker = wf_worker_self();
    if (worker == NULL)
        wf_die("the child of a fork returned from the coroutine in which it was made; it must exec or _exit");
    wf_forks_end(worker, self);
    self->timeouts = NULL; /* one that the body forgot to stop was in a frame of it */
    self->shield = 1;      /* what follows may block */
    if (wf_unlikely(((uintptr_t)self->extra | (uint32_t)self->error) != 0))
        end_slowly(self, arg);
    wf_timer_disarm(self);
}

/* A task always runs, also in a coroutine that was killed. */
static WF_SLOW void run_task(wf_coro *self, void *arg)
{
    weft_task *task = wf_forks_run(arg);
    end(self, arg);
    wf_store_relaxed(&self->arg, NULL); /* relaxed: DONE publishes it */
    wf_join_publish(self);
    wf_task_publish(task); /* once it is counted as ended: whoever has synced all finds none alive */
}

void wf_coro_run(wf_coro *self)
{
    void *arg = wf_load_relaxed(&self->arg); /* relaxed: the queue published it */
    void *result = NULL;
    pin_if_asked(self);
    if (wf_unlikely(self->flags & WF_CORO_TASK)) {
        run_task(self, arg);
        return;
    }
    if (!wf_load_relaxed(&self->killed)) { /* relaxed: one not seen here ends its first blocking call */
        self->flags |= WF_CORO_STARTED;
        result = self->fn(arg);
    }
    end(self, arg);
    wf_store_relaxed(&self->arg, result); /* relaxed: DONE publishes it */
    wf_join_publish(self);
}

void wf_coro_retire(wf_worker *self, wf_coro *coro)
{
    wf_stack *stack = coro->stack;
    if (stack != NULL) {
        coro->stack = NULL;
        wf_fiber_unbind(stack->sanitizer);
        wf_stack_free(&self->stacks, stack, coro->flags & WF_CORO_SECRET);
    }
    if (wf_likely(wf_life_is_gone(coro)))
        wf_coro_recycle(self, coro);
    else
        wf_coro_release(self, coro);
}

/* ---- who am I ---- */

weft_t *weft_self(void)
{
    wf_coro *self = wf_self_coro();
    return self != NULL ? wf_coro_handle(self) : NULL;
}

uint64_t weft_id(weft_t *t)
{
    if (t == NULL)
        t = weft_self();
    return wf_coro_from_handle(t) != NULL ? (uint64_t)(uintptr_t)t : 0;
}

int weft_set_name(const char *name)
{
    wf_coro *self = wf_self_coro();
    if (self == NULL)
        return -EPERM;
    if (name == NULL)
        return -EINVAL;
    wf_coro_extra *extra = wf_coro_extra_get(self);
    if (extra == NULL)
        return -ENOMEM;
    memset(extra->name, 0, sizeof(extra->name));
    strncpy(extra->name, name, sizeof(extra->name) - 1);
    return 0;
}

int weft_name(weft_t *t, char *buffer, size_t size)
{
    wf_coro *coro = wf_coro_hold(t != NULL ? t : weft_self());
    if (coro == NULL)
        return -ESRCH;
    const char *name = wf_coro_name(coro);
    size_t length = strnlen(name, sizeof(coro->extra->name));
    int result = (int)length;
    if (buffer == NULL || size == 0) {
        result = -EINVAL;
    } else {
        size_t cut = length < size ? length : size - 1;
        memcpy(buffer, name, cut);
        buffer[cut] = '\0';
    }
    wf_coro_release(wf_worker_self(), coro);
    return result;
}

int weft_pin(void)
{
    wf_coro *self = wf_self_coro();
    if (self == NULL)
        return -EPERM;
    if (self->pins == UINT8_MAX)
        return -EOVERFLOW;
    self->pins++;
    pin_if_asked(self);
    return 0;
}

int weft_unpin(void)
{
    wf_coro *self = wf_self_coro();
    if (self == NULL)
        return -EPERM;
    if (self->pins == 0)
        return -EINVAL;
    if (--self->pins == 0)
        self->flags &= (uint8_t)~WF_CORO_PINNED;
    return 0;
}

int weft_set_error(int error)
{
    wf_coro *self = wf_self_coro();
    if (self == NULL)
        return -EPERM;
    if (error > 0)
        return -EINVAL;
    self->error = error;
    return 0;
}
