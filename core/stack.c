/* Stacks: slabs of address space, spans in them, and two layers in front: the pool and the callers' caches.
 *
 *   slab    64 MiB (or 64 spans, if that is more) of mmap(NORESERVE), all of it stacks of one class. Its header, struct
 *           wf_slab, lies elsewhere, among other headers: at the slab it would keep a page, and a page of tables, present
 *   pool    per kind of guard and class: the slabs that have a free span. Spans are taken lowest address first, so that
 *           slabs at the back run empty
 *   cache   per worker and class: stacks that keep their pages and descriptors
 *
 * Where the free ones are kept. The descriptor is in the page that has to go back to the kernel, so a free span has none:
 * the slab has a bit for it, and the descriptor is written anew when the span is handed out. That page is touched then
 * anyway. Keeping a list through the free stacks would have kept one page of each: 4 GiB for a million.
 *
 * What goes back, and when. A stack that leaves a cache for the pool gives up its pages; half a cache goes at once,
 * neighbours in one madvise (230 ns a stack in runs of 32 against 1.5 µs one by one, measured). Page tables stay, 512
 * bytes for each 256 KiB, because guard markers live in them. So a slab that has become free as a whole is mapped afresh
 * in place, which frees the tables too (230 ns a stack), unless it is the only such slab of its pool: that one stays warm.
 * The address range itself stays ours for ever, so that the list of slabs, which a signal handler reads, only grows.
 *
 * Guards are installed when a span is first handed out, and stay until the slab is mapped afresh: MADV_DONTNEED leaves
 * both kinds alone.
 */
#include "core/stack.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/futex.h"
#include "core/lock.h"
#include "core/stack_tools.h"
#include "core/syscall.h"

enum {
    MADVISE_GUARD_INSTALL = 102, /* MADV_GUARD_INSTALL, Linux 6.13 */
    DESCRIPTOR = 64,             /* bytes at the top of a span */
    /* Two parked stacks share cache sets when their tops lie at the same offset in a page. 24 steps of 64 bytes: switching
     * among 100,000 stacks costs 28–33 ns a switch with 1 colour, 27 with 8, 21 with 16, 19 with 24, 19 with 32 (four lines
     * touched; the gain ends at 24). It leaves 4096 - 64 - 23 * 64 = 2560 bytes of the first page to the frames of a
     * parked coroutine. */
    COLOURS = 24,
    COLOUR_STEP = 64,
    LEAST_USABLE = 4096,
    RED_ZONE = 128, /* a leaf function may use as much below its stack pointer (x86-64) */
    SLAB_SHIFT = 26,
    SLAB_LEAST_SPANS = 64,
    SLAB_ALIGNMENT = 1 << 21,   /* what one page of page tables covers */
    HEADERS_SIZE = 1 << 16,     /* mapped at a time for headers: those of about 500 slabs of 256 KiB stacks */
    CACHE_LIMIT = 64,           /* stacks per class in a cache ... */
    CACHE_LIMIT_SHIFT = 24,     /* ... and at most 16 MiB of address space */
    IDLE_SLABS = 1,             /* wholly free slabs per pool that stay warm */
    MAPPINGS_LEFT_ALONE = 2048, /* of vm.max_map_count, for the rest of the program */
    MAPPINGS_DEFAULT = 65530,
};

struct pool {
    wf_lock lock;
    wf_list slabs; /* those with a free span; wholly free ones at the back */
    unsigned idle; /* wholly free slabs that still have guards and page tables */
};

typedef struct wf_slab {
    /* fixed: */
    struct wf_slab *older; /* the list of all slabs */
    struct pool *pool;
    char *spans;
    uint32_t count;
    uint32_t guard_size;
    uint64_t *guarded; /* bits: has its guard; with WF_GUARD_NONE: was handed out. The bits, not the pointer: lock */
    uint8_t stack_class;
    uint8_t guard;
    /* lock pool->lock: */
    wf_list node; /* pool->slabs, while free_count > 0 */
    uint32_t free_count;
    uint32_t opened; /* bits set in `guarded` */
    uint64_t free[]; /* bits; those of `guarded` follow */
} wf_slab;

