/* Forks: the deque of tasks that each worker has for the coroutine which it runs. See sched/README.md. */
#ifndef WF_SCHED_FORKS_H
#define WF_SCHED_FORKS_H

#include "sched/worker.h"

/* The calling thread is this worker's from now on, or no worker's (NULL). */
void wf_forks_enter(wf_worker *self);

/* In the child of a fork(2): there is no worker. What the coroutine that forked the process has in its deque it runs itself. */
void wf_forks_forget(void);

/* A worker's deque before its thread starts. */
void wf_forks_init(wf_worker *worker);

void wf_forks_let_go(wf_worker *self, wf_coro *coro);
void wf_forks_check_end(wf_worker *self, wf_coro *coro);

/* The running coroutine is about to be on another stack, with no lock held: as wf_forks_leave, and somebody is woken for what
 * is moved, because no dispatch follows. */
void wf_forks_move_out_and_wake(wf_worker *self, wf_coro *coro);

/* As wf_forks_end, when what ends is a body inside a coroutine (sched/strands.h); `whose` names it in the message. */
void wf_forks_check_strand(wf_worker *self, wf_coro *coro, const char *whose);

/* The running coroutine is about to leave its worker: its tasks become coroutines. It may hold a lock, so nobody is woken;
 * the dispatch that follows sees to that. In a section in which it must not leave the process ends. */
static inline void wf_forks_leave(wf_worker *self, wf_coro *coro)
{
    if (self->held_up)
        wf_forks_let_go(self, coro);
}

/* The body of the running coroutine has returned: it must have synced all it forked. */
static inline void wf_forks_end(wf_worker *self, wf_coro *coro)
{
    if (self->held_up || (coro->flags & WF_CORO_FORKED))
        wf_forks_check_end(self, coro);
}

/* The body of a coroutine with WF_CORO_TASK: run the task, of which this is the argument. Returns it, for
 * wf_task_publish. */
void *wf_forks_run(void *task);

/* A coroutine, still without a stack, for a task of one of the other workers; NULL: nobody has one to give, and those who might have
 * soon were asked. */
wf_coro *wf_forks_steal(wf_worker *self);

/* Is there a task to steal? Else those who might have one soon are asked: they will wake somebody if they do. For the last look
 * before parking, and for the last searcher that found something. */
bool wf_forks_wanted(wf_worker *self);

#endif
