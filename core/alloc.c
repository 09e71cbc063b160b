/* See alloc.h. */
#include "core/alloc.h"

#include <errno.h>
#include <stdlib.h>

void *wf_alloc(size_t size)
{
    int saved = errno;
    void *memory = calloc(1, size);
    __asm__ volatile("" ::: "memory"); /* calloc may have written errno, whatever the compiler thinks */
    errno = saved;
    return memory;
}

void wf_free(void *memory)
{
    int saved = errno;
    free(memory);
    __asm__ volatile("" ::: "memory"); /* as above */
    errno = saved;
}