static_assert(sizeof(wf_stack) == DESCRIPTOR, "the descriptor is one cache line");
static_assert(sizeof(wf_slab) + (2 << (SLAB_SHIFT - WF_STACK_SHIFT_MIN)) / 8 <= HEADERS_SIZE, "a header fits");

static struct pool pools[WF_GUARD_NONE + 1][WF_STACK_CLASSES];
static _Atomic(wf_slab *) slabs;     /* newest first; grows only */
static _Atomic(uint32_t) guard_kind; /* enum wf_stack_guard; AUTO: not chosen yet */
static _Atomic(int64_t) mprotect_guards;
static int64_t mprotect_guards_most; /* published by guard_kind */
static wf_lock headers_lock;
static char *headers; /* lock headers_lock: room for the next header */
static size_t headers_left;
static wf_lock caches_lock;
static wf_list caches;                  /* lock caches_lock */
static _Atomic(int64_t) live_elsewhere; /* handed out without a cache, or by caches that are gone */

/* ---- sizes ---- */

static size_t span_size(int stack_class)
{
    return (size_t)1 << (stack_class + WF_STACK_SHIFT_MIN);
}

static size_t page_size(void)
{
    return (size_t)getpagesize();
}

/* 16 KiB stop any frame up to that size that was compiled without stack probes; a 16 or 32 KiB stack cannot spare it. */
static size_t guard_size(int stack_class)
{
    size_t size = span_size(stack_class) >= 64 << 10 ? 16 << 10 : 4 << 10;
    return size < page_size() ? page_size() : size;
}

size_t wf_stack_usable(int stack_class)
{
    size_t taken = guard_size(stack_class) + DESCRIPTOR + (COLOURS - 1) * COLOUR_STEP;
    return span_size(stack_class) < taken ? 0 : span_size(stack_class) - taken;
}

int wf_stack_class(size_t size)
{
    for (int stack_class = 0; stack_class < WF_STACK_CLASSES; stack_class++)
        if (span_size(stack_class) >= size && wf_stack_usable(stack_class) >= LEAST_USABLE)
            return stack_class;
    return -1;
}

/* ---- system calls ---- */

static char *map(void *at, size_t size, int fixed)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | fixed;
    long result = wf_syscall6(SYS_mmap, (long)at, (long)size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return result < 0 && result > -4096 ? NULL : (char *)result;
}

static void unmap(void *at, size_t size)
{
    if (size > 0)
        wf_syscall3(SYS_munmap, at, size, 0);
}

static int advise(void *at, size_t size, int advice)
{
    return (int)wf_syscall3(SYS_madvise, at, size, advice);
}

