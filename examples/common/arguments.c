#include "examples/common/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

int argument_number(const char *option, const char *text, long least, long most, long *value)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && number >= least && number <= most) {
        *value = number;
        return 0;
    }
    fprintf(stderr, "%s %s: expected a whole number from %ld to %ld\n", option, text, least, most);
    return -1;
}

unsigned long raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return before;
    return limit.rlim_cur;
}
