/* See memory.h. */
#include "memory.h"

#include <stdio.h>
#include <string.h>

int64_t wt_status_kib(const char *name)
{
    char line[200];
    long long kib = -1;
    size_t length = strlen(name);
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            sscanf(line + length + 1, "%lld", &kib);
    if (status != NULL)
        fclose(status);
    return kib;
}

int64_t wt_memory_kib(void)
{
    return wt_status_kib("VmRSS") + wt_status_kib("VmPTE");
}
