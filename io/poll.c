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
#include "sched/waiters.h"
#include "sched/worker.h"
#include "weft.h"

/* So many descriptors need no allocation. */
enum { FEW = 8 };

/* What a poll needs besides the caller's array. For many descriptors both arrays are one allocation. */
struct poll_set {
    wf_fd_group group;
    struct pollfd *fds; /* plain threads: the caller's with one more at the end */
    wf_fd *few_entries[FEW];
    struct pollfd few_fds[FEW + 1];
    void *allocated;
};

static int poll_now(struct pollfd *fds, nfds_t n)
{
    struct timespec zero = {0};
    long result = -EINTR;
    while (result == -EINTR)
        result = wf_syscall6(SYS_ppoll, (long)fds, (long)n, (long)&zero, 0, 0, 0);
    return (int)result;
}

/* Release what open_set took, the entries up to `opened`. */
static void close_set(struct poll_set *set)
{
    for (size_t i = 0; i < set->group.n; i++)
        if (set->group.entries[i] != NULL)
            wf_fd_leave(set->group.entries[i]);
    wf_free(set->allocated);
}

static int allocate(struct poll_set *set, nfds_t n)
{
    set->group.entries = set->few_entries;
    set->fds = set->few_fds;
    if (n <= FEW)
        return 0;
    set->allocated = wf_alloc(n * sizeof(wf_fd *) + (n + 1) * sizeof(struct pollfd));
    if (set->allocated == NULL)
        return -ENOMEM;
    set->group.entries = set->allocated;
    set->fds = (struct pollfd *)(void *)(set->group.entries + n);
    return 0;
}

static int open_set(struct poll_set *set, const struct pollfd *fds, nfds_t n)
{
    set->group.n = 0;
    set->allocated = NULL;
    int error = allocate(set, n);
    for (nfds_t i = 0; i < n && error == 0; i++) {
        wf_fd *entry = NULL;
        if (fds[i].fd >= 0)
            error = wf_fd_enter(fds[i].fd, &entry);
        if (error == 0)
            set->group.entries[set->group.n++] = entry;
    }
    if (error < 0)
        close_set(set);
    return error;
}

/* One wait on a coroutine: 0 when something may be ready. */
static int wait_in_ring(struct poll_set *set, const struct pollfd *fds, nfds_t n, wf_coro *self, int64_t deadline)
{
    int result = wf_fd_join_group(&set->group, self);
    if (result < 0)
        return result;
    result = wf_op_poll(self, fds, n, deadline);
    wf_fd_part_group(self);
    return result;
}

static int wait_on_thread(struct poll_set *set, const struct pollfd *fds, nfds_t n, wf_coro *self, int64_t deadline)
{
    memcpy(set->fds, fds, n * sizeof *fds);
    int result = wf_plain_poll(self, &set->group, set->fds, n, deadline);
    return result < 0 ? result : 0;
}

static bool is_closing(const struct poll_set *set)
{
    for (size_t i = 0; i < set->group.n; i++)
        /* relaxed: a look at a flag; if it is not seen, poll(2) reports the descriptor or the next wait is refused. */
        if (set->group.entries[i] != NULL && (wf_load_relaxed(&set->group.entries[i]->word) & WF_FD_CLOSING))
            return true;
    return false;
}

static int poll_opened(struct poll_set *set, struct pollfd *fds, nfds_t n, wf_coro *self, int64_t deadline)
{
    for (;;) {
        int ready = poll_now(fds, n);
        if (ready != 0)
            return ready;
        int error = self->flags & WF_CORO_THREAD ? wait_on_thread(set, fds, n, self, deadline)
                                                 : wait_in_ring(set, fds, n, self, deadline);
        if (error == 0 && is_closing(set))
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
    int result = poll_now(fds, n);
    if (result != 0 || (deadline != WEFT_NEVER && deadline <= wf_clock_now()))
        return result;
    struct poll_set set;
    if (!has_descriptor(fds, n)) {
        result = wait_for_nothing(self, deadline);
    } else {
        result = open_set(&set, fds, n);
        if (result == 0) {
            result = poll_opened(&set, fds, n, self, deadline);
            close_set(&set);
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
