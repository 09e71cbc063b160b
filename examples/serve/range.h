/* The Range header. */
#ifndef SERVE_RANGE_H
#define SERVE_RANGE_H

#include <stdint.h>

enum range_kind {
    RANGE_WHOLE,         /* no usable range, or several: send everything */
    RANGE_PART,          /* send first … first + length - 1 */
    RANGE_UNSATISFIABLE, /* 416 */
};

struct range {
    uint64_t first, length;
};

/* What `header` ("" when there is none) asks for, of a body of `size` bytes. */
enum range_kind range_parse(const char *header, uint64_t size, struct range *range);

#endif
