/* Stacks for coroutines: guarded, recycled, bound at first run.
 *
 * A stack is a span of 2^n bytes (a class) in a slab of address space that costs nothing until it is touched. Its lowest
 * pages are the guard; the wf_stack descriptor sits at its very top, in the page that the first frame touches anyway, and
 * below it the usable top, coloured by steps of 64 bytes so that many parked coroutines do not fight for the same cache sets.
 *
 * Guards: MADV_GUARD_INSTALL (Linux 6.13) needs no mapping of its own. Where the kernel lacks it, mprotect, each of which
 * splits a mapping; when vm.max_map_count comes near, wf_stack_new fails with NULL rather than hand out an unguarded
 * stack, unless the configuration says none.
 *
 * Each worker keeps a LIFO cache per class (wf_stack_cache); behind the caches is one locked pool. A stack in a cache keeps its
 * pages; one that goes back to the pool gives them back to the kernel, and its descriptor with them.
 *
 * Any thread may call these functions, each with a cache of its own or with none. A stack may be freed into another
 * cache than it came from.
 */
#ifndef WF_CORE_STACK_H
#define WF_CORE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/atomics.h"
#include "core/compiler.h"
#include "core/list.h"

/* 16 KiB … 8 MiB in powers of two. */
enum {
    WF_STACK_SHIFT_MIN = 14,
    WF_STACK_SHIFT_MAX = 23,
    WF_STACK_CLASSES = WF_STACK_SHIFT_MAX - WF_STACK_SHIFT_MIN + 1
};

#define WF_STACK_SIZE_MAX ((size_t)1 << WF_STACK_SHIFT_MAX)

/* The values of enum weft_guard, in the same order. */
enum wf_stack_guard { WF_GUARD_AUTO, WF_GUARD_MADVISE, WF_GUARD_MPROTECT, WF_GUARD_NONE };

struct wf_slab;
struct wf_strand;

/* Everything but next and the last three fields is set when the stack is made and stays. */
typedef struct wf_stack {
    union {
        struct wf_stack *next;    /* in a cache */
        struct wf_strand *strand; /* in use: whose body runs on it (core/strand.h); NULL: a coroutine's own */
    };
    char *base;           /* lowest address of the span: the guard begins here */
    char *top;            /* where the first frame goes: below this descriptor, coloured, 64-byte aligned */
    struct wf_slab *slab; /* slab.c: where it goes back to */
    uint32_t size;        /* bytes of the span, guard and descriptor included */
    uint32_t guard_size;  /* bytes of the guard: the usable part begins at base + guard_size */
    uint32_t valgrind_id; /* core/stack_tools.h */
    uint8_t stack_class;
    bool used;          /* it has run something since it was last clean */
    uint16_t forks;     /* belongs to what runs on it, which leaves it zero: sched/forks.c */
    void *sanitizer[2]; /* core/fiber.h: what a sanitizer keeps for the stack. Unbound before wf_stack_free, where the
                         * descriptor may be forgotten */
} wf_stack;

/* All zero is an empty one. Before its memory goes: wf_stack_cache_flush. */
typedef struct wf_stack_cache {
    /* owner: */
    wf_stack *free[WF_STACK_CLASSES];
    uint32_t count[WF_STACK_CLASSES];
    uint32_t
        limit[WF_STACK_CLASSES]; /* of count: then it is looked how many may be kept. 0 until the first one was freed */
    bool known;                  /* on the list of all caches */
    /* owner writes, anybody reads: */
    _Atomic(int64_t) live; /* handed out by this cache less those taken back; negative when others' stacks end here */
    /* lock of the list of caches: */
    wf_list node;
} wf_stack_cache;

/* The class whose spans have at least `size` bytes, guard and descriptor included: stack sizes are sizes of address space.
 * Room for a few frames is always left, so that tiny sizes, and large pages, lead to a larger class. -1: over 8 MiB. */
int wf_stack_class(size_t size);

/* Bytes that frames may use in a stack of this class, at least: its span without guard, descriptor and colouring. */
size_t wf_stack_usable(int stack_class);

/* Choose the kind of guard. AUTO probes the kernel. 0, or -ENOSYS when the kind asked for is not to be had. The last call
 * decides for the stacks made from then on; where nobody called, the first wf_stack_new chooses AUTO. */
int wf_stack_init(enum wf_stack_guard guard);

/* The kind in use, for WEFT_PRINT_CONFIG. AUTO: not chosen yet. */
enum wf_stack_guard wf_stack_guard_in_use(void);

WF_INLINE void wf_stack_count_live(wf_stack_cache *cache, int change)
{
    /* relaxed: a counter, by which nothing is published; only the owner writes it. */
    wf_store_relaxed(&cache->live, wf_load_relaxed(&cache->live) + change);
}

wf_stack *wf_stack_new_slowly(wf_stack_cache *cache, int stack_class);
void wf_stack_free_slowly(wf_stack_cache *cache, wf_stack *stack, bool wipe);

/* A guarded stack from the cache, the pool or a new slab. `cache` may be NULL. NULL: no memory, or no more guards. */
WF_INLINE wf_stack *wf_stack_new(wf_stack_cache *cache, int stack_class)
{
    wf_stack *stack = cache == NULL ? NULL : cache->free[stack_class];
    if (wf_unlikely(stack == NULL))
        return wf_stack_new_slowly(cache, stack_class);
    cache->free[stack_class] = stack->next;
    cache->count[stack_class]--;
    stack->used = true;
    wf_stack_count_live(cache, 1);
    return stack;
}

/* Hand it back; nothing may run on it any more. `wipe` zeroes what was used first (.secret). */
WF_INLINE void wf_stack_free(wf_stack_cache *cache, wf_stack *stack, bool wipe)
{
    int stack_class = stack->stack_class;
    if (wf_unlikely(wipe || cache == NULL || cache->count[stack_class] + 1 >= cache->limit[stack_class])) {
        wf_stack_free_slowly(cache, stack, wipe);
        return;
    }
    stack->next = cache->free[stack_class];
    cache->free[stack_class] = stack;
    cache->count[stack_class]++;
    wf_stack_count_live(cache, -1);
}

/* Everything the cache holds goes to the pool (a worker ends, or memory is short). Owner only. */
void wf_stack_cache_flush(wf_stack_cache *cache);

/* The owner has nothing to do: some of what the cache holds beyond its part goes to the pool, some 40 µs worth. True: call it again
 * if there still is nothing to do. Owner only. */
bool wf_stack_cache_shed(wf_stack_cache *cache);

/* Give the pages below `sp` of a parked stack back to the kernel; they read as zero afterwards. */
void wf_stack_trim(wf_stack *stack, const void *sp);

/* Does `address` lie in the guard of some stack? Async-signal-safe. Fills in the span's bounds (either may be NULL). */
bool wf_stack_guard_hit(const void *address, char **base, size_t *size);

/* How many are handed out at the moment, over all classes: zero when a runtime has stopped. A snapshot while others run. */
size_t wf_stack_live(void);

/* Around fork(2): so that the child does not inherit the pools in the middle of a change by another thread. */
void wf_stack_fork_lock(void);
void wf_stack_fork_unlock(void);

#endif
