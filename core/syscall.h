/* System calls that return -errno and leave errno alone: the library promises its callers both. */
#ifndef WF_CORE_SYSCALL_H
#define WF_CORE_SYSCALL_H

#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#include "core/syscall_x86_64.h"
#elif defined(__aarch64__)
#include "core/syscall_aarch64.h"
#else
#error "weft runs on x86-64 and aarch64"
#endif

#define wf_syscall3(nr, a, b, c) wf_syscall6((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define wf_syscall4(nr, a, b, c, d) wf_syscall6((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

#endif
