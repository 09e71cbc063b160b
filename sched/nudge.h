/* SIGURG, by which the monitor has a worker's own thread enter the kernel while a coroutine keeps it (driver.h: nudge). */
#ifndef WF_SCHED_NUDGE_H
#define WF_SCHED_NUDGE_H

struct wf_worker;

/* Take the signal, if nobody has it. By the threads that start and stop the runtime. */
void wf_nudge_start(void);
void wf_nudge_stop(void);

/* From the monitor. Without effect when the program handles SIGURG itself. */
void wf_nudge_send(struct wf_worker *worker);

#endif
