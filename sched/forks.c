/* Fork and sync: everything but the fast paths, which stand in include/weft/fork.h.
 *
 * A worker has one deque (core/split_deque.h), and it holds tasks of the coroutine that the worker runs, and of no other:
 *
 *   open   at the first fork of a coroutine since it was dispatched (open_for); wf_worker.forking says so
 *   close  when it leaves (wf_forks_let_go) or ends (wf_forks_check_end)
 *
 * So a task's state tells where it is without asking whose deque that was. What has left the deque is counted in the coroutine's
 * stack (wf_stack.forks): tasks taken, moved or kept, and not synced. Together
 *
 *     (bottom - slots) + stack->forks  =  forked - synced
 *
 * at every moment; stack->forks falls below zero for as long as the deque has not been reset since a steal. It counts modulo
 * 2^16, which does for telling whether all were synced.
 *
 * When to expose. Nothing with one worker. Else the slow path of a fork is entered at the first fork, at the one after a task was
 * stolen, whenever there are twice as many as at the last time, and when a thief asks; a sync answers requests too. Unless
 * something is public already, half of the private part is exposed then, also where nobody is idle: a coroutine that
 * goes on to compute for long does not look again. An idle worker is woken (sched/idle.h).
 */
#include "sched/forks.h"

#include <assert.h>
#include <errno.h>

#include "sched/dump.h"
#include "sched/suspend.h"
#include "sched/task.h"

enum {
    STACK_RESERVE = 16 << 10, /* below this a task gets a stack of its own; or half of a small stack */
    PLENTY = WF_SPLIT_SIZE,
};

static_assert(offsetof(struct weft_fork_queue, bottom) == offsetof(wf_split, bottom), "the public face of the deque");
static_assert(offsetof(struct weft_fork_queue, stack_low) == offsetof(wf_split, aside), "as above");
static_assert(offsetof(struct weft_fork_queue, limit) == offsetof(wf_split, limit), "as above");
static_assert(sizeof(wf_split_slot) == sizeof(void *), "a slot is an address");

/* ---- whose deque ---- */

/* Of plain threads: always full, and no task is in the slot below bottom. */
static void *no_slots[1];
static struct weft_fork_queue no_forks = {.bottom = no_slots + 1};

/* Named in the assembly of the header alone, hence `used`. */
__attribute__((used)) __thread struct weft_fork_queue *weft_forks __attribute__((tls_model("initial-exec"))) =
    &no_forks;

void wf_forks_enter(wf_worker *self)
{
    weft_forks = self != NULL ? (struct weft_fork_queue *)(void *)&self->forks : &no_forks;
}

void wf_forks_init(wf_worker *worker)
{
    wf_split_init(&worker->forks);
}

/* The running coroutine; NULL: a plain thread, or the worker's own stack. */
static wf_coro *running(wf_worker *self)
{
    return self != NULL ? wf_load_relaxed(&self->current) : NULL; /* relaxed: this thread wrote it */
}

/* ---- counting ---- */

/* So many tasks left the deque, or were never in it. */
static void owe(wf_coro *coro, uint32_t count)
{
    if (coro == NULL || count == 0)
        return;
    coro->stack->forks = (uint16_t)(coro->stack->forks + count);
    coro->flags |= WF_CORO_FORKED;
}

/* One of them was synced. */
static void settle(wf_coro *coro)
{
    if (coro != NULL)
        coro->stack->forks--;
}

static uint16_t unsynced(wf_worker *self, wf_coro *coro)
{
    size_t in_deque = self->forking ? (size_t)(self->forks.bottom - self->forks.slots) : 0;
    return (uint16_t)(coro->stack->forks + in_deque);
}

static _Noreturn void die_unsynced(wf_coro *coro, const char *where, uint16_t count)
{
    char id[WF_CORO_ID_TEXT];
    wf_die("coroutine %s \"%s\": %s ended without weft_sync of %u task(s) that it forked; they may still use its "
           "frames. Sync each "
           "before the function that forked it returns",
           wf_coro_format_id((uint64_t)(uintptr_t)wf_coro_handle(coro), id), wf_coro_name(coro), where, count);
}

/* ---- the deque ---- */

static weft_task *task_in(wf_split_slot *slot)
{
    weft_task *task = wf_load_relaxed(slot); /* relaxed: the owner wrote it */
    if (wf_task_state(task) != (uintptr_t)slot)
        wf_die("task %p was forked again, or its memory used for something else, before its weft_sync", (void *)task);
    return task;
}

