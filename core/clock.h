/* The clock. One function of the whole project reads it, so that a simulation can put another one in its place. */
#ifndef WF_CORE_CLOCK_H
#define WF_CORE_CLOCK_H

#include <stdint.h>

/* Now, on CLOCK_MONOTONIC, in nanoseconds. About 20 ns, no system call where the kernel maps its clock into the process. */
int64_t wf_clock_now(void);

#endif
