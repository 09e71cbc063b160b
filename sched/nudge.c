/* SIGURG is ignored unless somebody asks for it, few programs do, and it interrupts no call that can be restarted: Go preempts by it for
 * the same reasons. A program that has a handler keeps it, and then what is in the ring of a stuck worker waits for that worker.
 */
#include "sched/nudge.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "core/syscall.h"
#include "sched/worker.h"

static bool is_ours; /* by the threads that start and stop the runtime, which take turns; the monitor lives between */
static struct sigaction before;

static void on_signal(int number)
{
    wf_worker *self = wf_worker_self();
    (void)number;
    if (self != NULL && self->source != NULL && wf_rt.driver->nudge != NULL)
        wf_rt.driver->nudge(self);
}

void wf_nudge_start(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    int saved = errno;
    is_ours = false;
    if (wf_rt.driver->nudge == NULL || sigaction(SIGURG, NULL, &before) != 0)
        return;
    is_ours = (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) && !(before.sa_flags & SA_SIGINFO) &&
              sigaction(SIGURG, &action, NULL) == 0;
    if (!is_ours)
        wf_log(WEFT_LOG_INFO,
               "the program handles SIGURG: what is in flight on a worker that is stuck waits for that worker");
    errno = saved;
}

void wf_nudge_stop(void)
{
    struct sigaction now;
    int saved = errno;
    if (is_ours && sigaction(SIGURG, NULL, &now) == 0 && now.sa_handler == on_signal)
        sigaction(SIGURG, &before, NULL);
    is_ours = false;
    errno = saved;
}

void wf_nudge_send(wf_worker *worker)
{
    if (is_ours)
        wf_syscall3(SYS_tgkill, getpid(), wf_load_relaxed(&worker->tid), SIGURG); /* relaxed: fixed by now */
}