/* For a coroutine that was just dispatched, or has not forked since. */
static void open_for(wf_worker *self, wf_coro *coro)
{
    wf_stack *stack = coro->stack;
    size_t usable = (size_t)(stack->top - stack->base) - stack->guard_size;
    size_t reserve = usable / 2 < STACK_RESERVE ? usable / 2 : STACK_RESERVE;
    self->forks.aside = (uintptr_t)stack->base + stack->guard_size + reserve;
    self->forking = true;
}

/* What a coroutine inherits that runs a task of this one. */
static uintptr_t seed_of(const wf_coro *coro)
{
    uintptr_t secret = coro->flags & WF_CORO_SECRET ? WF_TASK_SEED_SECRET : 0;
    return (uintptr_t)coro->stack_class << WF_TASK_SEED_CLASS_SHIFT | secret;
}

static void expose(wf_worker *self, uint32_t count)
{
    wf_split *d = &self->forks;
    uintptr_t seed = seed_of(running(self));
    for (uint32_t i = 0; i < count; i++)
        wf_task_offer(task_in(d->split + i), seed);
    wf_split_expose(d, count);
    wf_count(&self->forks_exposed, count);
}

/* False: nothing was left. */
static bool take_back(wf_worker *self, uint32_t count)
{
    wf_split *d = &self->forks;
    uint32_t back = wf_split_take_back(d, count);
    for (uint32_t i = 0; i < back; i++) {
        weft_task *task = wf_load_relaxed(&d->split[i]); /* relaxed: the owner wrote it */
        wf_task_set(task, (uintptr_t)&d->split[i]);
    }
    return back > 0;
}

/* Set a new limit, see who wants something, and give it to them. */
static void serve(wf_worker *self)
{
    wf_split *d = &self->forks;
    size_t depth = (size_t)(d->bottom - d->slots);
    if (wf_rt.count == 1)
        depth = PLENTY;
    wf_split_open(d, 2 * depth < PLENTY ? 2 * depth : PLENTY);
    uint32_t private = wf_split_private(d);
    if (wf_rt.count == 1 || private == 0)
        return;
    if (wf_split_public(d) == 0)
        expose(self, (private + 1) / 2);
    wf_queue_wake_one(self);
}

/* All that is in it was stolen: begin again, and offer the next one at once. */
static void reset_if_stolen(wf_worker *self, wf_coro *coro)
{
    wf_split *d = &self->forks;
    if (self->forking && d->bottom != d->slots && wf_split_private(d) == 0 && wf_split_public(d) == 0) {
        owe(coro, wf_split_reset(d));
        wf_split_open(d, 0);
    }
}

/* It is full. If much of it was stolen, move what is left down. False: it is still full. */
static bool make_room(wf_worker *self, wf_coro *coro)
{
    wf_split *d = &self->forks;
    if (d->split - d->slots - wf_split_public(d) < WF_SPLIT_SIZE / 4)
        return false;
    take_back(self, WF_SPLIT_SIZE);
    wf_split_slot *from = d->split;
    uint32_t left = wf_split_private(d);
    owe(coro, wf_split_reset(d));
    for (uint32_t i = 0; i < left; i++) {
        weft_task *task = wf_load_relaxed(&from[i]); /* relaxed: the owner wrote it */
        wf_task_set(task, (uintptr_t)wf_split_put(d, task));
    }
    return true;
}

/* ---- tasks with coroutines of their own ---- */

static wf_coro *new_child(wf_worker *self)
{
    wf_coro *child = wf_coro_new(self, 0);
    if (child != NULL)
        child->flags = WF_CORO_TASK;
    return child;
}

/* The child is for this task, which is AWAY and nobody else's. The parent lives, so weft_stop waits for it, and for the child from
 * here on. */
static void adopt(wf_worker *self, wf_coro *child, weft_task *task)
{
    wf_runtime_count_spawned(self, 1);
    child->fn = task->fn;
    wf_store_relaxed(&child->arg, task);                 /* relaxed: the queue publishes it */
    child->spawn_site = (char *)(uintptr_t)task->fn + 1; /* taken for a return address: it names fn */
    uintptr_t seed = wf_task_name_child(task, (uintptr_t)wf_coro_handle(child));
    child->stack_class = (uint8_t)(seed >> WF_TASK_SEED_CLASS_SHIFT);
    if (seed & WF_TASK_SEED_SECRET)
        child->flags |= WF_CORO_SECRET;
    if (seed & WF_TASK_SEED_KILL)
        wf_state_kill(child);
}

