/* See alloc.h. */
#include "core/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *wf_alloc(size_t size)
{
    int saved = errno;
    void *memory = calloc(1, size);
    __asm__ volatile("" ::: "memory"); /* calloc may have written errno, whatever the compiler thinks */
    errno = saved;
    return memory;
}

void *wf_alloc_aligned(size_t alignment, size_t size)
{
    int saved = errno;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, size) != 0)
        memory = NULL;
    __asm__ volatile("" ::: "memory"); /* as above */
    errno = saved;
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

void wf_free(void *memory)
{
    int saved = errno;
    free(memory);
    __asm__ volatile("" ::: "memory"); /* as above */
    errno = saved;
}
