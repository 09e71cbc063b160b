/* Linked into a test program, the scheduler's event source is the fake one, whatever the configuration says. */
#include "support/fake_driver.h"

const struct wf_driver *wf_driver_select(const weft_config *config, char *why, size_t why_size)
{
    (void)config, (void)why, (void)why_size;
    return &wt_fake_driver;
}