/* Queue a task of the running coroutine as a coroutine; where there is no memory for one it is kept. */
static void move_out(wf_worker *self, wf_coro *coro, weft_task *task)
{
    wf_coro *child = new_child(self);
    owe(coro, 1);
    if (child == NULL) {
        wf_task_set(task, WF_TASK_KEPT);
        return;
    }
    wf_task_offer(task, seed_of(coro));
    adopt(self, child, task);
    wf_queue_put_quiet(self, child);
    wf_count(&self->forks_moved, 1);
}

void *wf_forks_run(void *arg)
{
    weft_task *task = arg;
    task->fn(task->arg);
    return task;
}

static wf_coro *steal_from(wf_worker *self, wf_worker *victim)
{
    wf_coro *child = new_child(self); /* first: a task that is taken has to be run */
    if (child == NULL)
        return NULL;
    weft_task *task = wf_split_steal(&victim->forks);
    if (task == NULL) {
        wf_coro_release(self, child);
        return NULL;
    }
    adopt(self, child, task);
    wf_count(&self->forks_stolen, 1);
    return child;
}

wf_coro *wf_forks_steal(wf_worker *self)
{
    for (unsigned i = 0; i < wf_rt.count - 1; i++) {
        wf_worker *victim = wf_rt.workers[self->victims[i]];
        wf_coro *child = wf_split_public(&victim->forks) != 0 ? steal_from(self, victim) : NULL;
        if (child != NULL) {
            wf_count(&self->looks, i + 1);
            wf_count_taken(self, i);
            return child;
        }
        wf_split_ask(&victim->forks);
    }
    wf_count(&self->looks, wf_rt.count - 1);
    return NULL;
}

bool wf_forks_wanted(wf_worker *self)
{
    for (unsigned i = 0; i < wf_rt.count; i++) {
        wf_split *d = &wf_rt.workers[i]->forks;
        if (wf_rt.workers[i] == self)
            continue;
        if (wf_split_public(d) != 0)
            return true;
        wf_split_ask(d); /* behind the fence of wf_idle_enter or wf_idle_end_search */
    }
    return false;
}

/* ---- leaving and ending ---- */

static void move_all_out(wf_worker *self, wf_coro *coro)
{
    wf_split *d = &self->forks;
    self->forking = false;
    wf_split_close(d);
    if (d->bottom == d->slots)
        return;
    take_back(self, WF_SPLIT_SIZE);
    for (wf_split_slot *slot = d->split; slot != d->bottom; slot++)
        move_out(self, coro, task_in(slot));
    owe(coro, wf_split_reset(d));
}

void wf_forks_move_out_and_wake(wf_worker *self, wf_coro *coro)
{
    bool any = self->forks.bottom != self->forks.slots;
    move_all_out(self, coro);
    if (any)
        wf_queue_wake_one(self);
}

void wf_forks_check_strand(wf_worker *self, wf_coro *coro, const char *whose)
{
    uint16_t left = unsynced(self, coro);
    if (left != 0)
        die_unsynced(coro, whose, left);
    move_all_out(self, coro);
}

void wf_forks_let_go(wf_worker *self, wf_coro *coro)
{
    if (self->fixed > 0)
        wf_no_switch_die(self, coro, false);
    if (self->forking)
        move_all_out(self, coro);
}

void wf_forks_check_end(wf_worker *self, wf_coro *coro)
{
    if (self->fixed > 0)
        wf_no_switch_die(self, coro, true);
    uint16_t left = unsynced(self, coro);
    if (left != 0)
        die_unsynced(coro, "its body", left);
    move_all_out(self, coro); /* nothing to move: all were stolen, and synced */
    coro->flags &= (uint8_t)~WF_CORO_FORKED;
}

void wf_forks_forget(void)
{
    wf_worker *self = wf_worker_self();
    if (self != NULL && self->forking) {
        wf_split *d = &self->forks;
        take_back(self, WF_SPLIT_SIZE);
        for (wf_split_slot *slot = d->split; slot != d->bottom; slot++)
            wf_task_set(task_in(slot), WF_TASK_KEPT);
    }
    wf_forks_enter(NULL);
}

