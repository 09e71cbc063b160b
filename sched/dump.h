/* What weft_dump offers to the rest of the scheduler. */
#ifndef WF_SCHED_DUMP_H
#define WF_SCHED_DUMP_H

#include <stddef.h>
#include <stdint.h>

/* Room for an id as text: offset, dot, generation, terminating zero. */
enum { WF_CORO_ID_TEXT = 24 };

/* An id as people read it: `17.3`, the block and how many have used it. Returns the buffer. Async-signal-safe. */
const char *wf_coro_format_id(uint64_t id, char buffer[static WF_CORO_ID_TEXT]);

/* What one waits for (enum wf_wait_kind), as people say it. */
const char *wf_dump_wait_name(unsigned kind);

/* Write who owns the stack at this address, `17.3 "reader", entry handle (server)`, into the buffer. Async-signal-safe: for
 * core/fault.h. */
void wf_dump_fault(const void *fault_address, char *buffer, size_t size);

/* The part of weft_dump about coroutines that wait, at most so many of them, and about the threads that do. */
void wf_dump_waiting(int fd, unsigned most);

/* Dump to stderr whenever signal `number` comes (config.dump_signal; 0: nothing to do). A thread of its own does it, since a
 * handler may not. 0, -EAGAIN, -ENOMEM, -EINVAL. */
int wf_dump_signal_start(int number);

/* End that; the signal does again what it did before. Fine without a start. */
void wf_dump_signal_stop(void);

/* In the child of a fork: its thread does not exist here; the signal is as it was before the start. */
void wf_dump_signal_forget(void);

#endif
