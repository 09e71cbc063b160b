/* See waits.h. */
#include "waits.h"

void wt_check_wait(int (*wait)(void *object, int64_t deadline), void *object)
{
    weft_timeout outer = {0}, inner = {0};
    int64_t end = weft_after(2 * WEFT_MILLISECOND);
    CHECK_INT(wait(object, end), -ETIMEDOUT);
    CHECK(weft_now() >= end);
    CHECK_INT(wait(object, 0), -ETIMEDOUT);
    CHECK_INT(weft_timeout_start(&outer, WEFT_MILLISECOND), 0);
    CHECK_INT(wait(object, weft_after(60 * WEFT_SECOND)), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&outer), 1);
    CHECK_INT(weft_timeout_stop(&outer), 0);
    CHECK_INT(weft_timeout_start(&outer, 60 * WEFT_SECOND), 0);
    CHECK_INT(weft_timeout_start(&inner, WEFT_MILLISECOND), 0);
    CHECK_INT(wait(object, WEFT_NEVER), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&inner), 1);
    CHECK_INT(weft_timeout_fired(&outer), 0);
    CHECK_INT(weft_timeout_stop(&inner), 0);
    CHECK_INT(weft_timeout_stop(&outer), 0);
}

int wt_joined(weft_t *t)
{
    void *result = NULL;
    CHECK_INT(weft_join(t, &result), 0);
    return (int)(intptr_t)result;
}
