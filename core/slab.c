/* Slabs of address space, spans in them, and the pool of the free ones; in front of it stand the callers' caches (core/stack.c).
 *
 *   slab    64 MiB (or 64 spans, if that is more) of mmap(NORESERVE), all of it stacks of one class. Its header, struct
 *           wf_slab, lies elsewhere, among other headers: at the slab it would keep a page, and a page of tables, present
 *   pool    per kind of guard and class: the slabs that have a free span. Spans are taken lowest address first, so that
 *           slabs at the back run empty
 *
 * Where the free ones are kept. The descriptor is in the page that has to go back to the kernel, so a free span has none:
 * the slab has a bit for it, and the descriptor is written anew when the span is handed out. That page is touched then
 * anyway. Keeping a list through the free stacks would have kept one page of each: 4 GiB for a million.
 *
 * What goes back, and when. A stack that leaves a cache for the pool gives up its pages, up to 32 stacks in a system call,
 * neighbours as one range (core/pages.h has the figures). Page tables stay, 512 bytes for each 256 KiB, because guard
 * markers live in them. So a slab that has become free as a whole is mapped afresh in place, which frees the tables too
 * (230 ns a stack), unless it is the only such slab of its pool: that one stays warm.
 * The address range itself stays ours for ever, so that the list of slabs, which a signal handler reads, only grows.
 *
 * Guards are installed when a span is first handed out, for its neighbours too, and stay until the slab is mapped afresh:
 * MADV_DONTNEED leaves both kinds alone.
 */
#include "core/slab.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "core/futex.h"
#include "core/lock.h"
#include "core/pages.h"
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
    SLAB_SHIFT = 26,
    SLAB_LEAST_SPANS = 64,
    SLAB_ALIGNMENT = 1 << 21,   /* what one page of page tables covers */
    HEADERS_SIZE = 1 << 16,     /* mapped at a time for headers: those of about 500 slabs of 256 KiB stacks */
    GUARDS_AT_ONCE = 16,        /* stacks that get their guards together ... */
    GUARDS_SHIFT = 22,          /* ... at most 4 MiB of them: two page tables, come too early perhaps */
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

/* ---- sizes ---- */

/* 16 KiB stop any frame up to that size that was compiled without stack probes; a 16 or 32 KiB stack cannot spare it. */
static size_t guard_size(int stack_class)
{
    size_t size = wf_slab_span(stack_class) >= 64 << 10 ? 16 << 10 : 4 << 10;
    return size < wf_pages_size() ? wf_pages_size() : size;
}

size_t wf_stack_usable(int stack_class)
{
    size_t taken = guard_size(stack_class) + DESCRIPTOR + (COLOURS - 1) * COLOUR_STEP;
    return wf_slab_span(stack_class) < taken ? 0 : wf_slab_span(stack_class) - taken;
}