/* ---- fork ---- */

/* As a plain call, on the caller's stack. Afterwards the coroutine may be on another worker; and where the task yielded for a
 * generator, another coroutine, or a plain thread, may be on this stack. */
static void call(wf_worker *self, wf_coro *coro, weft_task *task)
{
    uint16_t before = coro != NULL ? unsynced(self, coro) : 0;
    task->fn(task->arg);
    self = wf_worker_self();
    wf_coro *after = running(self);
    if (coro == NULL || after == NULL)
        return;
    uint16_t left = (uint16_t)(unsynced(self, after) - before);
    if (left != 0)
        die_unsynced(after, "a task", left);
}

int weft_fork_slow(weft_task *task, weft_fn *fn, void *arg)
{
    if (task == NULL || fn == NULL)
        return -EINVAL;
    wf_worker *self = wf_worker_self();
    wf_coro *coro = running(self);
    task->fn = fn;
    task->arg = arg;
    if (coro == NULL || (coro->flags & WF_CORO_FPENV)) {
        wf_task_set(task, WF_TASK_KEPT);
        owe(coro, 1);
        return 0;
    }
    if (!self->forking)
        open_for(self, coro);
    if ((uintptr_t)__builtin_frame_address(0) < self->forks.aside) {
        move_out(self, coro, task);
    } else if (wf_split_is_full(&self->forks) && !make_room(self, coro)) {
        owe(coro, 1);
        wf_task_set(task, WF_TASK_ENDED);
        if (wf_split_is_asked(&self->forks))
            serve(self);
        call(self, coro, task);
    } else {
        wf_task_set(task, (uintptr_t)wf_split_put(&self->forks, task));
        /* Without WEFT_FORK_OUT_OF_LINE always so. */
        if (!wf_split_is_within(&self->forks))
            serve(self);
    }
    return 0;
}

/* ---- sync ---- */

/* It left the deque, or may have done. */
static int sync_away(weft_task *task)
{
    wf_worker *self = wf_worker_self();
    wf_coro *coro = running(self);
    if (coro == NULL)
        return -EINVAL;
    if (self->forking && take_back(self, (wf_split_public(&self->forks) + 1) / 2))
        return weft_sync_slow(task);
    int result = wf_task_wait_for(task, coro);
    settle(coro);
    wf_task_set(task, WF_TASK_NONE);
    reset_if_stolen(wf_worker_self(), coro);
    return result;
}

/* Take it out of the deque and run it; newer ones move down. */
static int sync_queued(weft_task *task, wf_split_slot *slot)
{
    wf_worker *self = wf_worker_self();
    wf_coro *coro = running(self);
    if (coro == NULL || !self->forking || !wf_split_holds(&self->forks, slot, task))
        return -EINVAL;
    wf_split_slot *last = --self->forks.bottom;
    for (; slot != last; slot++) {
        weft_task *newer = task_in(slot + 1);
        wf_store_relaxed(slot, newer); /* relaxed: wf_split_expose publishes it */
        wf_task_set(newer, (uintptr_t)slot);
    }
    wf_task_set(task, WF_TASK_NONE);
    if (wf_split_is_asked(&self->forks))
        serve(self);
    call(self, coro, task);
    return 0;
}

static int sync_kept(weft_task *task)
{
    wf_worker *self = wf_worker_self();
    wf_coro *coro = running(self);
    wf_task_set(task, WF_TASK_NONE);
    settle(coro);
    call(self, coro, task);
    return 0;
}

static int sync_ended(weft_task *task)
{
    wf_worker *self = wf_worker_self();
    wf_coro *coro = running(self);
    wf_task_set(task, WF_TASK_NONE);
    settle(coro);
    if (coro != NULL)
        reset_if_stolen(self, coro);
    return 0;
}

int weft_sync_slow(weft_task *task)
{
    uintptr_t state = task != NULL ? wf_task_state(task) : WF_TASK_NONE;
    switch (state & WF_TASK_KIND) {
    case WF_TASK_NONE:
        return state != 0 ? sync_queued(task, (wf_split_slot *)state) : -EINVAL;
    case WF_TASK_AWAY:
        return sync_away(task);
    case WF_TASK_KEPT:
        return sync_kept(task);
    case WF_TASK_ENDED:
        return sync_ended(task);
    default: /* somebody waits for it already */
        return -EINVAL;
    }
}
