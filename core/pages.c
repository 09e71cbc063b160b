/* See pages.h. */
#include "core/pages.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/atomics.h"
#include "core/syscall.h"

enum { SELF = -10000 }; /* PIDFD_SELF_THREAD, Linux 6.14 */

size_t wf_pages_size(void)
{
    return (size_t)getpagesize();
}

char *wf_pages_map(void *at, size_t size, int fixed)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | fixed;
    long result = wf_syscall6(SYS_mmap, (long)at, (long)size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return result < 0 && result > -4096 ? NULL : (char *)result;
}

void wf_pages_unmap(void *at, size_t size)
{
    if (size > 0)
        wf_syscall3(SYS_munmap, at, size, 0);
}

int wf_pages_advise(void *at, size_t size, int advice)
{
    return (int)wf_syscall3(SYS_madvise, at, size, advice);
}

static int advise_each(const struct iovec *ranges, unsigned count, int advice)
{
    int error = 0;
    for (unsigned i = 0; i < count && error == 0; i++)
        error = wf_pages_advise(ranges[i].iov_base, ranges[i].iov_len, advice);
    return error;
}

/* Bytes that one system call advised; 0: the kernel has none for that, or refused. */
static size_t advise_at_once(const struct iovec *ranges, unsigned count, int advice)
{
    static _Atomic(uint32_t) is_refused;
    if (wf_load_relaxed(&is_refused)) /* relaxed: a hint; asking once more does no harm */
        return 0;
    long result = wf_syscall6(SYS_process_madvise, SELF, (long)ranges, (long)count, advice, 0, 0);
    if (result == -ENOSYS || result == -EBADF || result == -EPERM || result == -EINVAL)
        wf_store_relaxed(&is_refused, 1); /* relaxed: as above */
    return result > 0 ? (size_t)result : 0;
}

int wf_pages_advise_many(const struct iovec *ranges, unsigned count, int advice)
{
    if (count > 1) {
        size_t advised = advise_at_once(ranges, count, advice);
        for (; count > 0 && advised >= ranges[0].iov_len; ranges++, count--)
            advised -= ranges[0].iov_len;
    }
    return advise_each(ranges, count, advice);
}
