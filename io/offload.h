/* Threads for code that must block: jobs in a queue, threads that are started on demand and end after 10 s without
 * work.
 *
 * A job is the caller's, in its frame or allocated, and goes through
 *
 *     QUEUED ──▶ RUNNING ──▶ DONE      under the pool's lock, by the thread that runs it
 *     QUEUED ──▶ (taken back)          by its owner, under the lock
 *
 * Whoever waits for a job stands in job->waiters, guarded by the pool's lock too; who makes it DONE claims the waiter
 * under the lock and queues it afterwards, touching the job no more. So the frame that holds the job may be left as
 * soon as its owner has seen, under the lock, that it is DONE or taken back.
 */
#ifndef WF_IO_OFFLOAD_H
#define WF_IO_OFFLOAD_H

#include "core/list.h"
#include "sched/coro.h"

enum wf_job_state { WF_JOB_QUEUED, WF_JOB_RUNNING, WF_JOB_DONE };

typedef struct wf_job {
    /* lock of the pool: */
    wf_list node;    /* QUEUED: on the queue */
    wf_list waiters; /* at most one, by wait_node */
    enum wf_job_state state;
    bool abandoned; /* nobody waits any more: `discard` it when it is done */
    /* the owner's, before it is queued: */
    void (*run)(struct wf_job *job);     /* on the pool's thread, without the lock */
    void (*discard)(struct wf_job *job); /* for jobs that may be abandoned */
} wf_job;

/* Queue the job and wait until it is DONE. 0; -ECANCELED or -ETIMEDOUT when the wait was ended; -EAGAIN when no
 * thread can be started. Then *left tells what has become of the job: QUEUED: it has not begun and never will; DONE:
 * it has run; RUNNING: it was abandoned and is the pool's now. Only a job with `discard` is abandoned; another that
 * has begun is waited for to its end. */
int wf_job_run(wf_job *job, wf_coro *self, int64_t deadline, enum wf_job_state *left);

/* End all threads; jobs that were abandoned before they began are discarded. For wf_driver.stop. */
void wf_offload_stop(void);

/* In the child of a fork: the threads and their jobs are the parent's. */
void wf_offload_forget(void);

#endif
