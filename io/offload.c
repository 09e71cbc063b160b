/* The pool of threads behind weft_offload and name resolution. The life of a job is in io/offload.h. */
#include "io/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/futex.h"
#include "sched/census.h"
#include "sched/waiters.h"
#include "sched/worker.h"
#include "weft.h"

static const int64_t IDLE_NS = 10 * WEFT_SECOND;

struct thread {
    wf_list node; /* on pool.running or pool.ended */
    pthread_t id;
};

static struct {
    wf_biased lock;
    /* lock: */
    wf_list queue; /* jobs, oldest first */
    size_t queued;
    wf_list running;  /* threads */
    wf_list ended;    /* threads that nobody has joined yet */
    unsigned threads; /* on running */
    unsigned idle;    /* of those, asleep on `call` or about to look at the queue */
    bool stopping;
    /* any (atomic): */
    _Atomic(uint32_t) call; /* futex: changes with every job that is queued, and at the stop */
} pool;

/* ---- threads ---- */

static wf_job *next_job(void)
{
    wf_list *node = wf_list_pop_front(&pool.queue);
    if (node == NULL)
        return NULL;
    wf_job *job = wf_container_of(node, wf_job, node);
    pool.queued--;
    job->state = WF_JOB_RUNNING;
    return job;
}

/* Called and returns with the lock. */
static void run_job(wf_job *job)
{
    wf_object_unlock(&pool.lock);
    job->run(job);
    wf_object_lock(&pool.lock);
    job->state = WF_JOB_DONE;
    bool abandoned = job->abandoned;
    wf_coro *waiter = abandoned ? NULL : wf_waiters_claim(&job->waiters); /* NULL: its owner is on the way to look */
    wf_object_unlock(&pool.lock);
    if (abandoned)
        job->discard(job);
    else if (waiter != NULL)
        wf_ready(waiter, 0);
    /* ORDER(operations): pairs with judge in sched/deadlock.c: it has woken whom it wakes. */
    wf_fetch_sub_acq_rel(&wf_rt.operations, 1);
    wf_object_lock(&pool.lock);
}

/* Called and returns with the lock. False: nothing came for so long that the thread may end. */
static bool wait_for_job(void)
{
    uint32_t seen = wf_load_relaxed(&pool.call); /* relaxed: changed under the lock */
    int64_t until = wf_clock_now() + IDLE_NS;
    pool.idle++;
    wf_object_unlock(&pool.lock);
    int result = wf_futex_wait(&pool.call, seen, until);
    wf_object_lock(&pool.lock);
    pool.idle--;
    return result != -ETIMEDOUT || !wf_list_is_empty(&pool.queue);
}

static void *run_thread(void *arg)
{
    struct thread *self = arg;
    wf_helper helper = {0};
    wf_helper_enter(&helper);
    wf_object_lock(&pool.lock);
    for (bool wanted = true; wanted;) {
        wf_job *job = next_job();
        if (job != NULL)
            run_job(job);
        else
            wanted = !pool.stopping && wait_for_job();
    }
    pool.threads--;
    wf_helper_leave(&helper);
    wf_list_remove(&self->node);
    wf_list_push_back(&pool.ended, &self->node);
    wf_object_unlock(&pool.lock);
    return NULL;
}

/* All signals but those that a fault raises go to the program's own threads. */
static int create_quiet(struct thread *thread)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread->id, NULL, run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void join_ended(void)
{
    wf_list *node;
    wf_object_lock(&pool.lock);
    while ((node = wf_list_pop_front(&pool.ended)) != NULL) {
        struct thread *thread = wf_container_of(node, struct thread, node);
        wf_object_unlock(&pool.lock);
        pthread_join(thread->id, NULL); /* it is past its last statement */
        wf_free(thread);
        wf_object_lock(&pool.lock);
    }
    wf_object_unlock(&pool.lock);
}

/* One more thread, which was counted already. The new thread waits for the lock, so its record is complete when it
 * looks. */
static bool start_thread(void)
{
    int saved = errno;
    join_ended();
    struct thread *thread = wf_alloc(sizeof *thread);
    wf_object_lock(&pool.lock);
    bool started = thread != NULL && create_quiet(thread) == 0;
    if (started)
        wf_list_push_back(&pool.running, &thread->node);
    else
        pool.threads--;
    wf_object_unlock(&pool.lock);
    if (!started)
        wf_free(thread);
    errno = saved;
    return started;
}

/* ---- jobs ---- */

static void take_back(wf_job *job)
{
    wf_list_remove(&job->node);
    pool.queued--;
    wf_fetch_sub_relaxed(&wf_rt.operations, 1); /* relaxed: by its owner, which runs */
}