/* vm.max_map_count. Each mprotect guard makes two mappings out of one. */
static int64_t read_mprotect_budget(void)
{
    char text[24] = "";
    int64_t mappings = 0;
    long fd = wf_syscall4(SYS_openat, AT_FDCWD, "/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC, 0);
    if (fd >= 0) {
        wf_syscall3(SYS_read, fd, text, sizeof text - 1);
        wf_syscall3(SYS_close, fd, 0, 0);
    }
    for (const char *c = text; *c >= '0' && *c <= '9' && mappings < INT32_MAX; c++)
        mappings = mappings * 10 + (*c - '0');
    if (mappings == 0)
        mappings = MAPPINGS_DEFAULT;
    return mappings > MAPPINGS_LEFT_ALONE ? (mappings - MAPPINGS_LEFT_ALONE) / 2 : 0;
}

/* ---- guards ---- */

/* An emulated kernel may say yes to advice that it does not know and do nothing (qemu-user), so it is also asked to read there. */
static bool kernel_has_guards(void)
{
    char *page = map(NULL, page_size(), 0);
    if (page == NULL)
        return false;
    bool works = advise(page, page_size(), MADVISE_GUARD_INSTALL) == 0 &&
                 wf_futex_wait((_Atomic(uint32_t) *)(void *)page, 1, 0) == -EFAULT;
    unmap(page, page_size());
    return works;
}

int wf_stack_init(enum wf_stack_guard guard)
{
    bool probed = guard == WF_GUARD_AUTO || guard == WF_GUARD_MADVISE;
    bool works = probed && kernel_has_guards();
    if (guard == WF_GUARD_MADVISE && !works)
        return -ENOSYS;
    if (guard == WF_GUARD_AUTO)
        guard = works ? WF_GUARD_MADVISE : WF_GUARD_MPROTECT;
    if (wf_stack_guard_in_use() == guard)
        return 0;
    if (guard == WF_GUARD_MPROTECT)
        mprotect_guards_most = read_mprotect_budget();
    /* ORDER(stack-guard): pairs with wf_stack_guard_in_use, which publishes mprotect_guards_most. */
    wf_store_release(&guard_kind, guard);
    return 0;
}

enum wf_stack_guard wf_stack_guard_in_use(void)
{
    /* ORDER(stack-guard): pairs with wf_stack_init. */
    return (enum wf_stack_guard)wf_load_acquire(&guard_kind);
}

static bool protect(char *base, size_t size)
{
    /* relaxed: a counter; nothing is published by it. */
    if (wf_fetch_add_relaxed(&mprotect_guards, 1) < mprotect_guards_most &&
        wf_syscall3(SYS_mprotect, base, size, PROT_NONE) == 0)
        return true;
    wf_fetch_sub_relaxed(&mprotect_guards, 1); /* relaxed: as above */
    return false;
}

static bool install_guard(const wf_slab *slab, char *base)
{
    switch (slab->guard) {
    case WF_GUARD_MADVISE:
        return advise(base, slab->guard_size, MADVISE_GUARD_INSTALL) == 0;
    case WF_GUARD_MPROTECT:
        return protect(base, slab->guard_size);
    default:
        return true;
    }
}

bool wf_stack_guard_hit(const void *address, char **base, size_t *size)
{
    uintptr_t at = (uintptr_t)address;
    /* ORDER(slab-list): pairs with publish_slab: the fixed fields of every slab on the list can be read. */
    for (const wf_slab *slab = wf_load_acquire(&slabs); slab != NULL; slab = slab->older) {
        size_t span = span_size(slab->stack_class);
        uintptr_t offset = at - (uintptr_t)slab->spans; /* below the first span: huge */
        if (offset >= slab->count * span)
            continue;
        if (offset % span >= slab->guard_size)
            return false;
        if (base != NULL)
            *base = slab->spans + offset / span * span;
        if (size != NULL)
            *size = span;
        return true;
    }
    return false;
}

/* ---- slabs ---- */

/* Address space aligned so that a span never straddles two pages of page tables without need. */
static char *map_aligned(size_t size)
{
    char *area = map(NULL, size + SLAB_ALIGNMENT, 0);
    if (area == NULL)
        return NULL;
    size_t before = -(uintptr_t)area % SLAB_ALIGNMENT;
    unmap(area, before);
    unmap(area + before + size, SLAB_ALIGNMENT - before);
    return area + before;
}

static void publish_slab(wf_slab *slab)
{
    slab->older = wf_load_relaxed(&slabs); /* relaxed: only its address is used, and the CAS decides */
    /* ORDER(slab-list): pairs with wf_stack_guard_hit. */
    while (!wf_cas_release(&slabs, &slab->older, slab))
        continue;
}

/* Zeroed memory for a header, for ever. NULL: no memory. */
static wf_slab *header_new(uint32_t count)
{
    size_t size = sizeof(wf_slab) + 2 * ((count + 63) / 64) * sizeof(uint64_t);
    wf_lock_take(&headers_lock);
    if (headers_left < size) {
        headers = map(NULL, HEADERS_SIZE, 0);
        headers_left = headers == NULL ? 0 : HEADERS_SIZE;
    }
    wf_slab *slab = NULL;
    if (headers_left >= size) {
        slab = (wf_slab *)(void *)headers;
        headers += size;
        headers_left -= size;
    }
    wf_unlock(&headers_lock);
    return slab;
}

/* Address space for spans, `*size` bytes or, where it is short (RLIMIT_AS), fewer. */
static char *map_spans(size_t span, size_t *size)
{
    char *area = NULL;
    for (; *size >= span; *size /= 2)
        if ((area = map_aligned(*size)) != NULL)
            break;
    return area;
}

static wf_slab *slab_new(enum wf_stack_guard guard, int stack_class)
{
    size_t span = span_size(stack_class);
    size_t size = (size_t)1 << SLAB_SHIFT;
    if (size < span * SLAB_LEAST_SPANS)
        size = span * SLAB_LEAST_SPANS;
    char *area = map_spans(span, &size);
    if (area == NULL)
        return NULL;
    uint32_t count = (uint32_t)(size / span);
    wf_slab *slab = header_new(count);
    if (slab == NULL) {
        unmap(area, size);
        return NULL;
    }
    advise(area, size, MADV_NOHUGEPAGE);
    slab->pool = &pools[guard][stack_class];
    slab->spans = area;
    slab->count = count;
    slab->free_count = count;
    slab->guarded = slab->free + (count + 63) / 64;
    slab->guard = (uint8_t)guard;
    slab->guard_size = guard == WF_GUARD_NONE ? 0 : (uint32_t)guard_size(stack_class);
    slab->stack_class = (uint8_t)stack_class;
    for (uint32_t i = 0; i < count; i++)
        slab->free[i / 64] |= UINT64_C(1) << i % 64;
    publish_slab(slab);
    return slab;
}

/* A wholly free slab that is on no list: give back everything but its address range. */
static void map_afresh(wf_slab *slab)
{
    size_t size = slab->count * span_size(slab->stack_class);
    if (map(slab->spans, size, MAP_FIXED) == NULL)
        return; /* no memory for that: it stays as it is, guards and all */
    advise(slab->spans, size, MADV_NOHUGEPAGE);
    if (slab->guard == WF_GUARD_MPROTECT)
        wf_fetch_sub_relaxed(&mprotect_guards, slab->opened); /* relaxed: a counter */
    memset(slab->guarded, 0, (slab->count + 63) / 64 * sizeof(uint64_t));
    slab->opened = 0;
}

/* ---- pool ---- */

static bool is_idle(const wf_slab *slab)
{
    return slab->free_count == slab->count && slab->opened > 0;
}

/* Take the lowest free span. Says whether it has its guard, and marks it as if it had. */
static uint32_t take_span_locked(wf_slab *slab, bool *guarded)
{
    slab->pool->idle -= is_idle(slab);
    uint32_t word = 0;
    while (slab->free[word] == 0)
        word++;
    uint64_t bit = slab->free[word] & -slab->free[word];
    slab->free[word] &= ~bit;
    if (--slab->free_count == 0)
        wf_list_remove(&slab->node);
    *guarded = (slab->guarded[word] & bit) != 0;
    slab->guarded[word] |= bit;
    slab->opened += !*guarded;
    return word * 64 + (uint32_t)__builtin_ctzll(bit);
}

/* Put spans back. True: the slab was taken off the list, wholly free, and is to be mapped afresh. */
static bool put_spans_locked(wf_slab *slab, uint32_t first, uint32_t count)
{
    struct pool *pool = slab->pool;
    for (uint32_t i = first; i < first + count; i++)
        slab->free[i / 64] |= UINT64_C(1) << i % 64;
    if (slab->free_count == 0)
        wf_list_push_front(&pool->slabs, &slab->node);
    slab->free_count += count;
    if (!is_idle(slab))
        return false;
    wf_list_remove(&slab->node);
    if (pool->idle >= IDLE_SLABS)
        return true;
    pool->idle++;
    wf_list_push_back(&pool->slabs, &slab->node);
    return false;
}

static void put_spans(wf_slab *slab, uint32_t first, uint32_t count)
{
    struct pool *pool = slab->pool;
    wf_lock_take(&pool->lock);
    bool leave = put_spans_locked(slab, first, count);
    wf_unlock(&pool->lock);
    if (!leave)
        return;
    map_afresh(slab);
    wf_lock_take(&pool->lock);
    pool->idle += is_idle(slab);
    wf_list_push_back(&pool->slabs, &slab->node);
    wf_unlock(&pool->lock);
}

/* The guard of a span could not be had. */
static void untake_span(wf_slab *slab, uint32_t index)
{
    struct pool *pool = slab->pool;
    wf_lock_take(&pool->lock);
    slab->guarded[index / 64] &= ~(UINT64_C(1) << index % 64);
    slab->opened--;
    wf_unlock(&pool->lock);
    put_spans(slab, index, 1);
}

/* A slab with a free span, with the pool's lock held. NULL, and the lock not held: no memory. */
static wf_slab *slab_with_room(struct pool *pool, enum wf_stack_guard guard, int stack_class)
{
    wf_lock_take(&pool->lock);
    if (wf_list_is_empty(&pool->slabs)) {
        wf_unlock(&pool->lock);
        wf_slab *slab = slab_new(guard, stack_class);
        if (slab == NULL)
            return NULL;
        wf_lock_take(&pool->lock);
        wf_list_push_back(&pool->slabs, &slab->node);
    }
    return wf_container_of(pool->slabs.next, wf_slab, node);
}

static wf_stack *describe(wf_slab *slab, uint32_t index)
{
    size_t span = span_size(slab->stack_class);
    char *base = slab->spans + index * span;
    wf_stack *stack = (wf_stack *)(void *)(base + span - DESCRIPTOR);
    *stack = (wf_stack){
        .base = base,
        .top = (char *)stack - index % COLOURS * COLOUR_STEP,
        .slab = slab,
        .size = (uint32_t)span,
        .guard_size = slab->guard_size,
        .stack_class = slab->stack_class,
        .valgrind_id = WF_VALGRIND_REGISTER(base + slab->guard_size, stack),
    };
    return stack;
}

static wf_stack *take_from_pool(int stack_class)
{
    enum wf_stack_guard guard = wf_stack_guard_in_use();
    if (guard == WF_GUARD_AUTO) {
        wf_stack_init(WF_GUARD_AUTO);
        guard = wf_stack_guard_in_use();
    }
    struct pool *pool = &pools[guard][stack_class];
    wf_slab *slab = slab_with_room(pool, guard, stack_class);
    if (slab == NULL)
        return NULL;
    bool guarded;
    uint32_t index = take_span_locked(slab, &guarded);
    wf_unlock(&pool->lock);
    if (!guarded && !install_guard(slab, slab->spans + index * span_size(stack_class))) {
        untake_span(slab, index);
        return NULL;
    }
    return describe(slab, index);
}

/* Stacks of one class, neighbours next to each other when it returns. */
static void sort_by_address(wf_stack **stacks, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        wf_stack *stack = stacks[i];
        uint32_t at = i;
        for (; at > 0 && stacks[at - 1] > stack; at--)
            stacks[at] = stacks[at - 1];
        stacks[at] = stack;
    }
}

