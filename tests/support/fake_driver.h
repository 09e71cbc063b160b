/* An event source with nothing outside: it keeps the scheduler company where there is neither a ring nor epoll, and where a test
 * wants events of its own making.
 *
 * A program gets it by linking tests/fake/select.c, which answers wf_driver_select with it.
 */
#ifndef WT_FAKE_DRIVER_H
#define WT_FAKE_DRIVER_H

#include "sched/driver.h"

extern const struct wf_driver wt_fake_driver;

/* In a coroutine: an operation of the present worker's source that completes with `result` after `ns`, as I/O does: known to the
 * source by its waiter's ticket. While it is in flight the worker parks in the source. -ECANCELED, -ETIMEDOUT as any wait. */
int wt_fake_operation(int64_t ns, int result);

/* How often a worker has waited in its source, in this process. */
unsigned wt_fake_waits(void);

#endif
