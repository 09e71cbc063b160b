/* The monitor: a thread that notices workers that are stuck. */
#ifndef WF_SCHED_MONITOR_H
#define WF_SCHED_MONITOR_H

/* Start and stop its thread; nothing when config.monitor_ms is 0. 0 or -errno. */
int wf_monitor_start(void);
void wf_monitor_stop(void);

/* In the child of a fork: its thread does not exist here. */
void wf_monitor_forget(void);

/* A worker comes out of its park: the monitor has something to look at again. */
void wf_monitor_notice(void);

#endif
