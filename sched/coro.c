/* Control blocks and handles.
 *
 * One range of address space holds all blocks. It is reserved once and made accessible a chunk at a time; blocks are never
 * unmapped. Free ones lie in caches of the workers, and behind those in one locked pool.
 *
 * wf_coro.life: bits 0–11 references by handles (spawn, weft_ref), bits 12–27 holds by whoever works on the block (the coroutine
 * itself until it is retired, a call that was given a handle while it runs), bits 28–63 generation. A block is freed when the
 * low 28 bits reach zero: the generation grows by one, which makes all its handles stale. A handle is stale for weft_join and
 * its kin as soon as its references are gone; for the other calls as long as somebody still holds the block it is not.
 */
#include "sched/coro.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "core/alloc.h"
#include "sched/state.h"
#include "sched/worker.h"

enum {
    HANDLE_BITS = 28,
    UNIT = 64, /* a handle counts in units of 64 bytes */
};

#define LOW_MASK ((UINT64_C(1) << HANDLE_BITS) - 1)
#define ONE_HOLD (UINT64_C(1) << 12)
#define REFS_MASK (ONE_HOLD - 1)
#define HOLDS_MASK (LOW_MASK & ~REFS_MASK)
#define USED_UP (UINT64_MAX >> HANDLE_BITS) /* the generation of a block that is not used any more: no id may recur */

#define SPACE_MAX (UINT64_C(8) << 30)  /* 44 million blocks; within the 16 GiB that 28 bits of 64 bytes can name */
#define SPACE_MIN (UINT64_C(64) << 20) /* where address space is limited (RLIMIT_AS): 349 thousand */
#define CHUNK (UINT64_C(192) << 10)    /* 1024 blocks, a multiple of the page size */

static struct {
    char *base;
    uint64_t size;            /* reserved */
    _Atomic(uint64_t) extent; /* accessible and handed out so far; grows under the lock */
    wf_lock lock;
    wf_coro *free; /* by link */
} space;

static pthread_once_t space_once = PTHREAD_ONCE_INIT;

static void reserve(void)
{
    for (uint64_t size = SPACE_MAX; size >= SPACE_MIN; size /= 2) {
        void *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base != MAP_FAILED) {
            madvise(base, size, MADV_NOHUGEPAGE);
            space.base = base;
            space.size = size;
            return;
        }
    }
}

int wf_coro_space_init(void)
{
    int saved = errno;
    pthread_once(&space_once, reserve);
    errno = saved;
    return space.base != NULL ? 0 : -ENOMEM;
}

/* Make another chunk accessible and put its blocks on the free list. The lock is held. */
static bool grow(void)
{
    uint64_t extent = wf_load_relaxed(&space.extent); /* relaxed: under the lock */
    if (extent + CHUNK > space.size)
        return false;
    int saved = errno;
    int failed = mprotect(space.base + extent, CHUNK, PROT_READ | PROT_WRITE);
    errno = saved;
    if (failed)
        return false;
    for (uint64_t at = CHUNK; at >= sizeof(wf_coro); at -= sizeof(wf_coro)) {
        wf_coro *coro = (wf_coro *)(void *)(space.base + extent + at - sizeof(wf_coro));
        coro->link = space.free;
        space.free = coro;
    }
    /* ORDER(extent): pairs with wf_coro_from_handle and wf_coro_each: what lies below it is accessible. */
    wf_store_release(&space.extent, extent + CHUNK);
    return true;
}

/* Move up to `count` blocks from the pool to `list`. Returns how many. */
static uint32_t pool_take(wf_coro **list, uint32_t count)
{
    uint32_t taken = 0;
    wf_lock_take(&space.lock);
    while (taken < count && (space.free != NULL || (taken == 0 && grow()))) {
        wf_coro *coro = space.free;
        space.free = coro->link;
        coro->link = *list;
        *list = coro;
        taken++;
    }
    wf_unlock(&space.lock);
    return taken;
}

static void pool_put(wf_coro **list, uint32_t count)
{
    wf_lock_take(&space.lock);
    while (count-- > 0) {
        wf_coro *coro = *list;
        *list = coro->link;
        coro->link = space.free;
        space.free = coro;
    }
    wf_unlock(&space.lock);
}