int wf_stack_class(size_t size)
{
    for (int stack_class = 0; stack_class < WF_STACK_CLASSES; stack_class++)
        if (wf_slab_span(stack_class) >= size && wf_stack_usable(stack_class) >= LEAST_USABLE)
            return stack_class;
    return -1;
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
    char *page = wf_pages_map(NULL, wf_pages_size(), 0);
    if (page == NULL)
        return false;
    bool works = wf_pages_advise(page, wf_pages_size(), MADVISE_GUARD_INSTALL) == 0 &&
                 wf_futex_wait((_Atomic(uint32_t) *)(void *)page, 1, 0) == -EFAULT;
    wf_pages_unmap(page, wf_pages_size());
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

static bool advise_guards(const wf_slab *slab, char *base, uint32_t count)
{
    struct iovec ranges[GUARDS_AT_ONCE] = {{0}};
    for (uint32_t i = 0; i < count; i++)
        ranges[i] = (struct iovec){base + i * wf_slab_span(slab->stack_class), slab->guard_size};
    return wf_pages_advise_many(ranges, count, MADVISE_GUARD_INSTALL) == 0;
}

/* Of `count` neighbours. Where it fails some may have theirs. */
static bool install_guards(const wf_slab *slab, char *base, uint32_t count)
{
    switch (slab->guard) {
    case WF_GUARD_MADVISE:
        return advise_guards(slab, base, count);
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
        size_t span = wf_slab_span(slab->stack_class);
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
    char *area = wf_pages_map(NULL, size + SLAB_ALIGNMENT, 0);
    if (area == NULL)
        return NULL;
    size_t before = -(uintptr_t)area % SLAB_ALIGNMENT;
    wf_pages_unmap(area, before);
    wf_pages_unmap(area + before + size, SLAB_ALIGNMENT - before);
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
        headers = wf_pages_map(NULL, HEADERS_SIZE, 0);
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
    size_t span = wf_slab_span(stack_class);
    size_t size = (size_t)1 << SLAB_SHIFT;
    if (size < span * SLAB_LEAST_SPANS)
        size = span * SLAB_LEAST_SPANS;
    char *area = map_spans(span, &size);
    if (area == NULL)
        return NULL;
    uint32_t count = (uint32_t)(size / span);
    wf_slab *slab = header_new(count);
    if (slab == NULL) {
        wf_pages_unmap(area, size);
        return NULL;
    }
    wf_pages_advise(area, size, MADV_NOHUGEPAGE);
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
    size_t size = slab->count * wf_slab_span(slab->stack_class);
    if (wf_pages_map(slab->spans, size, MAP_FIXED) == NULL)
        return; /* no memory for that: it stays as it is, guards and all */
    wf_pages_advise(slab->spans, size, MADV_NOHUGEPAGE);
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

/* How many spans from this one on get their guards together: free, of one word of bits, and without a guard. */
static uint32_t count_together(const wf_slab *slab, uint32_t word, uint32_t bit)
{
    uint32_t most =
        slab->guard == WF_GUARD_MADVISE ? wf_slab_fitting(GUARDS_AT_ONCE, GUARDS_SHIFT, slab->stack_class) : 1;
    uint64_t fit = (slab->free[word] & ~slab->guarded[word]) >> bit;
    uint32_t run = ~fit == 0 ? 64 : (uint32_t)__builtin_ctzll(~fit);
    return run < most ? run : most;
}

/* Take the lowest free span, and those after it that are to get guards together with it: `*unguarded` in all, marked as if they had
 * them; 0: it has one. */
static uint32_t take_spans_locked(wf_slab *slab, uint32_t *unguarded)
{
    slab->pool->idle -= is_idle(slab);
    uint32_t word = 0;
    while (slab->free[word] == 0)
        word++;
    uint32_t bit = (uint32_t)__builtin_ctzll(slab->free[word]);
    *unguarded = count_together(slab, word, bit);
    uint32_t taken = *unguarded > 0 ? *unguarded : 1;
    uint64_t bits = (~UINT64_C(0) >> (64 - taken)) << bit;
    slab->free[word] &= ~bits;
    slab->free_count -= taken;
    if (slab->free_count == 0)
        wf_list_remove(&slab->node);
    slab->guarded[word] |= bits;
    slab->opened += *unguarded;
    return word * 64 + bit;
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

/* Their guards could not be had. */
static void untake_spans(wf_slab *slab, uint32_t index, uint32_t count)
{
    struct pool *pool = slab->pool;
    wf_lock_take(&pool->lock);
    for (uint32_t i = index; i < index + count; i++)
        slab->guarded[i / 64] &= ~(UINT64_C(1) << i % 64);
    slab->opened -= count;
    wf_unlock(&pool->lock);
    put_spans(slab, index, count);
}

/* Guards for spans that were taken; all but the first are free again. False: there are none, and the first is free too. */
static bool open_spans(wf_slab *slab, uint32_t index, uint32_t count)
{
    char *base = slab->spans + index * wf_slab_span(slab->stack_class);
    if (!install_guards(slab, base, count)) {
        untake_spans(slab, index, count);
        return false;
    }
    if (count > 1)
        put_spans(slab, index + 1, count - 1);
    return true;
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
    size_t span = wf_slab_span(slab->stack_class);
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

wf_stack *wf_slab_take(int stack_class)
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
    uint32_t unguarded;
    uint32_t index = take_spans_locked(slab, &unguarded);
    wf_unlock(&pool->lock);
    return unguarded > 0 && !open_spans(slab, index, unguarded) ? NULL : describe(slab, index);
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

void wf_slab_put(wf_stack **stacks, uint32_t count)
{
    struct iovec ranges[WF_PAGES_MOST] = {{0}};
    wf_slab *slabs_of[WF_PAGES_MOST];
    uint32_t lengths[WF_PAGES_MOST];
    uint32_t runs = 0;
    sort_by_address(stacks, count);
    for (uint32_t i = 0; i < count; i += lengths[runs++]) {
        wf_stack *first = stacks[i];
        lengths[runs] = run_of_neighbours(stacks + i, count - i);
        slabs_of[runs] = first->slab;
        ranges[runs].iov_base = first->base + first->guard_size;
        ranges[runs].iov_len = lengths[runs] * (size_t)first->size - first->guard_size;
        for (uint32_t k = i; k < i + lengths[runs]; k++)
            WF_VALGRIND_DEREGISTER(stacks[k]->valgrind_id);
    }
    wf_pages_advise_many(ranges, runs, MADV_DONTNEED);
    for (uint32_t i = 0; i < runs; i++) {
        wf_slab *slab = slabs_of[i];
        put_spans(slab,
                  (uint32_t)((size_t)((char *)ranges[i].iov_base - slab->spans) / wf_slab_span(slab->stack_class)),
                  lengths[i]);
    }
}

/* ---- fork ---- */

void wf_slab_fork_lock(void)
{
    for (int guard = 0; guard <= WF_GUARD_NONE; guard++)
        for (int stack_class = 0; stack_class < WF_STACK_CLASSES; stack_class++)
            wf_lock_take(&pools[guard][stack_class].lock);
    wf_lock_take(&headers_lock);
}

void wf_slab_fork_unlock(void)
{
    wf_unlock(&headers_lock);
    for (int guard = 0; guard <= WF_GUARD_NONE; guard++)
        for (int stack_class = 0; stack_class < WF_STACK_CLASSES; stack_class++)
            wf_unlock(&pools[guard][stack_class].lock);
}
