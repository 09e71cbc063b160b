/* Sleeping until a descriptor is ready, on the thread itself. */
#ifndef WF_CORE_PPOLL_H
#define WF_CORE_PPOLL_H

#include <poll.h>
#include <stdint.h>
#include <time.h>

#include "core/clock.h"
#include "core/syscall.h"

/* How long a thread sleeps that nobody can wake, because there was no eventfd to be had: then it looks. */
enum { WF_PPOLL_SLICE_NS = 20 * 1000 * 1000 };

/* The number of descriptors that are ready; 0 when the deadline (absolute, INT64_MAX: none) or `slice` has passed; or -errno. */
static inline long wf_ppoll_until(struct pollfd *fds, nfds_t n, int64_t deadline, int64_t slice)
{
    int64_t left = deadline == INT64_MAX ? INT64_MAX : deadline - wf_clock_now();
    left = left < 0 ? 0 : left > slice ? slice : left;
    struct timespec timeout = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    return wf_syscall6(SYS_ppoll, (long)fds, (long)n, left == INT64_MAX ? 0 : (long)&timeout, 0, 0, 0);
}

#endif