void wf_coro_init(wf_coro *coro)
{
    uint64_t ticket = wf_load_relaxed(&coro->state) >> WF_STATE_TICKET_SHIFT; /* relaxed: nobody else has it */
    uint64_t generation = wf_load_relaxed(&coro->life) >> HANDLE_BITS;        /* relaxed: as above */
    coro->sp = NULL;
    coro->link = NULL;
    coro->stack = NULL;
    coro->wake_value = 0;
    coro->error = 0;
    coro->shield = 0;
    coro->flags = 0;
    coro->pins = 0;
    coro->last_error = 0;
    coro->wait_node = (wf_list){0};
    coro->timer.node = (wf_list){0};
    coro->timeouts = NULL;
    coro->extra = NULL;
    /* relaxed, all of these: whoever gets to see the block gets it through a queue or a handle that publishes it. */
    wf_store_relaxed(&coro->killed, 0);
    wf_store_relaxed(&coro->worker, 0);
    wf_store_relaxed(&coro->wait_object, NULL);
    wf_store_relaxed(&coro->wait_kind, WF_WAIT_NONE);
    wf_store_relaxed(&coro->deadline, WEFT_NEVER);
    wf_store_relaxed(&coro->op, 0);
    wf_store_relaxed(&coro->joiners, 0);
    wf_store_relaxed(&coro->state, wf_state_make(ticket, WF_PHASE_NEW));
    /* ORDER(life): pairs with wf_coro_from_handle. */
    wf_store_release(&coro->life, (generation == 0 ? 1 : generation) << HANDLE_BITS | ONE_HOLD);
}

wf_coro *wf_coro_new(wf_worker *worker)
{
    wf_coro *coro = NULL;
    if (worker == NULL) {
        if (pool_take(&coro, 1) == 0)
            return NULL;
    } else {
        if (worker->blocks == NULL)
            worker->blocks_count = pool_take(&worker->blocks, WF_BLOCK_CACHE / 2);
        coro = worker->blocks;
        if (coro == NULL)
            return NULL;
        worker->blocks = coro->link;
        worker->blocks_count--;
    }
    wf_coro_init(coro);
    return coro;
}

static void free_extra(wf_coro_extra *extra)
{
    wf_free(extra->locals);
    wf_free(extra);
}

void wf_coro_free(wf_worker *worker, wf_coro *coro)
{
    if (coro->extra != NULL)
        free_extra(coro->extra);
    coro->extra = NULL;
    uint64_t ticket =
        wf_load_relaxed(&coro->state) >> WF_STATE_TICKET_SHIFT; /* relaxed: nobody waits for it any more */
    wf_store_relaxed(&coro->state,
                     wf_state_make(ticket + 1, WF_PHASE_FREE));        /* relaxed: late wakers compare the ticket */
    uint64_t generation = wf_load_relaxed(&coro->life) >> HANDLE_BITS; /* relaxed: nobody else changes it now */
    /* ORDER(life): pairs with wf_coro_from_handle. */
    wf_store_release(&coro->life, (generation + 1) << HANDLE_BITS);
    if (generation + 1 == USED_UP)
        return; /* a loop that spawns and joins needs some hours for that: 192 bytes are lost */
    if (worker == NULL) {
        coro->link = NULL;
        pool_put(&coro, 1);
        return;
    }
    coro->link = worker->blocks;
    worker->blocks = coro;
    if (++worker->blocks_count >= WF_BLOCK_CACHE) {
        pool_put(&worker->blocks, WF_BLOCK_CACHE / 2);
        worker->blocks_count -= WF_BLOCK_CACHE / 2;
    }
}

void wf_coro_cache_flush(wf_worker *worker)
{
    pool_put(&worker->blocks, worker->blocks_count);
    worker->blocks_count = 0;
}

wf_coro_extra *wf_coro_extra_get(wf_coro *coro)
{
    if (coro->extra == NULL)
        coro->extra = wf_alloc(sizeof(*coro->extra));
    return coro->extra;
}

/* ---- handles ---- */

weft_t *wf_coro_handle(const wf_coro *coro)
{
    uint64_t offset = (uint64_t)((const char *)coro - space.base) / UNIT;
    uint64_t generation =
        wf_load_relaxed(&((wf_coro *)(uintptr_t)coro)->life) >> HANDLE_BITS; /* relaxed: fixed while it lives */
    return (weft_t *)(uintptr_t)(generation << HANDLE_BITS | offset);
}

/* The block that a handle names, whatever has become of it; NULL when it names none. */
static wf_coro *block_of(const weft_t *handle)
{
    uint64_t offset = ((uint64_t)(uintptr_t)handle & LOW_MASK) * UNIT;
    /* ORDER(extent): pairs with grow. */
    if (handle == NULL || offset >= wf_load_acquire(&space.extent) || offset % sizeof(wf_coro) != 0)
        return NULL;
    return (wf_coro *)(void *)(space.base + offset);
}

static bool same_generation(const weft_t *handle, uint64_t life)
{
    return (uint64_t)(uintptr_t)handle >> HANDLE_BITS == life >> HANDLE_BITS;
}

