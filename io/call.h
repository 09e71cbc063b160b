/* One call on one descriptor, however it is made: through the ring on a coroutine, by waiting in ppoll on a plain
 * thread, at once where the program set O_NONBLOCK.
 *
 * A public function describes the call twice: as an entry for the ring, and as the system call that a thread would
 * make. Then wf_call decides.
 */
#ifndef WF_IO_CALL_H
#define WF_IO_CALL_H

#include <liburing.h>

#include "io/fd.h"

/* What the system call does when it cannot go on. */
enum wf_call_kind {
    WF_CALL_DONTWAIT, /* has MSG_DONTWAIT among its flags: -EAGAIN */
    WF_CALL_NOWAIT, /* preadv2, pwritev2: blocks; with RWF_NOWAIT in args[5] -EAGAIN, -EOPNOTSUPP if the file has no such */
    WF_CALL_BLOCKS, /* blocks, unless the descriptor is O_NONBLOCK */
};

typedef struct wf_call {
    int fd;
    short events; /* what a thread waits for: POLLIN or POLLOUT */
    enum wf_call_kind kind;
    bool eager;    /* try the system call before the ring (DONTWAIT only): it nearly always goes through */
    bool dontwait; /* the caller asked for MSG_DONTWAIT: the system call is all there is */
    bool writes;   /* could raise SIGPIPE */
    size_t wanted; /* a receive: what fills its buffer; 0: unknown */
    struct io_uring_sqe sqe;
    long nr; /* the system call */
    long args[6];
} wf_call;

/* Make the call. What it returns, -errno, -ECANCELED or -ETIMEDOUT. */
ssize_t wf_call_run(wf_call *call, int64_t deadline);

/* The same for an entry that has no descriptor to wait on, or none that could be closed under it (openat, statx):
 * `nr` and `args` are what a thread does. */
ssize_t wf_call_run_detached(wf_call *call);

/* The system call, once. */
ssize_t wf_call_attempt(const wf_call *call);

/* Has the program set O_NONBLOCK? 1, 0 or -EBADF. */
int wf_call_is_nonblocking(int fd);

/* ---- plain threads (plain.c) ---- */

ssize_t wf_plain_run(wf_call *call, wf_fd *entry, wf_coro *self, int64_t deadline);

/* Wait for `events` on fd: 0, -ECANCELED (it is being closed), -ETIMEDOUT. */
int wf_plain_wait(wf_coro *self, wf_fd *entry, int fd, short events, int64_t deadline);

/* ppoll until the deadline. fds[n] is free for a descriptor of its own; `join` and `part` as wf_fd_join. */
int wf_plain_poll(wf_coro *self, const wf_fd_group *group, struct pollfd *fds, nfds_t n, int64_t deadline);

#endif
