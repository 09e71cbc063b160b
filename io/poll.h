/* Several descriptors that one call waits for: weft_poll, and the FD cases of a select. */
#ifndef WF_IO_POLL_H
#define WF_IO_POLL_H

#include <poll.h>

#include "io/fd.h"

/* So many descriptors need no allocation. */
enum { WF_POLL_FEW = 8 };

/* What a poll needs besides the caller's array. For many descriptors both arrays are one allocation. */
typedef struct wf_poll_set {
    wf_fd_group group;
    struct pollfd *fds; /* room for one more than asked for: a plain thread's eventfd */
    wf_fd *few_entries[WF_POLL_FEW];
    struct pollfd few_fds[WF_POLL_FEW + 1];
    void *allocated;
} wf_poll_set;

/* Room for n. 0, -ENOMEM. */
int wf_poll_set_open(wf_poll_set *set, nfds_t n);

/* Begin a call on each of fds[0 … n - 1] that is not negative. 0, -EBADF, -ENOMEM. May suspend, rarely. */
int wf_poll_set_enter(wf_poll_set *set, const struct pollfd *fds, nfds_t n);

/* End those calls, and free the room. */
void wf_poll_set_close(wf_poll_set *set);

/* Is one of them being closed with weft_close? */
bool wf_poll_set_is_closing(const wf_poll_set *set);

/* poll(2) without waiting. The number of those with revents, or -errno. */
int wf_poll_now(struct pollfd *fds, nfds_t n);

/* For plain threads: wait as long as wf_plain_poll does. wf_plain_open makes what ends the wait, as fds[n]. */
void wf_plain_open(wf_coro *self, struct pollfd *fds, nfds_t n);
void wf_plain_close(const struct pollfd *fds, nfds_t n);

#endif
