/* Text put together in a buffer of fixed size, without printf, which signal handlers may not call. What does not fit is cut off.
 * Always terminated. Async-signal-safe. */
#ifndef WF_CORE_TEXT_H
#define WF_CORE_TEXT_H

#include <stddef.h>
#include <stdint.h>

typedef struct wf_text {
    char *start;
    char *at;  /* the terminating zero */
    char *end; /* where that goes at the latest */
} wf_text;

/* Begin with nothing in a buffer of `size` bytes, not 0. */
wf_text wf_text_in(char *buffer, size_t size);

void wf_text_put(wf_text *text, const char *string);
void wf_text_put_decimal(wf_text *text, uint64_t number);
void wf_text_put_hex(wf_text *text, uint64_t number); /* with 0x before it */

#endif
