/* Address space and pages: the few system calls that stacks are made of. They return -errno and leave errno alone.
 *
 * Advice for many ranges is one system call where the kernel lets a process advise itself so (process_madvise, Linux 6.13). What
 * counts is not the call: on a process with several threads each change of the page tables interrupts the other CPUs, 7 to 14 µs
 * a time on a virtual machine, and one call interrupts them once (dropping the page of a parked stack: 1.6 µs with one thread,
 * 13 with two; in calls of 32 ranges 0.7 and 1.1).
 */
#ifndef WF_CORE_PAGES_H
#define WF_CORE_PAGES_H

#include <stddef.h>
#include <sys/uio.h>

enum { WF_PAGES_MOST = 32 }; /* ranges that are worth a call: 64 gain 15 % more, and take 1 KiB of the caller's stack */

size_t wf_pages_size(void);

/* Zeroed memory that costs nothing until it is touched. `fixed`: 0, or MAP_FIXED and in the place of what is there. NULL: no
 * memory, or no address space. */
char *wf_pages_map(void *at, size_t size, int fixed);
void wf_pages_unmap(void *at, size_t size);

/* madvise(2). 0 or -errno. */
int wf_pages_advise(void *at, size_t size, int advice);

/* The same for each of the ranges; the array is the caller's. 0, or the error of the first range that could not be advised; those
 * before it were. */
int wf_pages_advise_many(const struct iovec *ranges, unsigned count, int advice);

#endif
