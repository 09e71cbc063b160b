/* Stacks that keep their pages: a cache per worker and class, in front of the pool (core/slab.c).
 *
 * A cache holds up to 64 stacks, or its part of an eighth of those that are in use, so that coroutines which come and go in waves do
 * not drop and touch a page each time. When it is full half of it goes to the pool. How many are in use is looked at again after
 * each 64, and when the worker is about to sleep: so memory returns as they end.
 */
#include "core/stack.h"

#include <string.h>
#include <sys/mman.h>

#include "core/lock.h"
#include "core/slab.h"
#include "core/stack_tools.h"
#include "core/syscall.h"

enum {
    CACHE_LEAST = 64,       /* stacks per class that a cache may always hold ... */
    CACHE_LEAST_SHIFT = 24, /* ... and at most 16 MiB of address space */
    CACHE_MOST = 4096,      /* when many are in use ... */
    CACHE_MOST_SHIFT = 30,  /* ... and at most 1 GiB of address space */
    CACHE_PART = 8,         /* of those in use, all caches together hold this part */
    RED_ZONE = 128,         /* a leaf function may use as much below its stack pointer (x86-64) */
};

static wf_lock caches_lock;
static wf_list caches;                  /* lock caches_lock */
static _Atomic(int64_t) live_elsewhere; /* handed out without a cache, or by caches that are gone */

static void make_known(wf_stack_cache *cache)
{
    wf_lock_take(&caches_lock);
    wf_list_push_back(&caches, &cache->node);
    cache->known = true;
    wf_unlock(&caches_lock);
}

static void make_unknown(wf_stack_cache *cache)
{
    wf_lock_take(&caches_lock);
    wf_list_remove(&cache->node);
    cache->known = false;
    /* relaxed: counters; wf_stack_live reads both under the lock. */
    wf_fetch_add_relaxed(&live_elsewhere, wf_load_relaxed(&cache->live));
    wf_store_relaxed(&cache->live, 0);
    wf_unlock(&caches_lock);
}

static void count_live(wf_stack_cache *cache, int change)
{
    if (cache == NULL)
        wf_fetch_add_relaxed(&live_elsewhere, change); /* relaxed: a counter, by which nothing is published */
    else
        wf_stack_count_live(cache, change);
}

/* Over all caches, and how many these are. A snapshot. */
static size_t count_live_stacks(uint32_t *known)
{
    *known = 0;
    wf_lock_take(&caches_lock);
    int64_t live = wf_load_relaxed(&live_elsewhere); /* relaxed: counters */
    for (wf_list *node = caches.next; node != NULL && node != &caches; node = node->next, ++*known)
        live += wf_load_relaxed(&wf_container_of(node, wf_stack_cache, node)->live); /* relaxed: a counter */
    wf_unlock(&caches_lock);
    return live < 0 ? 0 : (size_t)live;
}

static uint32_t least_limit(int stack_class)
{
    return wf_slab_fitting(CACHE_LEAST, CACHE_LEAST_SHIFT, stack_class);
}

/* How many stacks a cache may hold at this moment. */
static uint32_t cache_limit(int stack_class)
{
    uint32_t least = least_limit(stack_class);
    uint32_t known;
    size_t live = count_live_stacks(&known);
    size_t part = live / CACHE_PART / (known > 0 ? known : 1);
    uint32_t most = wf_slab_fitting(part < CACHE_MOST ? (uint32_t)part : CACHE_MOST, CACHE_MOST_SHIFT, stack_class);
    return most > least ? most : least;
}

/* Move all but the `keep` stacks that were freed last to the pool. */
static void spill(wf_stack_cache *cache, int stack_class, uint32_t keep)
{
    wf_stack *leaving[WF_PAGES_MOST];
    wf_stack **link = &cache->free[stack_class];
    for (uint32_t i = 0; i < keep && *link != NULL; i++)
        link = &(*link)->next;
    wf_stack *rest = *link;
    *link = NULL;
    while (rest != NULL) {
        uint32_t count = 0;
        for (; rest != NULL && count < WF_PAGES_MOST; rest = rest->next)
            leaving[count++] = rest;
        cache->count[stack_class] -= count;
        wf_slab_put(leaving, count);
    }
}

/* Is there too much in the cache by now? */
static void fit(wf_stack_cache *cache, int stack_class)
{
    uint32_t limit = cache_limit(stack_class);
    if (cache->count[stack_class] >= limit)
        spill(cache, stack_class, limit / 2);
    /* The next look comes soon: those in use may grow fewer. */
    uint32_t soon = cache->count[stack_class] + least_limit(stack_class);
    cache->limit[stack_class] = soon < limit ? soon : limit;
}

