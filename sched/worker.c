/* The worker's thread: run what is runnable, look for more, park; and how others wake it.
 *
 *   enter   signals blocked, alternate signal stack, pinned to its CPU if asked; enables its event source
 *   loop    own queues -> search -> park
 *   park    announce (sched/idle.h), look once more, sleep in the event source if anything is in flight there, else in a futex;
 *           in both cases no longer than until the next timer
 *   leave   when the runtime stops: nothing is left to run by then
 */
#include "sched/worker.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/fiber.h"
#include "core/futex.h"
#include "sched/dump.h"
#include "sched/forks.h"
#include "sched/monitor.h"

_Thread_local wf_worker *wf_this_worker;

void wf_worker_wake(wf_worker *target, wf_worker *self)
{
    switch (wf_parking_notify(&target->parking)) {
    case WF_PARK_FUTEX:
        wf_futex_wake(&target->parking.word, 1);
        break;
    case WF_PARK_SOURCE:
        wf_rt.driver->wake(target, self);
        break;
    default: /* awake, or somebody else has told it */
        return;
    }
    if (self != NULL)
        wf_count(&self->wakes, 1);
}

void wf_worker_send(wf_worker *target, wf_message *message)
{
    /* It looks at its messages after every announcement of a sleep, and the notification keeps that sleep from beginning. */
    wf_foreign_enter();
    wf_inbox_send(&target->messages, &message->node);
    wf_worker_wake(target, wf_worker_self());
    wf_foreign_leave();
}

static bool stopping(void)
{
    return wf_load_acquire(&wf_rt.phase) == WF_RUNTIME_STOPPING; /* ORDER(phase): pairs with weft_stop. */
}

/* Sleep until notified or until the next timer. */
static void sleep_in(wf_worker *self, uint32_t where)
{
    int64_t until = wf_load_relaxed(&self->wheel_next); /* relaxed: a remote filer notifies us afterwards */
    int64_t look_again = wf_queue_suspect(self);
    if (look_again < until)
        until = look_again;
    wf_count(&self->parks, 1);
    if (where == WF_PARK_SOURCE) {
        int events = wf_rt.driver->wait(self, until);
        if (events > 0)
            wf_count(&self->events, (uint64_t)events);
    } else {
        wf_futex_wait(&self->parking.word, WF_PARK_FUTEX, until);
    }
}

/* Memory goes back while there is nothing better to do. False: there is. */
static bool shed(wf_worker *self)
{
    while (wf_stack_cache_shed(&self->stacks))
        if (wf_queue_has_work(self))
            return false;
    return true;
}

static void park(wf_worker *self)
{
    if (!shed(self))
        return;
    wf_idle_enter(&wf_rt.idle, self->index, self->searching);
    self->searching = false;
    if (!wf_queue_has_work(self) && !stopping()) {
        uint32_t where = wf_rt.driver->busy(self) ? WF_PARK_SOURCE : WF_PARK_FUTEX;
        /* Not notified since it was last awake. Notifications that come from here on end the sleep. */
        if (wf_parking_begin(&self->parking, where))
            sleep_in(self, where);
        wf_parking_end(&self->parking);
    }
    /* Picked by somebody: then it has been counted as a searcher. */
    if (!wf_idle_leave(&wf_rt.idle, self->index))
        self->searching = true;
    /* ORDER(monitor-sleep): no longer counted idle, then looks whether the monitor sleeps; pairs with monitor_main. */
    if (wf_load_seq_cst(&wf_rt.monitor_asleep))
        wf_monitor_notice();
}

static void loop(wf_worker *self)
{
    while (!stopping()) {
        wf_coro *coro = wf_queue_next(self);
        if (coro == NULL)
            coro = wf_queue_search(self);
        if (coro != NULL) {
            wf_queue_found(self);
            wf_dispatch(self, coro);
        } else {
            park(self);
        }
    }
    if (self->searching)
        wf_idle_end_search(&wf_rt.idle);
}

/* Bounds of the thread's own stack, for AddressSanitizer. */
static void learn_stack(wf_worker *self)
{
    pthread_attr_t attr;
    void *base = NULL;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &base, &self->stack_size);
        pthread_attr_destroy(&attr);
    }
    self->stack_base = base;
    wf_fiber_thread(self->sanitizer);
}

static int enter(wf_worker *self)
{
    char name[16];
    snprintf(name, sizeof(name), "weft-%u", self->index);
    pthread_setname_np(pthread_self(), name);
    wf_store_relaxed(&self->tid, (int32_t)wf_syscall3(SYS_gettid, 0, 0, 0)); /* relaxed: the monitor starts later */
    if (self->cpu >= 0) {
        cpu_set_t *set = CPU_ALLOC((size_t)self->cpu + 1);
        if (set != NULL) {
            size_t size = CPU_ALLOC_SIZE((size_t)self->cpu + 1);
            CPU_ZERO_S(size, set);
            CPU_SET_S((size_t)self->cpu, size, set);
            if (pthread_setaffinity_np(pthread_self(), size, set) != 0)
                wf_log(WEFT_LOG_WARN, "worker %u could not be pinned to CPU %d; it runs wherever the kernel puts it",
                       self->index, self->cpu);
            CPU_FREE(set);
        }
    }
    learn_stack(self);
    sigset_t nudges;
    sigemptyset(&nudges);
    sigaddset(&nudges, SIGURG);
    pthread_sigmask(SIG_UNBLOCK, &nudges, NULL); /* sched/nudge.c */
    int error = wf_fault_thread_enter(&self->fault_stack);
    if (error != 0)
        return error;
    error = wf_rt.driver->enter(self);
    if (error != 0)
        wf_fault_thread_leave(&self->fault_stack);
    return error;
}

/* ---- pthread_exit in a coroutine ---- */

/* It would unwind the coroutine's stack and end the worker's thread, and whatever waits for this worker would wait for ever. What
 * runs at the end of a thread finds out: a worker that ends by itself is no worker any more by then. */
static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

static void check_end(void *arg)
{
    char who[200] = "unknown";
    (void)arg;
    if (wf_worker_self() == NULL)
        return;
    wf_coro *coro = wf_load_relaxed(&wf_worker_self()->current); /* relaxed: this thread wrote it */
    if (coro != NULL && coro->stack != NULL)
        wf_dump_fault(coro->stack->base, who, sizeof(who));
    wf_die("coroutine %s called pthread_exit, which would end its worker: return from the coroutine's body instead",
           who);
}

static void make_end_key(void)
{
    pthread_key_create(&end_key, check_end);
}

static void *worker_main(void *arg)
{
    wf_worker *self = arg;
    pthread_once(&end_once, make_end_key);
    pthread_setspecific(end_key, self);
    wf_this_worker = self;
    wf_forks_enter(self);
    int error = enter(self);
    wf_runtime_entered(self, error);
    if (error == 0) {
        loop(self);
        wf_fault_thread_leave(&self->fault_stack);
    }
    wf_stack_cache_flush(&self->stacks);
    wf_coro_cache_flush(self);
    wf_forks_enter(NULL);
    wf_this_worker = NULL;
    return NULL;
}

int wf_worker_start(wf_worker *worker)
{
    return -pthread_create(&worker->thread, NULL, worker_main, worker);
}

void wf_worker_forget(void)
{
    wf_this_worker = NULL;
}
