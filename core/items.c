/* See core/items.h. */
#include "core/items.h"

#include <string.h>

#include "core/alloc.h"

/* Before each item of a heap. */
typedef struct rank {
    int64_t priority;
    uint64_t age; /* grows with each put */
} rank;

void wf_items_init(wf_items *items, enum wf_items_order order, size_t item_size)
{
    *items = (wf_items){.order = order, .item_size = item_size, .stride = item_size};
    if (order == WF_ITEMS_PRIORITY)
        items->stride = sizeof(rank) + (item_size + sizeof(rank) - 1) / sizeof(rank) * sizeof(rank);
}

unsigned char *wf_items_make_slots(const wf_items *items, size_t capacity)
{
    size_t size;
    if (__builtin_mul_overflow(items->stride, capacity, &size) || size > PTRDIFF_MAX)
        return NULL;
    return wf_alloc(size);
}

static unsigned char *slot(const wf_items *items, size_t index)
{
    return items->slots + index * items->stride;
}

/* FIFO: of the item so far behind the oldest. */
static unsigned char *ring_slot(const wf_items *items, size_t index)
{
    size_t i = items->first + index;
    return slot(items, i < items->capacity ? i : i - items->capacity);
}

unsigned char *wf_items_use_slots(wf_items *items, unsigned char *slots, size_t capacity)
{
    unsigned char *old = items->slots;
    for (size_t i = 0; i < items->count; i++) /* where it is no ring, `first` is 0 */
        memcpy(slots + i * items->stride, ring_slot(items, i), items->stride);
    items->slots = slots;
    items->capacity = capacity;
    items->first = 0;
    return old;
}

/* ---- the heap ---- */

static bool is_before(const wf_items *items, size_t a, size_t b)
{
    const rank *x = (const void *)slot(items, a), *y = (const void *)slot(items, b);
    return x->priority != y->priority ? x->priority < y->priority : x->age < y->age;
}

static void swap(wf_items *items, size_t a, size_t b)
{
    uint64_t *x = (void *)slot(items, a), *y = (void *)slot(items, b);
    for (size_t i = 0; i < items->stride / sizeof(*x); i++) {
        uint64_t word = x[i];
        x[i] = y[i];
        y[i] = word;
    }
}

static void sift_up(wf_items *items, size_t at)
{
    for (size_t parent; at > 0 && is_before(items, at, parent = (at - 1) / 2); at = parent)
        swap(items, at, parent);
}

static void sift_down(wf_items *items, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < items->count && is_before(items, child + 1, child))
            child++;
        if (child >= items->count || !is_before(items, child, at))
            return;
        swap(items, at, child);
        at = child;
    }
}

/* ---- putting and taking ---- */

void wf_items_put(wf_items *items, const void *item, int64_t priority)
{
    size_t at = items->count++;
    if (items->order != WF_ITEMS_PRIORITY) {
        memcpy(ring_slot(items, at), item, items->item_size);
        return;
    }
    *(rank *)(void *)slot(items, at) = (rank){priority, items->put_so_far++};
    memcpy(slot(items, at) + sizeof(rank), item, items->item_size);
    sift_up(items, at);
}

const void *wf_items_first(const wf_items *items)
{
    switch (items->order) {
    case WF_ITEMS_FIFO:
        return ring_slot(items, 0);
    case WF_ITEMS_LIFO:
        return slot(items, items->count - 1);
    case WF_ITEMS_PRIORITY:
        break;
    }
    return slot(items, 0) + sizeof(rank);
}

void wf_items_take(wf_items *items, void *to)
{
    if (to != NULL)
        memcpy(to, wf_items_first(items), items->item_size);
    items->count--;
    if (items->order == WF_ITEMS_FIFO) {
        items->first = items->first + 1 < items->capacity ? items->first + 1 : 0;
    } else if (items->order == WF_ITEMS_PRIORITY && items->count > 0) {
        swap(items, 0, items->count);
        sift_down(items, 0);
    }
}

size_t wf_items_clear(wf_items *items)
{
    size_t count = items->count;
    items->count = 0;
    items->first = 0;
    return count;
}
