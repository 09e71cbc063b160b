#include "examples/serve/range.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Digits only; a number too large becomes UINT64_MAX, which is beyond any file. */
static bool parse_position(const char **text, uint64_t *value)
{
    if (!isdigit((unsigned char)**text))
        return false;
    char *end;
    *value = strtoull(*text, &end, 10);
    *text = end;
    return true;
}

enum range_kind range_parse(const char *header, uint64_t size, struct range *range)
{
    uint64_t first = 0, last = UINT64_MAX;
    *range = (struct range){0, size};
    if (strncasecmp(header, "bytes=", 6) != 0)
        return RANGE_WHOLE;
    const char *p = header + 6;
    bool has_first = parse_position(&p, &first);
    if (*p++ != '-')
        return RANGE_WHOLE;
    bool has_last = parse_position(&p, &last);
    if (*p != '\0' || (!has_first && !has_last) || (has_first && last < first))
        return RANGE_WHOLE;
    if (!has_first) { /* the last so many bytes */
        if (last == 0 || size == 0)
            return RANGE_UNSATISFIABLE;
        range->length = last < size ? last : size;
        range->first = size - range->length;
        return RANGE_PART;
    }
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    range->first = first;
    range->length = (last < size ? last : size - 1) - first + 1;
    return RANGE_PART;
}
