/* A bare timer wheel, for the limit programs: one round of slots that reaches a little over a second ahead, a doubly
 * linked list in each, no locks, no levels. */
#ifndef BENCH_WHEEL_H
#define BENCH_WHEEL_H

#include <stdint.h>

#include "bench/bench.h"

enum {
    WHEEL_TICK_SHIFT = 16, /* a tick is 65,536 ns */
    WHEEL_SLOTS = 1 << 14  /* 1.07 s */
};

typedef struct wheel_timer {
    struct wheel_timer *next;
    struct wheel_timer *previous;
    int64_t due_ns;
    int64_t late_ns; /* set when it has fired */
} wheel_timer;

typedef struct wheel {
    wheel_timer slots[WHEEL_SLOTS]; /* heads: only next and previous count */
    int64_t tick;                   /* the first that has not been looked at */
} wheel;

static inline void wheel_init(wheel *w)
{
    for (int i = 0; i < WHEEL_SLOTS; i++)
        w->slots[i].next = w->slots[i].previous = &w->slots[i];
    w->tick = bench_now_ns() >> WHEEL_TICK_SHIFT;
}

/* due_ns lies in the future, by a second at most. It goes into the tick after its own, when it is surely over. */
static inline void wheel_add(wheel *w, wheel_timer *t, int64_t due_ns)
{
    wheel_timer *head = &w->slots[((due_ns >> WHEEL_TICK_SHIFT) + 1) % WHEEL_SLOTS];

    t->due_ns = due_ns;
    t->next = head->next;
    t->previous = head;
    head->next->previous = t;
    head->next = t;
}

static inline void wheel_remove(wheel_timer *t)
{
    t->previous->next = t->next;
    t->next->previous = t->previous;
}

/* Fire all whose tick has come; returns how many. */
static inline uint64_t wheel_advance(wheel *w, int64_t now_ns)
{
    uint64_t fired = 0;

    for (; w->tick <= now_ns >> WHEEL_TICK_SHIFT; w->tick++) {
        wheel_timer *head = &w->slots[w->tick % WHEEL_SLOTS];

        for (wheel_timer *t = head->next; t != head; t = t->next) {
            t->late_ns = now_ns - t->due_ns;
            fired++;
        }
        head->next = head->previous = head;
    }
    return fired;
}

#endif
