/* Writing text out: all of it, or an error. */
#ifndef WF_CORE_WRITE_H
#define WF_CORE_WRITE_H

#include <stddef.h>

/* Write `length` bytes to `fd`, in one write(2) if the kernel takes them at once. 0 or -errno; errno is left alone. */
int wf_write_all(int fd, const void *text, size_t length);

#endif
