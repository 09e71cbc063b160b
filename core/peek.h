/* Reading memory that others are changing, or that may not be there: for dumps, which look at what they do not own. */
#ifndef WF_CORE_PEEK_H
#define WF_CORE_PEEK_H

#include <stddef.h>

/* Copy `size` bytes of this process from `from` to `to`. The kernel does it, so an address that cannot be read is an error and
 * not a fault, and no sanitizer takes it for a race; the bytes may be torn, so the caller checks afterwards that they still
 * count. 0, -EFAULT (not all of it can be read), -EPERM or -ENOSYS where the process may not call process_vm_readv. */
int wf_peek(const void *from, void *to, size_t size);

#endif
