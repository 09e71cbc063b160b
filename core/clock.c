/* Reading CLOCK_MONOTONIC. */
#include "core/clock.h"

#include <time.h>

int64_t wf_clock_now(void)
{
    /* It cannot fail: Linux always has this clock and `now` is a valid address. So errno stays as it is. */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}