static uint32_t run_of_neighbours(wf_stack **stacks, uint32_t count)
{
    uint32_t run = 1;
    while (run < count && stacks[run]->slab == stacks[0]->slab &&
           stacks[run]->base == stacks[run - 1]->base + stacks[0]->size)
        run++;
    return run;
}

/* Give their pages back to the kernel and them to their slabs. */
static void put_into_pool(wf_stack **stacks, uint32_t count)
{
    sort_by_address(stacks, count);
    while (count > 0) {
        wf_slab *slab = stacks[0]->slab;
        char *base = stacks[0]->base;
        size_t span = stacks[0]->size;
        uint32_t run = run_of_neighbours(stacks, count);
        for (uint32_t i = 0; i < run; i++)
            WF_VALGRIND_DEREGISTER(stacks[i]->valgrind_id);
        advise(base + slab->guard_size, run * span - slab->guard_size, MADV_DONTNEED);
        put_spans(slab, (uint32_t)((size_t)(base - slab->spans) / span), run);
        stacks += run;
        count -= run;
    }
}

/* ---- caches ---- */

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

static uint32_t cache_limit(int stack_class)
{
    size_t limit = ((size_t)1 << CACHE_LIMIT_SHIFT) / span_size(stack_class);
    return limit < CACHE_LIMIT ? (uint32_t)limit : CACHE_LIMIT;
}

