/* Waiting for a forked task that another coroutine has, and the end of such a task. The states are those of sched/task.h.
 *
 *   wait   AWAY → WAITED with the ticket of this wait; suspend by ticket. Ended by a kill or a timeout: WAITED → AWAY, kill the
 *          task's coroutine, AWAY → WAITED again, and suspend until it has ended, whatever comes
 *   end    → ENDED; if somebody waited, wake it by its ticket
 *
 * No wake-up is lost: a waiter that is registered when the end comes is woken, also when it has not committed its wait yet; one
 * that comes later finds ENDED. The task's frame may go as soon as ENDED is seen: the end touches nothing of it afterwards.
 */
#include "sched/task.h"

#include "sched/suspend.h"

int wf_task_wait_for(weft_task *task, wf_coro *self)
{
    if (!wf_task_wait(task, self, wf_state_ticket(self), WF_TASK_WAITED))
        return 0;
    int result = wf_wait_ticket(self, WF_WAIT_FORK, task, WEFT_NEVER);
    if (result == 0 || !wf_task_give_up(task, self))
        return result;
    uintptr_t child = wf_task_mark(task);
    if (child != 0)
        weft_kill((weft_t *)child);
    if (wf_task_wait(task, self, wf_state_ticket(self), WF_TASK_WAITED_AGAIN))
        wf_wait_ticket_firm(self, WF_WAIT_FORK, task);
    return result;
}

void wf_task_publish(weft_task *task)
{
    uint64_t ticket;
    wf_coro *waiter = wf_task_end(task, &ticket);
    if (waiter != NULL && wf_state_wake(waiter, ticket) == WF_WAKE_QUEUE)
        wf_ready(waiter, 0);
}
