/* Hierarchical timer wheel: where a timer is filed, and how it comes down.
 *
 * Write the tick of the wheel and the tick of a timer as digits to the base 64. A timer is filed at the level of the most
 * significant digit in which the two differ, in the slot which that digit of its own tick names. It follows that
 *
 *   - all timers of a level lie within the present slot of the level above, so the lowest occupied level holds the
 *     earliest timers, and its first occupied slot is what happens next;
 *   - at level n > 0 the occupied slots all come after the present one; when the wheel's tick reaches the beginning of
 *     such a slot, its timers agree with the wheel in that digit too, and move down at least one level;
 *   - the wheel's tick passes no occupied slot, so the level and the slot of a timer never change while it is filed.
 *
 * Level 0 alone may hold timers in the present slot: those that are due. A time in the past is filed there.
 *
 * The top level has no digit above it: slot 63 holds everything from its beginning on, for ever. When the wheel has come
 * that far, the slot is gone through once for each step of the top digit (2.3 years).
 */
#include "core/wheel.h"

#include <string.h>

enum { SLOT_BITS = 6, SLOT_MASK = WF_WHEEL_SLOTS - 1, TOP = WF_WHEEL_LEVELS - 1, NO_LEVEL = -1 };

/* The first tick that begins at or after a time. */
static uint64_t round_up(int64_t when_ns)
{
    if (when_ns <= 0)
        return 0;
    return ((uint64_t)when_ns + (1u << WF_WHEEL_TICK_SHIFT) - 1) >> WF_WHEEL_TICK_SHIFT;
}

/* The last tick that has begun at a time. */
static uint64_t round_down(int64_t now_ns)
{
    return now_ns <= 0 ? 0 : (uint64_t)now_ns >> WF_WHEEL_TICK_SHIFT;
}

static unsigned digit(uint64_t tick, int level)
{
    return (unsigned)(tick >> (level * SLOT_BITS)) & SLOT_MASK;
}

/* As digit, but slot 63 of the top level stands for all that comes later. */
static unsigned slot_of(uint64_t tick, int level)
{
    if (level < TOP)
        return digit(tick, level);
    uint64_t top = tick >> (TOP * SLOT_BITS);
    return top < SLOT_MASK ? (unsigned)top : SLOT_MASK;
}

static int level_of(uint64_t wheel_tick, uint64_t tick)
{
    uint64_t differ = (wheel_tick ^ tick) | 1; /* | 1: the present slot belongs to level 0 */
    int level = (63 - __builtin_clzll(differ)) / SLOT_BITS;
    return level < TOP ? level : TOP;
}

static void file(wf_wheel *wheel, wf_timer *timer)
{
    uint64_t tick = round_up(wf_load_relaxed(&timer->when_ns)); /* relaxed: the owner's lock is held */
    if (tick < wheel->tick)
        tick = wheel->tick;
    int level = level_of(wheel->tick, tick);
    unsigned slot = slot_of(tick, level);
    wf_list_push_back(&wheel->slots[level][slot], &timer->node);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

/* Unlink; when that was the last one of its slot, the list's head, now alone, tells which slot. */
static void unfile(wf_wheel *wheel, wf_timer *timer)
{
    wf_list *neighbour = timer->node.next;
    wf_list_remove(&timer->node);
    if (neighbour->next != neighbour)
        return;
    unsigned index = (unsigned)(neighbour - &wheel->slots[0][0]);
    wheel->occupied[index / WF_WHEEL_SLOTS] &= ~(UINT64_C(1) << index % WF_WHEEL_SLOTS);
}

static int lowest_occupied(const wf_wheel *wheel)
{
    for (int level = 0; level < WF_WHEEL_LEVELS; level++)
        if (wheel->occupied[level] != 0)
            return level;
    return NO_LEVEL;
}

/* The tick at which the first occupied slot of a level begins. */
static uint64_t slot_begin(const wf_wheel *wheel, int level)
{
    unsigned shift = (unsigned)level * SLOT_BITS;
    unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
    if (level == TOP) {
        /* Only slot 63 can lie behind: what is left in it comes after the present step of the top digit. */
        uint64_t after = (wheel->tick >> shift) + 1;
        return (slot > after ? slot : after) << shift;
    }
    uint64_t above = wheel->tick >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
    return above | (uint64_t)slot << shift;
}

/* The wheel's tick has reached the beginning of a slot above level 0: file its timers again, in the same order. */
static void move_down(wf_wheel *wheel, int level)
{
    unsigned slot = slot_of(wheel->tick, level);
    wf_list *head = &wheel->slots[level][slot];
    wf_list moving;
    wf_list_init(&moving);
    /* Take the whole list off first: in the last slot of the top level some of them are filed again. */
    wf_list_insert_before(head, &moving);
    wf_list_remove(head);
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    wf_list *node;
    while ((node = wf_list_pop_front(&moving)) != NULL)
        file(wheel, wf_container_of(node, wf_timer, node));
}

/* Go on to the next occupied slot that begins at or before `limit`. False: there is none, and the wheel stands at limit. */
static bool advance(wf_wheel *wheel, uint64_t limit)
{
    int level = lowest_occupied(wheel);
    uint64_t next = level == NO_LEVEL ? UINT64_MAX : slot_begin(wheel, level);
    if (next > limit) {
        if (wheel->tick < limit)
            wheel->tick = limit;
        return false;
    }
    wheel->tick = next;
    if (level > 0)
        move_down(wheel, level);
    return true;
}

void wf_wheel_init(wf_wheel *wheel, int64_t now_ns)
{
    memset(wheel, 0, sizeof *wheel); /* a zero list head is an empty list */
    wheel->tick = round_down(now_ns);
}

void wf_wheel_insert(wf_wheel *wheel, wf_timer *timer, int64_t when_ns)
{
    /* relaxed: as in file; an owner who looks without the lock orders it himself */
    wf_store_relaxed(&timer->when_ns, when_ns);
    file(wheel, timer);
}

void wf_wheel_remove(wf_wheel *wheel, wf_timer *timer)
{
    if (wf_timer_is_linked(timer))
        unfile(wheel, timer);
}

wf_timer *wf_wheel_expire(wf_wheel *wheel, int64_t now_ns)
{
    uint64_t limit = round_down(now_ns);
    for (;;) {
        unsigned present = digit(wheel->tick, 0);
        if (wheel->occupied[0] >> present & 1) {
            wf_timer *timer = wf_container_of(wheel->slots[0][present].next, wf_timer, node);
            unfile(wheel, timer);
            return timer;
        }
        if (!advance(wheel, limit))
            return NULL;
    }
}

int64_t wf_wheel_next(const wf_wheel *wheel)
{
    int level = lowest_occupied(wheel);
    if (level == NO_LEVEL)
        return INT64_MAX;
    uint64_t tick = slot_begin(wheel, level);
    if (tick > (uint64_t)INT64_MAX >> WF_WHEEL_TICK_SHIFT)
        return INT64_MAX;
    return (int64_t)(tick << WF_WHEEL_TICK_SHIFT);
}