/* Move all but the `keep` stacks that were freed last to the pool. */
static void spill(wf_stack_cache *cache, int stack_class, uint32_t keep)
{
    wf_stack *leaving[CACHE_LIMIT];
    uint32_t count = 0;
    wf_stack **link = &cache->free[stack_class];
    for (uint32_t i = 0; i < keep && *link != NULL; i++)
        link = &(*link)->next;
    for (wf_stack *stack = *link; stack != NULL; stack = stack->next)
        leaving[count++] = stack;
    *link = NULL;
    cache->count[stack_class] -= count;
    put_into_pool(leaving, count);
}

wf_stack *wf_stack_new_slowly(wf_stack_cache *cache, int stack_class)
{
    if (cache != NULL && !cache->known)
        make_known(cache);
    wf_stack *stack = take_from_pool(stack_class);
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
    size_t page = page_size();
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
    char *last = (char *)((uintptr_t)stack & ~(page_size() - 1));
    WF_ASAN_CLEAN(from, (size_t)((char *)stack - from));
    explicit_bzero(last, (size_t)((char *)stack - last));
    if (last > from) {
        wipe_pages(from, (size_t)(last - from) / page_size());
        /* What had been swapped out was not resident; dropped, it reads as zero too. */
        advise(from, (size_t)(last - from), MADV_DONTNEED);
    }
    stack->used = false;
}