wf_stack *wf_stack_new_slowly(wf_stack_cache *cache, int stack_class)
{
    if (cache != NULL && !cache->known)
        make_known(cache);
    wf_stack *stack = wf_slab_take(stack_class);
    if (stack == NULL)
        return NULL;
    stack->used = true;
    count_live(cache, 1);
    return stack;
}

/* Zero those of `count` whole pages that were ever touched. */
static void wipe_pages(char *from, size_t count)
{
    unsigned char resident[256]; /* bit 0 of each: there is such a page */
    size_t page = wf_pages_size();
    for (size_t n; count > 0; count -= n, from += n * page) {
        n = count < sizeof resident ? count : sizeof resident;
        if (wf_syscall3(SYS_mincore, from, n * page, resident) != 0)
            memset(resident, 1, n);
        for (size_t i = 0; i < n; i++)
            if (resident[i] & 1)
                explicit_bzero(from + i * page, page);
    }
}

static void wipe_used(wf_stack *stack)
{
    char *from = stack->base + stack->guard_size;
    char *last = (char *)((uintptr_t)stack & ~(wf_pages_size() - 1));
    WF_ASAN_CLEAN(from, (size_t)((char *)stack - from));
    explicit_bzero(last, (size_t)((char *)stack - last));
    if (last > from) {
        wipe_pages(from, (size_t)(last - from) / wf_pages_size());
        /* What had been swapped out was not resident; dropped, it reads as zero too. */
        wf_pages_advise(from, (size_t)(last - from), MADV_DONTNEED);
    }
    stack->used = false;
}

void wf_stack_free_slowly(wf_stack_cache *cache, wf_stack *stack, bool wipe)
{
    if (wipe && stack->used)
        wipe_used(stack);
    count_live(cache, -1);
    if (cache == NULL) {
        wf_slab_put(&stack, 1);
        return;
    }
    if (!cache->known)
        make_known(cache);
    int stack_class = stack->stack_class;
    stack->next = cache->free[stack_class];
    cache->free[stack_class] = stack;
    if (++cache->count[stack_class] >= cache->limit[stack_class])
        fit(cache, stack_class);
}

/* The newest, for once: finding the oldest means walking past all. */
static void give_back_some(wf_stack_cache *cache, int stack_class, uint32_t count)
{
    wf_stack *leaving[WF_PAGES_MOST];
    for (uint32_t i = 0; i < count; i++) {
        leaving[i] = cache->free[stack_class];
        cache->free[stack_class] = leaving[i]->next;
    }
    cache->count[stack_class] -= count;
    wf_slab_put(leaving, count);
}

bool wf_stack_cache_shed(wf_stack_cache *cache)
{
    for (int stack_class = 0; stack_class < WF_STACK_CLASSES; stack_class++) {
        if (cache->count[stack_class] <= least_limit(stack_class))
            continue;
        uint32_t limit = cache_limit(stack_class);
        if (cache->count[stack_class] <= limit)
            continue;
        uint32_t surplus = cache->count[stack_class] - limit;
        give_back_some(cache, stack_class, surplus < WF_PAGES_MOST ? surplus : WF_PAGES_MOST);
        return true;
    }
    return false;
}

void wf_stack_cache_flush(wf_stack_cache *cache)
{
    for (int stack_class = 0; stack_class < WF_STACK_CLASSES; stack_class++)
        if (cache->count[stack_class] > 0)
            spill(cache, stack_class, 0);
    if (cache->known)
        make_unknown(cache);
}

void wf_stack_trim(wf_stack *stack, const void *sp)
{
    uintptr_t from = (uintptr_t)stack->base + stack->guard_size;
    uintptr_t to = ((uintptr_t)sp - RED_ZONE) & ~(wf_pages_size() - 1);
    if (to > from)
        wf_pages_advise((void *)from, to - from, MADV_DONTNEED);
}

size_t wf_stack_live(void)
{
    uint32_t known;
    return count_live_stacks(&known);
}

/* ---- fork ---- */

void wf_stack_fork_lock(void)
{
    wf_lock_take(&caches_lock);
    wf_slab_fork_lock();
}

void wf_stack_fork_unlock(void)
{
    wf_slab_fork_unlock();
    wf_unlock(&caches_lock);
}
