/* Calls of plain threads: a thread waits in ppoll, so that deadlines and weft_close can end its wait, and makes the
 * call when it will go through.
 *
 * weft_close ends the wait through an eventfd that lives as long as the wait. Where none is to be had (EMFILE) the
 * thread wakes every 20 ms to look.
 *
 * Two calls can still block after ppoll said that they would not, when another thread was faster: accept on a listener
 * that is not O_NONBLOCK, and reading a file that lacks RWF_NOWAIT (a terminal). Deadlines do not bound them then.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/ppoll.h"
#include "core/syscall.h"
#include "io/call.h"
#include "io/poll.h"
#include "sched/suspend.h"
#include "sched/worker.h"

/* ---- waiting ---- */

static bool is_closing(const wf_fd_group *group)
{
    for (size_t i = 0; i < group->n; i++)
        /* relaxed: a look at a flag; wf_fd_leave orders. */
        if (group->entries[i] != NULL && (wf_load_relaxed(&group->entries[i]->word) & WF_FD_CLOSING))
            return true;
    return false;
}

/* The wait itself, with fds[n] for the eventfd. */
static int wait_in_kernel(const wf_fd_group *group, struct pollfd *fds, nfds_t n, int64_t deadline)
{
    int64_t slice = fds[n].fd < 0 ? WF_PPOLL_SLICE_NS : WEFT_NEVER;
    for (;;) {
        long ready = wf_ppoll_until(fds, n + 1, deadline, slice);
        if (is_closing(group))
            return -ECANCELED;
        if (ready < 0 && ready != -EINTR)
            return (int)ready;
        if (ready > 0)
            return (int)ready - (fds[n].revents != 0);
        if (ready == 0 && deadline != WEFT_NEVER && deadline <= wf_clock_now())
            return 0;
    }
}

void wf_plain_open(wf_coro *self, struct pollfd *fds, nfds_t n)
{
    int wakeup = (int)wf_syscall3(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0);
    fds[n] = (struct pollfd){.fd = wakeup < 0 ? -1 : wakeup, .events = POLLIN};
    self->wait_data[1] = (uint64_t)(int64_t)fds[n].fd;
}

void wf_plain_close(const struct pollfd *fds, nfds_t n)
{
    if (fds[n].fd >= 0)
        wf_syscall3(SYS_close, fds[n].fd, 0, 0);
}

int wf_plain_poll(wf_coro *self, const wf_fd_group *group, struct pollfd *fds, nfds_t n, int64_t deadline)
{
    int64_t effective = wf_timeout_effective(self, deadline);
    wf_plain_open(self, fds, n);
    int result = wf_fd_join_group(group, self);
    if (result == 0) {
        void *object = n == 1 ? (void *)(intptr_t)fds[0].fd : fds; /* as wf_op_run and wf_op_poll have it */
        wf_thread_waits_elsewhere(self, WF_WAIT_IO, object, __builtin_frame_address(0));
        result = wait_in_kernel(group, fds, n, effective);
        wf_thread_waits_elsewhere(self, WF_WAIT_NONE, NULL, NULL);
        wf_fd_part_group(self);
    }
    wf_plain_close(fds, n);
    if (result != 0)
        return result;
    wf_timeout_mark_fired(self, deadline);
    return -ETIMEDOUT;
}

int wf_plain_wait(wf_coro *self, wf_fd *entry, int fd, short events, int64_t deadline)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events}};
    wf_fd_group group = {.entries = &entry, .n = 1};
    int result = wf_plain_poll(self, &group, fds, 1, deadline);
    return result < 0 ? result : 0;
}

/* ---- calls ---- */

static bool is_regular(int fd)
{
    struct stat status;
    int saved = errno;
    bool regular =
        fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) || S_ISDIR(status.st_mode));
    errno = saved;
    return regular;
}

/* preadv2 or pwritev2 on what is not O_NONBLOCK. */
static ssize_t transfer(wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline)
{
    if (is_regular(call->fd))
        return wf_call_attempt(call);
    call->args[5] = RWF_NOWAIT;
    for (;;) {
        ssize_t result = wf_call_attempt(call);
        if (result != -EAGAIN && result != -EOPNOTSUPP)
            return result;
        int error = wf_plain_wait(self, entry, call->fd, call->events, deadline);
        if (error < 0)
            return error;
        if (result == -EOPNOTSUPP)
            break;
    }
    /* Ready, and it knows no RWF_NOWAIT. A pipe that is ready has room for PIPE_BUF bytes. */
    struct iovec first = *(const struct iovec *)call->args[1];
    if (first.iov_len > PIPE_BUF)
        first.iov_len = PIPE_BUF;
    wf_call once = *call;
    once.args[1] = (long)&first;
    once.args[2] = 1;
    once.args[5] = 0;
    return wf_call_attempt(&once);
}

static ssize_t retry(wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline)
{
    for (;;) {
        ssize_t result = wf_call_attempt(call);
        if (result == -EINTR)
            continue;
        if (result != -EAGAIN)
            return result;
        int error = wf_plain_wait(self, entry, call->fd, call->events, deadline);
        if (error < 0)
            return error;
    }
}

static ssize_t wait_then_call(wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline)
{
    int error = wf_plain_wait(self, entry, call->fd, call->events, deadline);
    return error < 0 ? error : wf_call_attempt(call);
}

static ssize_t run(wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline)
{
    int nonblocking = call->dontwait ? 1 : wf_call_is_nonblocking(call->fd);
    if (nonblocking < 0)
        return nonblocking;
    if (nonblocking)
        return wf_call_attempt(call);
    switch (call->kind) {
    case WF_CALL_DONTWAIT:
        return retry(call, entry, self, deadline);
    case WF_CALL_NOWAIT:
        return transfer(call, entry, self, deadline);
    default:
        return wait_then_call(call, entry, self, deadline);
    }
}

/* With SIGPIPE held off; one that this call raised is taken back. On a worker it is blocked for good. */
static ssize_t run_without_sigpipe(wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline)
{
    sigset_t sigpipe, before, pending;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
    sigpending(&pending);
    ssize_t result = run(call, entry, self, deadline);
    if (result == -EPIPE && !sigismember(&pending, SIGPIPE)) {
        struct timespec now = {0};
        wf_syscall4(SYS_rt_sigtimedwait, &sigpipe, NULL, &now, 8);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

ssize_t wf_plain_run(wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline)
{
    return call->writes ? run_without_sigpipe(call, entry, self, deadline) : run(call, entry, self, deadline);
}
