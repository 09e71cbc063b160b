/* sched/suspend.c and what it stands on, for models of the objects that coroutines wait on. Included once, by the model,
 * before the shipped source of the object.
 *
 * Each model thread is one coroutine and the worker that runs it, and none of them finds a worker: wf_self asks for the
 * block of a plain thread and gets coros[the thread's index]
 * (the timers need a worker and give themselves one). Leaving is the commit step of sched/switch.c; what stands
 * between being queued and the next dispatch is a semaphore. Those who end waits from outside, kill and timer, are
 * model threads of their own.
 *
 * Found besides what a model checks itself: a coroutine that is queued twice or before its registers are saved; races
 * on the lists of waiters.
 */
#ifndef WF_MODEL_SUSPEND_H
#define WF_MODEL_SUSPEND_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_futex.h"
#include "model_list.h"

#include "model_simple_biased.h"

#include "sched/suspend.c"

enum {
    PASSED = 5,
    NOW = 10,
    LATER = 20
}; /* times: deadlines that a timer finds over, the present, those it does not */

static int coroutines; /* of this scenario */
static wf_coro coros[MC_THREADS] __attribute__((aligned(64)));
static mc_semaphore queued[MC_THREADS];    /* it was made ready by somebody else */
static int registers[MC_THREADS];          /* stand for what a switch saves */
static int times_queued[MC_THREADS];       /* since it was dispatched last: never more than once */
static int waits[MC_THREADS];              /* begun since the model set it to zero */
static wf_worker *workers[MC_THREADS + 1]; /* on which the thread is; NULL unless the model says otherwise */
static void (*when_parked)(int coro);      /* called once its wait is committed, if the model wants to know */
static int64_t clock_ns;                   /* goes on by clock_step with each look at it */
static int64_t clock_step;

/* For scenarios in which nobody looks at it: what sched/suspend.c writes down for weft_dump; deadlines; kills. */
#define HIDE(field) hide_field(offsetof(wf_coro, field), sizeof coros[0].field)

static inline void hide_field(size_t offset, size_t size)
{
    for (int i = 0; i < coroutines; i++)
        mc_quiet((char *)&coros[i] + offset, size);
}

static void setup_coroutines(int count)
{
    memset(coros, 0, sizeof coros);
    memset(queued, 0, sizeof queued);
    memset(registers, 0, sizeof registers);
    memset(times_queued, 0, sizeof times_queued);
    memset(waits, 0, sizeof waits);
    memset(workers, 0, sizeof workers);
    when_parked = NULL;
    clock_ns = 0;
    clock_step = 0;
    coroutines = count;
    for (int i = 0; i < count; i++) {
        coros[i].state = wf_state_make(7, WF_PHASE_RUNNING);
        coros[i].deadline = WEFT_NEVER;
    }
    HIDE(wait_kind);
}

static int index_of(const wf_coro *coro)
{
    return (int)(coro - coros);
}

/* ---- what sched/suspend.c calls ---- */

wf_worker *wf_worker_self(void)
{
    return workers[mc_self()];
}

wf_coro *wf_thread_self(void)
{
    return &coros[mc_self()];
}

void wf_queue_put(wf_worker *self, wf_coro *coro, bool next)
{
    (void)self;
    (void)next;
    mc_check(++times_queued[index_of(coro)] == 1);
    (void)wf_plain_read(&registers[index_of(coro)]);
    wf_plain_write(&coro->wake_value, coro->wake_value);
    mc_post(&queued[index_of(coro)]);
}

/* What the fast path of queueing on a worker would call: none of the models gets there. */
void wf_queue_put_surplus(wf_worker *self, wf_coro *coro)
{
    (void)self;
    (void)coro;
    mc_check(!"nothing is queued on a worker");
}

void wf_localq_wait(wf_localq *q)
{
    (void)q;
    mc_check(!"nobody robs a worker");
}

/* The commit step, as in sched/switch.c, then the wait itself. */
void wf_leave_to_wait(wf_coro *self, unsigned bits, wf_held held)
{
    int i = index_of(self);
    waits[i]++;
    wf_plain_write(&registers[i], waits[i]);
    wf_plain_write(&self->wake_value, self->wake_value);
    enum wf_commit result;
    if (wf_held_is_all(held))
        result = wf_state_commit_locked(self, bits);
    else
        result = wf_state_commit_wait(self, bits);
    if (held != 0)
        wf_held_release(held);
    if (result == WF_COMMIT_KILLED)
        self->wake_value = -ECANCELED;
    if (result == WF_COMMIT_PARKED) {
        if (when_parked != NULL)
            when_parked(i);
        mc_wait(&queued[i]);
        mc_check(--times_queued[i] == 0);
        (void)wf_plain_read(&self->wake_value);
    }
    wf_state_dispatch(self);
}

void wf_thread_wait(wf_coro *self, unsigned bits, wf_held held)
{
    (void)self;
    (void)bits;
    (void)held;
    mc_check(!"a model has no plain threads");
}

int64_t wf_clock_now(void)
{
    return clock_ns;
}

/* sched/clock.c */
int64_t weft_now(void)
{
    return clock_ns += clock_step;
}

int64_t wf_timeout_effective(wf_coro *self, int64_t deadline)
{
    (void)self;
    return deadline;
}

bool wf_timeout_mark_fired(wf_coro *self, int64_t deadline)
{
    (void)self;
    (void)deadline;
    return false;
}

/* ---- those who end waits from outside ---- */

#ifndef MODEL_REAL_TIMER
/* The timer is a thread that calls expire; it was filed when the world began. */
void wf_timer_arm(wf_coro *coro, int64_t when_ns)
{
    /* ORDER(timer-deadline): pairs with expire. */
    wf_store_seq_cst(&coro->deadline, when_ns);
}

/* As sched/timer.c does it: the state first, then the deadline, then the claim of that very state. */
static inline void expire(wf_coro *coro)
{
    uint64_t state = wf_load_acquire(&coro->state);
    if (wf_load_seq_cst(&coro->deadline) > NOW || !wf_state_expire(coro, state))
        return;
    coro->wake_value = -ETIMEDOUT;
    wf_queue_put(NULL, coro, false);
}
#endif

/* As the kill of many does it, without the first look that spares wf_state_kill a fence. */
static inline void kill_coroutine(wf_coro *coro)
{
    wf_state_mark_killed(coro);
    wf_fence_heavy(); /* ORDER(state-kill): as wf_state_kill */
    if (wf_state_claim_killable(coro))
        wf_ready_fifo(coro, -ECANCELED);
}

/* Without the fence, where a kill that is missed does no harm: that none is missed is shown elsewhere. */
static inline void kill_or_miss(wf_coro *coro)
{
    wf_state_mark_killed(coro);
    if (wf_state_claim_killable(coro))
        wf_ready_fifo(coro, -ECANCELED);
}

/* Everybody has come back, and nobody was queued once too often. */
static void check_nobody_waits(void)
{
    for (int i = 0; i < coroutines; i++) {
        mc_check(times_queued[i] == 0 && !mc_try_wait(&queued[i]));
        unsigned phase = wf_state_phase(wf_load_relaxed(&coros[i].state));
        mc_check(phase == WF_PHASE_RUNNING || phase == WF_PHASE_DONE || phase == WF_PHASE_FREE);
        mc_check(!wf_list_is_linked(&coros[i].wait_node));
    }
}

#endif
