/* Hierarchical timer wheel. Knows nothing of coroutines and takes no lock: its owner does.
 *
 * Times are absolute nanoseconds. A tick is 2^14 ns (16.4 µs); each of 8 levels has 64 slots, so that level n covers
 * 64^(n+1) ticks: 1 ms, 67 ms, 4.3 s, 4.6 min, 4.9 h, 13 d, 2.3 y, 146 y. A later time waits in the last slot of the top
 * level and is filed again when it is reached. A timer never fires early: times are rounded up to the next tick.
 *
 * Insert and remove are O(1); a timer moves down at most once a level. A 64-bit map of occupied slots per level gives the
 * next expiry in a few instructions.
 */
#ifndef WF_CORE_WHEEL_H
#define WF_CORE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/atomics.h"
#include "core/list.h"

enum { WF_WHEEL_TICK_SHIFT = 14, WF_WHEEL_LEVELS = 8, WF_WHEEL_SLOTS = 64 };

typedef struct wf_timer {
    wf_list node; /* on a slot of the wheel, or unlinked */
    _Atomic(int64_t)
        when_ns; /* absolute; written under the owner's lock; the wheel reads it while the timer is linked */
} wf_timer;

typedef struct wf_wheel {
    uint64_t tick; /* all timers due at or before this tick have been taken out */
    uint64_t occupied[WF_WHEEL_LEVELS];
    wf_list slots[WF_WHEEL_LEVELS][WF_WHEEL_SLOTS];
} wf_wheel;

void wf_wheel_init(wf_wheel *wheel, int64_t now_ns);

/* File a timer that is not linked. A time in the past fires at the next advance. */
void wf_wheel_insert(wf_wheel *wheel, wf_timer *timer, int64_t when_ns);

/* Unlink a timer; nothing happens when it is not linked. */
void wf_wheel_remove(wf_wheel *wheel, wf_timer *timer);

/* Unlink and return one timer that is due at now_ns, NULL when none is left. Call again until NULL; a caller that stops
 * earlier (to let go of its lock) loses nothing. Timers of one slot come in the order in which they were filed. */
wf_timer *wf_wheel_expire(wf_wheel *wheel, int64_t now_ns);

/* A time at or before which no timer fires, as late as the map allows (exact for the lowest occupied level); INT64_MAX
 * when the wheel is empty. */
int64_t wf_wheel_next(const wf_wheel *wheel);

/* The time at which the wheel stands: the latest that it was asked to expire, rounded down. What is due by then comes out of
 * wf_wheel_expire whatever time that is given. */
static inline int64_t wf_wheel_now(const wf_wheel *wheel)
{
    return (int64_t)(wheel->tick << WF_WHEEL_TICK_SHIFT);
}

static inline bool wf_timer_is_linked(const wf_timer *timer)
{
    return wf_list_is_linked(&timer->node);
}

#endif
