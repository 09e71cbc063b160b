/* weft: waiting for the first of several things: sends and receives on channels, times, descriptors.
 *
 *     weft_select_case cases[] = {
 *         {.op = WEFT_SELECT_RECV, .chan = work, .value = &item},
 *         {.op = WEFT_SELECT_SEND, .chan = results, .value = &result},
 *         {.op = WEFT_SELECT_FD, .fd = fd, .events = POLLIN},
 *         {.op = WEFT_SELECT_TIMER, .deadline = weft_after(WEFT_SECOND)},
 *     };
 *     switch (weft_select(cases, 4, WEFT_NEVER)) { case 0: … }
 *
 * From coroutines and plain threads, not from signal handlers; with or without a running runtime. "May suspend" means: the
 * coroutine waits and its worker runs others; afterwards it may be on another thread. Linux: nothing beyond what weft_start
 * needs.
 */
#ifndef WEFT_SELECT_H
#define WEFT_SELECT_H

#include "weft/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weft_select_op {
    WEFT_SELECT_NONE,  /* never happens */
    WEFT_SELECT_RECV,  /* receive from .chan into .value (NULL: drop it) */
    WEFT_SELECT_SEND,  /* send the element at .value on .chan */
    WEFT_SELECT_TIMER, /* .deadline passes */
    WEFT_SELECT_FD,    /* one of .events (POLLIN, POLLOUT, … of poll(2)) on .fd */
};

/* One case. It may be used again: weft_select writes only to .result, .revents and its own room. */
typedef struct weft_select_case {
    enum weft_select_op op;
    int result;         /* of the case that happened: 0, or -EPIPE: the channel is closed (and, to receive, empty) */
    weft_chan *chan;    /* RECV, SEND; NULL: never happens */
    void *value;        /* RECV, SEND; at least as large as an element of the channel; SEND only reads it */
    int64_t deadline;   /* TIMER; WEFT_NEVER: never happens */
    int fd;             /* FD; negative: never happens */
    short events;       /* FD */
    short revents;      /* FD, of the case that happened: as poll(2) has it, POLLERR, POLLHUP and POLLNVAL included */
    uint64_t opaque[6]; /* the library's, during the call */
} weft_select_case;

/* Wait until one of the cases can happen, and make it happen: exactly one, or none. If several can, one of them is chosen
 * at random, each as likely as the others. The look at all channels is one moment: a select that does not wait never misses
 * that of two channels one or the other was ready all the time. A deadline in the past means "try, do not wait". With
 * n = 0, or only cases that never happen, it waits for the deadline or a kill.
 *
 * The same channel may stand in several cases; a select does not meet itself. Those that wait on a channel, in selects and
 * in plain sends and receives, are served in the order in which they came. A descriptor's case happens when the descriptor
 * is ready, and takes nothing: read and write after it may find that others were faster, so on one that is shared use calls
 * that do not wait. It must be one that poll(2) can wait for.
 *
 * `cases` is the caller's, may lie on its stack, and has to stay as it is until the call returns; so do the values. While
 * it waits others write to both. A channel must not be freed before the call has returned; but who closes one may free
 * it at once if the select was woken by that and nobody else uses it. May suspend.
 *
 * The index of the case that happened (.result and .revents say how); -ETIMEDOUT at the deadline (also for one in the past,
 * as in all calls that end in _until; a TIMER case of the same time goes before it) or an enclosing timeout; -ECANCELED when
 * killed (nothing has happened then, also where something could have), or when a descriptor of it is closed with weft_close
 * meanwhile; -EDEADLK: it waits in a deadlock (weft/base.h); -EINVAL: cases is NULL and n > 0, an .op that is none, a SEND whose .value is NULL, n > INT_MAX; -EBADF: a
 * descriptor is just being closed; -ENOMEM: more than 8 FD cases need memory, and a plain thread that waits for the first
 * time; -EINVAL also where poll(2) says so: more descriptors than RLIMIT_NOFILE. */
WEFT_API int weft_select(weft_select_case *cases, size_t n, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