/* Queue it, and see that there is a thread for it. Returns with the lock, unless it fails. */
static int submit(wf_job *job)
{
    wf_object_lock(&pool.lock);
    job->state = WF_JOB_QUEUED;
    job->abandoned = false;
    wf_list_push_back(&pool.queue, &job->node);
    pool.queued++;
    wf_fetch_add_relaxed(&wf_rt.operations, 1); /* relaxed: by its owner, which runs; its worker's park publishes it */
    wf_fetch_add_relaxed(&pool.call, 1);        /* relaxed: the lock orders it */
    bool wants_thread = pool.queued > pool.idle && pool.threads < wf_rt.config.offload_threads;
    if (pool.idle > 0)
        wf_futex_wake(&pool.call, 1);
    if (!wants_thread)
        return 0;
    pool.threads++;
    wf_object_unlock(&pool.lock);
    bool started = start_thread();
    wf_object_lock(&pool.lock);
    if (started || job->state != WF_JOB_QUEUED || pool.threads > 0)
        return 0; /* else one of the other threads gets to it */
    take_back(job);
    wf_object_unlock(&pool.lock);
    return -EAGAIN;
}

/* Stand in the job's line until it is done, or the wait is ended. Called with the lock, returns with it. */
static int wait_for(wf_job *job, wf_coro *self, bool firm, int64_t deadline)
{
    while (job->state != WF_JOB_DONE) {
        int result = 0;
        wf_list_push_back(&job->waiters, &self->wait_node);
        if (firm)
            wf_wait_locked_firm(self, WF_WAIT_OFFLOAD, job, &pool.lock);
        else
            result = wf_wait_locked(self, WF_WAIT_OFFLOAD, job, deadline, &pool.lock);
        wf_object_lock(&pool.lock);
        if (wf_list_is_linked(&self->wait_node))
            wf_list_remove(&self->wait_node);
        if (result != 0)
            return result;
    }
    return 0;
}

int wf_job_run(wf_job *job, wf_coro *self, int64_t deadline, enum wf_job_state *left)
{
    wf_list_init(&job->waiters);
    *left = WF_JOB_QUEUED;
    int result = submit(job);
    if (result < 0)
        return result;
    result = wait_for(job, self, false, deadline);
    if (job->state == WF_JOB_RUNNING && job->discard == NULL)
        wait_for(job, self, true, WEFT_NEVER);
    if (job->state == WF_JOB_QUEUED)
        take_back(job);
    job->abandoned = job->state == WF_JOB_RUNNING;
    *left = job->state;
    wf_object_unlock(&pool.lock);
    return result;
}

void wf_offload_stop(void)
{
    wf_object_lock(&pool.lock);
    pool.stopping = true;
    wf_fetch_add_relaxed(&pool.call, 1); /* relaxed: the lock orders it */
    wf_futex_wake(&pool.call, INT_MAX);
    while (!wf_list_is_empty(&pool.running)) {
        struct thread *thread = wf_container_of(pool.running.next, struct thread, node);
        wf_list_remove(&thread->node);
        wf_list_push_back(&pool.running, &thread->node);
        pthread_t id = thread->id;
        wf_object_unlock(&pool.lock);
        pthread_join(id, NULL);
        wf_object_lock(&pool.lock);
        wf_list_remove(&thread->node); /* from ended, where it put itself */
        wf_free(thread);
    }
    pool.stopping = false;
    wf_object_unlock(&pool.lock);
    join_ended();
}

/* ---- weft_offload ---- */

struct offload {
    wf_job job;
    weft_fn *fn;
    void *arg;
    void *result;
};

static void run_offload(wf_job *job)
{
    struct offload *o = wf_container_of(job, struct offload, job);
    o->result = o->fn(o->arg);
}

WEFT_API int weft_offload(weft_fn *fn, void *arg, void **result)
{
    wf_coro *self;
    if (fn == NULL)
        return -EINVAL;
    int error = wf_enter(&self);
    if (error < 0)
        return error;
    struct offload o = {.job.run = run_offload, .fn = fn, .arg = arg};
    enum wf_job_state left = WF_JOB_DONE;
    if (self->flags & WF_CORO_THREAD)
        run_offload(&o.job);
    else
        error = wf_job_run(&o.job, self, WEFT_NEVER, &left);
    if (left == WF_JOB_DONE && result != NULL)
        *result = o.result;
    return error;
}

void wf_offload_forget(void)
{
    pool.lock = (wf_biased){0}; /* a thread of the parent may have held it */
    pool.queue = (wf_list){0};
    pool.running = (wf_list){0};
    pool.ended = (wf_list){0};
    pool.queued = 0;
    pool.threads = 0;
    pool.idle = 0;
    pool.stopping = false;
}
