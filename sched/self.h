/* Which worker is the calling thread? NULL on a plain thread. Ask again after anything that may suspend. */
#ifndef WF_SCHED_SELF_H
#define WF_SCHED_SELF_H

#include "core/tls.h"

struct wf_worker;

#ifdef WF_MODEL

struct wf_worker *wf_worker_self(void); /* the models say who is who */

#else

extern _Thread_local struct wf_worker *wf_this_worker
    __attribute__((tls_model("initial-exec"), visibility("hidden"))); /* worker.c */

static inline struct wf_worker *wf_worker_self(void)
{
    return wf_tls_read(wf_this_worker);
}

#endif
#endif
