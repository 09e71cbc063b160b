/* What weft knows of each descriptor number, so that it can be closed under those that use it.
 *
 *     word     bits 0–31  calls that are between wf_fd_enter and wf_fd_leave
 *              bit  32    CLOSING    weft_close is ending them; new ones are refused with -EBADF
 *              bit  33    RELEASING  none is left, and close(2) is at it; new ones wait for the end of that, because
 *                   the
 *                                    number may be another file's before close(2) has returned
 *
 *     0 ──────────────────────────────▶ RELEASING ──▶ 0                 nobody uses it
 *     n ──▶ n + CLOSING ──▶ … ──▶ 0 + CLOSING ──▶ RELEASING ──▶ 0       somebody does
 *
 * A call counts itself for as long as it may touch the number. Where it is about to wait it also stands in the
 * entry's line (wf_coro.wait_node), so that the closer finds it: a coroutine's operation is cancelled in the ring of
 * its worker, a plain thread's ppoll is ended through an eventfd.
 *
 * Closing, when calls are in it:
 *   1. CLOSING is set, under the entry's lock: whoever stands in line by then is found, nobody joins later
 *   2. on the worker of each that stands in line, one worker after the other, their operations are cancelled (a
 *      message in the closer's frame goes round). The worker is wf_coro.worker: a coroutine that has moved on since
 *      it started its operation does so only because that was cancelled already
 *   3. the closer waits until the message is back and the count is 0; the call that brings it to 0 wakes it
 *   4. RELEASING, close(2), 0
 *
 * Why no call is missed: joining the line and setting CLOSING are sections of one lock. Who joined before is on its
 * worker when the message is handled there: it ran on that thread when it joined, prepared its entry without giving
 * up the thread, and the message comes behind that entry. Why the closer is woken: it looks at the count under the
 * lock before it waits, and who brings the count to 0 takes the lock afterwards. It is woken by ticket, because
 * nobody may suspend with this lock held: the message is handled wherever a worker looks for work, and that is also
 * inside the suspension of another coroutine.
 *
 * A descriptor that the program closes with plain close(2) is its own business, as it is with threads; nothing here
 * gets stuck on it.
 */
#ifndef WF_IO_FD_H
#define WF_IO_FD_H

#include "core/atomics.h"
#include "core/biased.h"
#include "core/list.h"
#include "sched/coro.h"

typedef struct wf_fd {
    /* any (atomic): */
    _Alignas(WF_CACHE_LINE) _Atomic(uint64_t) word;
    _Atomic(uint8_t) hint; /* the last receive left something behind, as far as we know: try at once */
    /* lock: */
    wf_biased lock;
    wf_list line;           /* those that wait in a call on it, by wait_node */
    wf_coro *closer;        /* the one that waits in weft_close, or NULL */
    uint64_t closer_ticket; /* of its wait */
} wf_fd;

static_assert(sizeof(wf_fd) == WF_CACHE_LINE, "two descriptors do not share a cache line");

#define WF_FD_CLOSING (UINT64_C(1) << 32)
#define WF_FD_RELEASING (UINT64_C(1) << 33)

/* The entry of fd; made on first use and never freed. NULL: no memory, or a number that no descriptor has. */
wf_fd *wf_fd_of(int fd);

/* Begin a call on fd, of self. 0 and *entry; -EBADF (negative, or just being closed), -ENOMEM. May suspend, rarely. */
int wf_fd_enter(int fd, wf_fd **entry);
void wf_fd_leave(wf_fd *entry);

/* Before each wait: stand in line. -ECANCELED when the descriptor is being closed. Nothing but the start of the wait
 * may come between this and suspending. */
int wf_fd_join(wf_fd *entry, wf_coro *self);
void wf_fd_part(wf_fd *entry, wf_coro *self);

/* The same for a weft_poll over several: it stands in one line for all. `entries` are n, NULL for those that do not
 * count. */
typedef struct wf_fd_group {
    wf_fd **entries;
    size_t n;
} wf_fd_group;
int wf_fd_join_group(const wf_fd_group *group, wf_coro *self);
void wf_fd_part_group(wf_coro *self);

/* In the child of a fork: the calls that were in progress are the parent's, and so are their counts. */
void wf_fd_forget(void);

#endif
