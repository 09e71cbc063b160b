/* Every choice of the scheduler that has more than one right answer is made here, so that a simulation can make them all. */
#ifndef WF_SCHED_CHOICE_H
#define WF_SCHED_CHOICE_H

#include <stdint.h>

struct wf_worker;

/* One of 0 … count - 1, each as likely as the others. `self` is the calling thread's worker, NULL on a plain thread. */
uint32_t wf_choose(struct wf_worker *self, uint32_t count);

#endif
