/* Which event source the configuration gets. */
#include <stdio.h>

#include "io/ring.h"

const struct wf_driver *wf_driver_select(const weft_config *config, char *why, size_t why_size)
{
    switch (config->io) {
    case WEFT_IO_AUTO:
    case WEFT_IO_URING:
        return &wf_ring_driver;
    default:
        snprintf(why, why_size, "this build of weft has io_uring only (ENOSYS): set WEFT_IO to uring or auto");
        return NULL;
    }
}