wf_coro *wf_coro_from_handle(const weft_t *handle)
{
    wf_coro *coro = block_of(handle);
    if (coro == NULL)
        return NULL;
    /* ORDER(life): pairs with wf_coro_init and wf_coro_free. */
    uint64_t life = wf_load_acquire(&coro->life);
    return same_generation(handle, life) && (life & LOW_MASK) != 0 ? coro : NULL;
}

bool wf_coro_is_joinable(const weft_t *handle)
{
    wf_coro *coro = block_of(handle);
    if (coro == NULL)
        return false;
    /* ORDER(life): pairs with wf_coro_init and wf_coro_free. */
    uint64_t life = wf_load_acquire(&coro->life);
    return same_generation(handle, life) && (life & REFS_MASK) != 0;
}

/* Add `step` (a reference or a hold) to the life of the block that `handle` names, unless it is stale (nothing under `alive` is
 * left) or its field, under `mask`, is full. */
static wf_coro *add(const weft_t *handle, uint64_t step, uint64_t mask, uint64_t alive)
{
    wf_coro *coro = block_of(handle);
    if (coro == NULL)
        return NULL;
    /* ORDER(life): pairs with wf_coro_init and wf_coro_free. */
    uint64_t life = wf_load_acquire(&coro->life);
    do {
        if (!same_generation(handle, life) || (life & alive) == 0 || (life & mask) == mask)
            return NULL;
        /* ORDER(life): as above. */
    } while (!wf_cas_acq_rel(&coro->life, &life, life + step));
    return coro;
}

wf_coro *wf_coro_hold(const weft_t *handle)
{
    return add(handle, ONE_HOLD, HOLDS_MASK, LOW_MASK);
}

wf_coro *wf_coro_hold_joinable(const weft_t *handle)
{
    return add(handle, ONE_HOLD, HOLDS_MASK, REFS_MASK);
}

void wf_coro_release(wf_worker *worker, wf_coro *coro)
{
    /* ORDER(life): pairs with the others' release: the last one frees. */
    if ((wf_fetch_sub_acq_rel(&coro->life, ONE_HOLD) & LOW_MASK) == ONE_HOLD)
        wf_coro_free(worker, coro);
}

wf_coro *wf_coro_ref(const weft_t *handle)
{
    return add(handle, 1, REFS_MASK, LOW_MASK);
}

void wf_coro_first_ref(wf_coro *coro)
{
    wf_fetch_add_relaxed(&coro->life, 1); /* relaxed: nobody else knows it yet */
}

bool wf_coro_unref(wf_worker *worker, const weft_t *handle)
{
    wf_coro *coro = block_of(handle);
    if (coro == NULL)
        return false;
    /* ORDER(life): pairs with the others' release: the last one frees. */
    uint64_t life = wf_load_acquire(&coro->life);
    do {
        if (!same_generation(handle, life) || (life & REFS_MASK) == 0)
            return false;
        /* ORDER(life): as above. */
    } while (!wf_cas_acq_rel(&coro->life, &life, life - 1));
    if ((life & LOW_MASK) == 1)
        wf_coro_free(worker, coro);
    return true;
}

void wf_coro_each(void (*visit)(wf_coro *coro, void *arg), void *arg)
{
    /* ORDER(extent): pairs with grow. */
    uint64_t extent = wf_load_acquire(&space.extent);
    for (uint64_t offset = 0; offset < extent; offset += sizeof(wf_coro)) {
        wf_coro *coro = (wf_coro *)(void *)(space.base + offset);
        /* ORDER(life): pairs with wf_coro_init. A block that was never used has life 0. */
        if ((wf_load_acquire(&coro->life) & LOW_MASK) != 0)
            visit(coro, arg);
    }
}

void wf_coro_fork_lock(void)
{
    wf_lock_take(&space.lock);
}

void wf_coro_fork_unlock(void)
{
    wf_unlock(&space.lock);
}

void wf_coro_forget_all(void)
{
    /* relaxed, all of it: there is one thread. */
    uint64_t extent = wf_load_relaxed(&space.extent);
    space.free = NULL;
    for (uint64_t offset = 0; offset < extent; offset += sizeof(wf_coro)) {
        wf_coro *coro = (wf_coro *)(void *)(space.base + offset);
        uint64_t life = wf_load_relaxed(&coro->life);
        coro->extra = NULL;
        if ((life & LOW_MASK) != 0) {
            life = ((life >> HANDLE_BITS) + 1) << HANDLE_BITS;
            wf_store_relaxed(&coro->life, life);
        }
        if (life >> HANDLE_BITS == USED_UP)
            continue;
        coro->link = space.free;
        space.free = coro;
    }
}

const char *wf_coro_name(const wf_coro *coro)
{
    return coro->extra != NULL ? coro->extra->name : "";
}
