/* Which threads does this process have, and could any of them still do something? For sched/deadlock.c. */
#ifndef WF_SCHED_CENSUS_H
#define WF_SCHED_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/atomics.h"
#include "core/list.h"
#include "sched/coro.h"
#include "sched/deadlock.h"

/* A thread of weft's own that wakes nobody by itself: the monitor, the one that dumps, those of the offload pool (whose jobs are
 * counted in wf_runtime.operations). In memory that lasts as long as the thread. */
typedef struct wf_helper {
    wf_list node; /* lock of the helpers */
    int32_t tid;
} wf_helper;

/* By the thread itself: from here on it is one; it is none any more. */
void wf_helper_enter(wf_helper *self);
void wf_helper_leave(wf_helper *self);

/* In the child of a fork: they are all the parent's. */
void wf_helpers_forget(void);

/* A thread that a tool has put into the process, which is to be left out of account; 0: none. For tests under a sanitizer. */
extern _Atomic(int32_t) wf_census_tool;

/* In which order waits are ended: those of a rank together, and only when there are none of the ranks before. */
enum wf_rank {
    WF_RANK_FIRST, /* not for the end of another coroutine */
    WF_RANK_JOIN, /* a join of one whose own wait cannot be ended; or of several, a scope's, an iterator's or a pool's */
    WF_RANK_LAST, /* a join of one that waits in a join itself, and will be told; a sync */
    WF_RANK_FIRM, /* under a shield, or firm: it is not ended */
    WF_RANKS
};

/* Of one that waits. */
enum wf_rank wf_wait_rank(wf_coro *coro);

/* What plain threads wait in weft without any deadline. */
typedef struct wf_census {
    wf_still still;
    unsigned ranked[WF_RANKS];
    bool stopping; /* and one in weft_stop, until no coroutine is left */
} wf_census;

/* True: but for workers and helpers, each thread of the process waits in weft, without a deadline; all of them did at one moment
 * during the call. False: one does not, or it cannot be told. The workers are kept in their parks meanwhile. */
bool wf_census_take(wf_census *census);

#endif
