/* What holds for every call that waits for an object, said once. */
#ifndef WT_WAITS_H
#define WT_WAITS_H

#include "runtime.h"

/* A wait that nobody ends: wait(object, deadline) returns -ETIMEDOUT and not before its deadline, at once for one in the past;
 * an outer weft_timeout that is earlier ends it, and is the one that fired; one that is later does not fire. */
void wt_check_wait(int (*wait)(void *object, int64_t deadline), void *object);

/* Join t; its result is a number. */
int wt_joined(weft_t *t);

#endif
