/* How much memory this process has, and what of that a sanitizer leaves to be tested. */
#ifndef WT_MEMORY_H
#define WT_MEMORY_H

#include <stdint.h>

/* Memory with a shadow tells nothing, and ThreadSanitizer aborts at 8,128 threads and fibers. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WT_FIBERS_MAX 3000
#define WT_MEMORY_TELLS 0
#elif __has_feature(address_sanitizer)
#define WT_MEMORY_TELLS 0
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WT_MEMORY_TELLS 0
#endif
#ifndef WT_FIBERS_MAX
#define WT_FIBERS_MAX INT32_MAX
#endif
#ifndef WT_MEMORY_TELLS
#define WT_MEMORY_TELLS 1
#endif

/* KiB of a line of /proc/self/status, such as "VmRSS"; -1: there is none. */
int64_t wt_status_kib(const char *name);

/* Resident memory and page tables. */
int64_t wt_memory_kib(void);

#endif