void wf_stack_free_slowly(wf_stack_cache *cache, wf_stack *stack, bool wipe)
{
    if (wipe && stack->used)
        wipe_used(stack);
    count_live(cache, -1);
    if (cache == NULL) {
        put_into_pool(&stack, 1);
        return;
    }
    if (!cache->known)
        make_known(cache);
    int stack_class = stack->stack_class;
    stack->next = cache->free[stack_class];
    cache->free[stack_class] = stack;
    cache->limit[stack_class] = cache_limit(stack_class);
    if (++cache->count[stack_class] >= cache->limit[stack_class])
        spill(cache, stack_class, cache->limit[stack_class] / 2);
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
    uintptr_t to = ((uintptr_t)sp - RED_ZONE) & ~(page_size() - 1);
    if (to > from)
        advise((void *)from, to - from, MADV_DONTNEED);
}

size_t wf_stack_live(void)
{
    wf_lock_take(&caches_lock);
    int64_t live = wf_load_relaxed(&live_elsewhere); /* relaxed: counters */
    for (wf_list *node = caches.next; node != NULL && node != &caches; node = node->next)
        live += wf_load_relaxed(&wf_container_of(node, wf_stack_cache, node)->live); /* relaxed: a counter */
    wf_unlock(&caches_lock);
    return live < 0 ? 0 : (size_t)live;
}

/* ---- fork ---- */

void wf_stack_fork_lock(void)
{
    wf_lock_take(&caches_lock);
    for (int guard = 0; guard <= WF_GUARD_NONE; guard++)
        for (int stack_class = 0; stack_class < WF_STACK_CLASSES; stack_class++)
            wf_lock_take(&pools[guard][stack_class].lock);
    wf_lock_take(&headers_lock);
}

void wf_stack_fork_unlock(void)
{
    wf_unlock(&headers_lock);
    for (int guard = 0; guard <= WF_GUARD_NONE; guard++)
        for (int stack_class = 0; stack_class < WF_STACK_CLASSES; stack_class++)
            wf_unlock(&pools[guard][stack_class].lock);
    wf_unlock(&caches_lock);
}
