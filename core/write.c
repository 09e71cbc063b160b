/* Writing text out. See core/write.h. */
#include "core/write.h"

#include <errno.h>

#include "core/syscall.h"

int wf_write_all(int fd, const void *text, size_t length)
{
    const char *at = text;
    while (length > 0) {
        long written = wf_syscall3(SYS_write, fd, at, length);
        if (written == -EINTR)
            continue;
        if (written < 0)
            return (int)written;
        at += written;
        length -= (size_t)written;
    }
    return 0;
}
