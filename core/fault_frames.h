/* The frames that led to a fault, for the report of core/fault.h. */
#ifndef WF_CORE_FAULT_FRAMES_H
#define WF_CORE_FAULT_FRAMES_H

/* From the handler of the fault at the instruction `pc`, on the thread that met it: write the backtrace to stderr, a line a
 * frame, innermost first; of a deep one both ends. Async-signal-safe. */
void wf_fault_frames(const void *pc);

#endif
