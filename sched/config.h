/* The configuration: what the runtime needs of it beside the public functions. */
#ifndef WF_SCHED_CONFIG_H
#define WF_SCHED_CONFIG_H

#include "weft.h"

/* Is a configuration that the program may have written by hand within bounds? Each field that is not is described on stderr. 0,
 * -EINVAL. The runtime starts with no other. */
int wf_config_check(const weft_config *config);

#endif
