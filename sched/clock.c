/* Times and deadlines, as the public functions give them out. */
#include "core/clock.h"

#include "weft.h"

int64_t weft_now(void)
{
    return wf_clock_now();
}

int64_t weft_after(int64_t ns)
{
    int64_t deadline;
    if (ns == WEFT_NEVER || __builtin_add_overflow(wf_clock_now(), ns, &deadline))
        return ns > 0 ? WEFT_NEVER : INT64_MIN;
    return deadline;
}
