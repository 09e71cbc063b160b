/* weft: threads for code that must block. Linux: nothing beyond what weft_start needs. */
#ifndef WEFT_OFFLOAD_H
#define WEFT_OFFLOAD_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Run fn(arg) on an offload thread (at most config.offload_threads, started on demand, ended after 10 s idle) and wait
 * for its result (result may be NULL). On a plain thread fn runs in place. fn always runs to its end: after a kill or a
 * timeout the call waits for it, then returns -ECANCELED or -ETIMEDOUT, with the result stored; one that has not begun
 * by then does not run. Returns 0, -ECANCELED, -ETIMEDOUT, -EINVAL (fn NULL), -EAGAIN (no thread could be started),
 * -ESHUTDOWN. arg and *result are the caller's, and may lie in its frame. May suspend. fn runs on a plain thread: it
 * may block, and call weft functions, but none that waits for its own caller, nor weft_stop. */
WEFT_API int weft_offload(weft_fn *fn, void *arg, void **result);

#ifdef __cplusplus
}
#endif

#endif
