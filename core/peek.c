/* Reading memory that may not be there. See core/peek.h. */
#include "core/peek.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/syscall.h"

int wf_peek(const void *from, void *to, size_t size)
{
    struct iovec local = {.iov_base = to, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)from, .iov_len = size};
    long copied = wf_syscall6(SYS_process_vm_readv, getpid(), (long)&local, 1, (long)&remote, 1, 0);
    if (copied < 0)
        return (int)copied;
    return (size_t)copied == size ? 0 : -EFAULT;
}
