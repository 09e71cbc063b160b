/* A store of items by value: the oldest first, the newest first, or the one of the lowest priority first. It knows of no locks and
 * no coroutines; its user has the lock.
 *
 * It does not allocate where it is put into: the user makes larger slots first, outside of its lock, and then moves the
 * items over.
 */
#ifndef WF_CORE_ITEMS_H
#define WF_CORE_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wf_items_order {
    WF_ITEMS_FIFO,
    WF_ITEMS_LIFO,
    WF_ITEMS_PRIORITY, /* lowest first; among equals the oldest */
};

typedef struct wf_items {
    enum wf_items_order order;
    size_t item_size;     /* bytes */
    size_t stride;        /* bytes of a slot */
    size_t capacity;      /* slots */
    size_t count;         /* items */
    size_t first;         /* FIFO: slot of the oldest */
    uint64_t put_so_far;  /* PRIORITY: what tells the age */
    unsigned char *slots; /* FIFO: a ring; LIFO: a stack; PRIORITY: a binary heap, each with its rank before it */
} wf_items;

/* Without slots. */
void wf_items_init(wf_items *items, enum wf_items_order order, size_t item_size);

/* Memory for so many slots of this store; NULL: none, or the product overflows. */
unsigned char *wf_items_make_slots(const wf_items *items, size_t capacity);

/* Move the items into larger slots; returns the old ones (or NULL), for the caller to free with wf_free. */
unsigned char *wf_items_use_slots(wf_items *items, unsigned char *slots, size_t capacity);

static inline bool wf_items_is_full(const wf_items *items)
{
    return items->count == items->capacity;
}

/* Copy an item in. Not full. `priority` counts where the order is by that. */
void wf_items_put(wf_items *items, const void *item, int64_t priority);

/* The one that is next. Not empty. */
const void *wf_items_first(const wf_items *items);

/* Take that out, into `to` unless that is NULL. Not empty. */
void wf_items_take(wf_items *items, void *to);

/* Drop all; returns how many there were. */
size_t wf_items_clear(wf_items *items);

#endif
