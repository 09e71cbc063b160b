/* Sleep and yield. */
#include <errno.h>
#include <sched.h>

#include "core/clock.h"
#include "sched/suspend.h"
#include "sched/worker.h"

int weft_yield(void)
{
    wf_worker *worker = wf_worker_self();
    wf_coro *self = worker != NULL ? wf_load_relaxed(&worker->current) : NULL; /* relaxed: this thread wrote it */
    if (self == NULL) {
        sched_yield();
        return 0;
    }
    int killed = wf_check(self);
    if (killed != 0)
        return killed;
    wf_count(&worker->yields, 1);
    wf_leave_to_yield(self);
    return wf_check(self);
}

int weft_sleep(int64_t ns)
{
    return weft_sleep_until(weft_after(ns));
}

int weft_sleep_until(int64_t deadline)
{
    wf_coro *self = wf_self();
    if (self == NULL)
        return -ENOMEM;
    int killed = wf_check(self);
    if (killed != 0)
        return killed;
    if (deadline <= wf_clock_now()) {
        killed = weft_yield();
        return killed != 0 ? killed : weft_checkpoint();
    }
    /* Nobody is given this wait's ticket: only the timer and a kill can end it. */
    int result = wf_wait_ticket(self, WF_WAIT_SLEEP, NULL, deadline);
    if (result != -ETIMEDOUT)
        return result;
    int64_t ambient = wf_timeout_effective(self, WEFT_NEVER);
    return ambient < deadline ? -ETIMEDOUT : 0;
}
