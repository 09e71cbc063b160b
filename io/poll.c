/* weft_poll: readiness of several descriptors. poll(2) is asked first and last: the ring only says when to ask again.
 *  */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/syscall.h"
#include "io/call.h"
#include "io/op.h"
#include "io/poll.h"
#include "sched/waiters.h"
#include "sched/worker.h"
#include "weft.h"

int wf_poll_now(struct pollfd *fds, nfds_t n)
{
    struct timespec zero = {0};
    long result = -EINTR;
    while (result == -EINTR)
        result = wf_syscall6(SYS_ppoll, (long)fds, (long)n, (long)&zero, 0, 0, 0);
    return (int)result;
}

int wf_poll_set_open(wf_poll_set *set, nfds_t n)
{
    set->group.n = 0;
    set->allocated = NULL;
    set->group.entries = set->few_entries;
    set->fds = set->few_fds;
    if (n <= WF_POLL_FEW)
        return 0;
    set->allocated = wf_alloc(n * sizeof(wf_fd *) + (n + 1) * sizeof(struct pollfd));
    if (set->allocated == NULL)
        return -ENOMEM;
    set->group.entries = set->allocated;
    set->fds = (struct pollfd *)(void *)(set->group.entries + n);
    return 0;
}

int wf_poll_set_enter(wf_poll_set *set, const struct pollfd *fds, nfds_t n)
{
    for (nfds_t i = 0; i < n; i++) {
        wf_fd *entry = NULL;
        int error = fds[i].fd >= 0 ? wf_fd_enter(fds[i].fd, &entry) : 0;
        if (error < 0)
            return error;
        set->group.entries[set->group.n++] = entry;
    }
    return 0;
}

void wf_poll_set_close(wf_poll_set *set)
{
    for (size_t i = 0; i < set->group.n; i++)
        if (set->group.entries[i] != NULL)
            wf_fd_leave(set->group.entries[i]);
    wf_free(set->allocated);
}

bool wf_poll_set_is_closing(const wf_poll_set *set)
{
    for (size_t i = 0; i < set->group.n; i++)
        /* relaxed: a look at a flag; if it is not seen, poll(2) reports the descriptor or the next wait is refused. */
        if (set->group.entries[i] != NULL && (wf_load_relaxed(&set->group.entries[i]->word) & WF_FD_CLOSING))
            return true;
    return false;
}

/* One wait on a coroutine: 0 when something may be ready. */
static int wait_in_ring(wf_poll_set *set, const struct pollfd *fds, nfds_t n, wf_coro *self, int64_t deadline)
{
    int result = wf_fd_join_group(&set->group, self);
    if (result < 0)
        return result;
    result = wf_op_poll(self, fds, n, deadline);
    wf_fd_part_group(self);
    return result;
}

static int wait_on_thread(wf_poll_set *set, const struct pollfd *fds, nfds_t n, wf_coro *self, int64_t deadline)
{
    memcpy(set->fds, fds, n * sizeof *fds);
    int result = wf_plain_poll(self, &set->group, set->fds, n, deadline);
    return result < 0 ? result : 0;
}

static int poll_opened(wf_poll_set *set, struct pollfd *fds, nfds_t n, wf_coro *self, int64_t deadline)
{
    for (;;) {
        int ready = wf_poll_now(fds, n);
        if (ready != 0)
            return ready;
        int error = self->flags & WF_CORO_THREAD ? wait_on_thread(set, fds, n, self, deadline)
                                                 : wait_in_ring(set, fds, n, self, deadline);
        if (error == 0 && wf_poll_set_is_closing(set))
            return -ECANCELED;
        if (error < 0)
            return error;
    }
}

/* Nothing to wait for but time. */
static int wait_for_nothing(wf_coro *self, int64_t deadline)
{
    return wf_wait_ticket(self, WF_WAIT_IO, NULL, deadline);
}

static bool has_descriptor(const struct pollfd *fds, nfds_t n)
{
    for (nfds_t i = 0; i < n; i++)
        if (fds[i].fd >= 0)
            return true;
    return false;
}

WEFT_API int weft_poll_until(struct pollfd *fds, nfds_t n, int64_t deadline)
{
    wf_coro *self;
    int error = wf_enter(&self);
    if (error < 0)
        return error;
    int result = wf_poll_now(fds, n);
    if (result != 0 || (deadline != WEFT_NEVER && deadline <= wf_clock_now()))
        return result;
    wf_poll_set set;
    if (!has_descriptor(fds, n)) {
        result = wait_for_nothing(self, deadline);
    } else {
        result = wf_poll_set_open(&set, n);
        if (result == 0) {
            result = wf_poll_set_enter(&set, fds, n);
            result = result == 0 ? poll_opened(&set, fds, n, self, deadline) : result;
            wf_poll_set_close(&set);
        }
    }
    /* The poll's own deadline is no error; an enclosing timeout that came first is. */
    if (result == -ETIMEDOUT && wf_timeout_effective(self, WEFT_NEVER) > deadline)
        return 0;
    return result;
}

WEFT_API int weft_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    return weft_poll_until(fds, n, timeout_ms < 0 ? WEFT_NEVER : weft_after(timeout_ms * WEFT_MILLISECOND));
}
