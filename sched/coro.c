/* Control blocks and handles.
 *
 * One range of address space holds all blocks. It is reserved once and made accessible a chunk at a time; blocks are never
 * unmapped. Free ones lie in caches of the workers, and behind those in one locked pool. The life word is in sched/life.h.
 */
#include "sched/coro.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "core/alloc.h"
#include "sched/joiners.h"
#include "sched/life.h"
#include "sched/state.h"
#include "sched/worker.h"

#define USED_UP \
    (UINT64_MAX >> WF_LIFE_HANDLE_BITS) /* the generation of a block that is not used any more: no id may recur */

#define SPACE_MAX (UINT64_C(8) << 30)  /* 44 million blocks; within the 16 GiB that 28 bits of 64 bytes can name */
#define SPACE_MIN (UINT64_C(64) << 20) /* where address space is limited (RLIMIT_AS): 349 thousand */
#define CHUNK (UINT64_C(192) << 10)    /* 1024 blocks, a multiple of the page size */

struct wf_coro_space wf_coro_space;
static pthread_once_t space_once = PTHREAD_ONCE_INIT;

static void reserve(void)
{
    for (uint64_t size = SPACE_MAX; size >= SPACE_MIN; size /= 2) {
        void *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base != MAP_FAILED) {
            madvise(base, size, MADV_NOHUGEPAGE);
            wf_coro_space.base = base;
            wf_coro_space.size = size;
            return;
        }
    }
}

int wf_coro_space_init(void)
{
    int saved = errno;
    pthread_once(&space_once, reserve);
    errno = saved;
    return wf_coro_space.base != NULL ? 0 : -ENOMEM;
}

/* Make another chunk accessible and put its blocks on the free list. The lock is held. */
static bool grow(void)
{
    uint64_t extent = wf_load_relaxed(&wf_coro_space.extent); /* relaxed: under the lock */
    if (extent + CHUNK > wf_coro_space.size)
        return false;
    int saved = errno;
    int failed = mprotect(wf_coro_space.base + extent, CHUNK, PROT_READ | PROT_WRITE);
    errno = saved;
    if (failed)
        return false;
    for (uint64_t at = CHUNK; at >= sizeof(wf_coro); at -= sizeof(wf_coro)) {
        wf_coro *coro = (wf_coro *)(void *)(wf_coro_space.base + extent + at - sizeof(wf_coro));
        coro->link = wf_coro_space.free;
        wf_coro_space.free = coro;
    }
    /* ORDER(extent): pairs with wf_coro_from_handle and wf_coro_each: what lies below it is accessible. */
    wf_store_release(&wf_coro_space.extent, extent + CHUNK);
    return true;
}

/* All three lines are about to be written. */
WF_INLINE void prefetch_block(const char *block)
{
    for (int line = 0; line < 3; line++)
        WF_PREFETCH_TO_WRITE(block + line * WF_CACHE_LINE);
}

/* Move up to `count` blocks from the pool to `list`. Returns how many. */
static uint32_t pool_take(wf_coro **list, uint32_t count)
{
    uint32_t taken = 0;
    wf_lock_take(&wf_coro_space.lock);
    while (taken < count && (wf_coro_space.free != NULL || (taken == 0 && grow()))) {
        wf_coro *coro = wf_coro_space.free;
        wf_coro_space.free = coro->link;
        prefetch_block(wf_further_on(coro, coro->link));
        coro->link = *list;
        *list = coro;
        taken++;
    }
    wf_unlock(&wf_coro_space.lock);
    return taken;
}

static void pool_put(wf_coro **list, uint32_t count)
{
    wf_lock_take(&wf_coro_space.lock);
    while (count-- > 0) {
        wf_coro *coro = *list;
        *list = coro->link;
        coro->link = wf_coro_space.free;
        wf_coro_space.free = coro;
    }
    wf_unlock(&wf_coro_space.lock);
}

void wf_coro_init(wf_coro *coro, unsigned refs)
{
    uint64_t ticket = wf_load_relaxed(&coro->state) >> WF_STATE_TICKET_SHIFT;  /* relaxed: nobody else has it */
    uint64_t generation = wf_load_relaxed(&coro->life) >> WF_LIFE_HANDLE_BITS; /* relaxed: as above */
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
    wf_store_release(&coro->joiners, 0); /* ORDER(joiners): open; pairs with wf_joiners_lock. */
    wf_store_relaxed(&coro->state, wf_state_make(ticket, WF_PHASE_NEW));
    /* ORDER(life): pairs with wf_coro_from_handle. */
    wf_store_release(&coro->life, (generation == 0 ? 1 : generation) << WF_LIFE_HANDLE_BITS | WF_LIFE_HOLD | refs);
}

wf_coro *wf_coro_new(wf_worker *worker, unsigned refs)
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
    wf_coro_init(coro, refs);
    return coro;
}

static void free_extra(wf_coro_extra *extra)
{
    wf_free(extra->locals);
    wf_free(extra);
}

/* A coroutine that has ended has closed its joiners. One that never came to be has to: with a stale handle anybody may have them
 * locked. */
static WF_SLOW void close_joiners(wf_coro *coro)
{
    if (wf_joiners_lock(coro))
        wf_joiners_unlock(coro, WF_JOINERS_CLOSED);
}

void wf_coro_recycle(wf_worker *worker, wf_coro *coro)
{
    if (wf_unlikely(coro->extra != NULL))
        free_extra(coro->extra);
    coro->extra = NULL;
    if (wf_unlikely(wf_load_relaxed(&coro->joiners) != WF_JOINERS_CLOSED)) /* relaxed: we closed it, or nobody did */
        close_joiners(coro);
    /* relaxed, both: nobody waits for it any more, and late wakers compare the ticket. */
    uint64_t ticket = wf_load_relaxed(&coro->state) >> WF_STATE_TICKET_SHIFT;
    wf_store_relaxed(&coro->state, wf_state_make(ticket + 1, WF_PHASE_FREE));
    if (wf_unlikely(wf_life_generation(wf_load_relaxed(&coro->life)) ==
                    USED_UP)) /* relaxed: nobody else changes it now */
        return;               /* a loop that spawns and joins needs some hours for that: 192 bytes are lost */
    if (worker == NULL) {
        coro->link = NULL;
        pool_put(&coro, 1);
        return;
    }
    coro->link = worker->blocks;
    worker->blocks = coro;
    if (wf_unlikely(++worker->blocks_count >= WF_BLOCK_CACHE)) {
        pool_put(&worker->blocks, WF_BLOCK_CACHE / 2);
        worker->blocks_count -= WF_BLOCK_CACHE / 2;
    }
}

void wf_coro_free(wf_worker *worker, wf_coro *coro)
{
    uint64_t generation = wf_life_generation(wf_load_relaxed(&coro->life)); /* relaxed: nobody else changes it now */
    /* ORDER(life): pairs with wf_coro_from_handle. */
    wf_store_release(&coro->life, (generation + 1) << WF_LIFE_HANDLE_BITS);
    wf_coro_recycle(worker, coro);
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
    uint64_t offset = (uint64_t)((const char *)coro - wf_coro_space.base) / WF_LIFE_UNIT;
    uint64_t generation =
        wf_load_relaxed(&((wf_coro *)(uintptr_t)coro)->life) >> WF_LIFE_HANDLE_BITS; /* relaxed: fixed while it lives */
    return (weft_t *)(uintptr_t)(generation << WF_LIFE_HANDLE_BITS | offset);
}

/* It has ended, and nobody has a handle; those that still hold it only tidy up. The answer is about the coroutine of that `life`
 * only if `life` is the same afterwards; if not, the handle is stale anyway. */
static bool is_over(wf_coro *coro, uint64_t life)
{
    /* relaxed: whoever was told of the end, by a join, sees it. */
    return (life & WF_LIFE_REFS) == 0 && wf_state_phase(wf_load_relaxed(&coro->state)) == WF_PHASE_DONE;
}

wf_coro *wf_coro_from_handle(const weft_t *handle)
{
    wf_coro *coro = wf_life_block(handle);
    if (coro == NULL)
        return NULL;
    /* ORDER(state-done): before `life`, so that it is not the state of a later coroutine: of an earlier one it cannot be, since
     * the handle was there before. */
    bool has_ended = wf_state_phase(wf_load_acquire(&coro->state)) == WF_PHASE_DONE;
    /* ORDER(life): pairs with wf_coro_init and wf_coro_free. */
    uint64_t life = wf_load_acquire(&coro->life);
    bool is_named = (life & (has_ended ? WF_LIFE_REFS : WF_LIFE_LOW)) != 0;
    return wf_life_is_named(handle, life) && is_named ? coro : NULL;
}

bool wf_coro_is_joinable(const weft_t *handle)
{
    wf_coro *coro = wf_life_block(handle);
    if (coro == NULL)
        return false;
    /* ORDER(life): pairs with wf_coro_init and wf_coro_free. */
    uint64_t life = wf_load_acquire(&coro->life);
    return wf_life_is_named(handle, life) && (life & WF_LIFE_REFS) != 0;
}

/* Add `step` (a reference or a hold) to the life of the block that `handle` names, unless it is stale (nothing under `alive` is
 * left) or its field, under `mask`, is full. */
static wf_coro *add(const weft_t *handle, uint64_t step, uint64_t mask, uint64_t alive)
{
    wf_coro *coro = wf_life_block(handle);
    if (coro == NULL)
        return NULL;
    /* ORDER(life): pairs with wf_coro_init and wf_coro_free. */
    uint64_t life = wf_load_acquire(&coro->life);
    do {
        if (!wf_life_is_named(handle, life) || (life & alive) == 0 || (life & mask) == mask || is_over(coro, life))
            return NULL;
        /* ORDER(life): as above. */
    } while (!wf_cas_acq_rel(&coro->life, &life, life + step));
    return coro;
}

wf_coro *wf_coro_hold(const weft_t *handle)
{
    return add(handle, WF_LIFE_HOLD, WF_LIFE_HOLDS, WF_LIFE_LOW);
}

wf_coro *wf_coro_hold_joinable(const weft_t *handle)
{
    return add(handle, WF_LIFE_HOLD, WF_LIFE_HOLDS, WF_LIFE_REFS);
}

void wf_coro_release(wf_worker *worker, wf_coro *coro)
{
    /* ORDER(life): pairs with the others' release: the last one frees. */
    if ((wf_fetch_sub_acq_rel(&coro->life, WF_LIFE_HOLD) & WF_LIFE_LOW) == WF_LIFE_HOLD)
        wf_coro_free(worker, coro);
}

wf_coro *wf_coro_ref(const weft_t *handle)
{
    return add(handle, 1, WF_LIFE_REFS, WF_LIFE_LOW);
}

bool wf_coro_unref(wf_worker *worker, const weft_t *handle)
{
    wf_coro *coro = wf_life_block(handle);
    if (coro == NULL)
        return false;
    /* ORDER(life): pairs with the others' release: the last one frees. */
    uint64_t life = wf_load_acquire(&coro->life);
    do {
        if (!wf_life_is_named(handle, life) || (life & WF_LIFE_REFS) == 0)
            return false;
        /* ORDER(life): as above. */
    } while (!wf_cas_acq_rel(&coro->life, &life, life - 1));
    if ((life & WF_LIFE_LOW) == 1)
        wf_coro_free(worker, coro);
    return true;
}

void wf_coro_each(void (*visit)(wf_coro *coro, void *arg), void *arg)
{
    /* ORDER(extent): pairs with grow. */
    uint64_t extent = wf_load_acquire(&wf_coro_space.extent);
    for (uint64_t offset = 0; offset < extent; offset += sizeof(wf_coro)) {
        wf_coro *coro = (wf_coro *)(void *)(wf_coro_space.base + offset);
        /* ORDER(life): pairs with wf_coro_init. A block that was never used has life 0. */
        if ((wf_load_acquire(&coro->life) & WF_LIFE_LOW) != 0)
            visit(coro, arg);
    }
}

void wf_coro_fork_lock(void)
{
    wf_lock_take(&wf_coro_space.lock);
}

void wf_coro_fork_unlock(void)
{
    wf_unlock(&wf_coro_space.lock);
}

void wf_coro_forget_all(void)
{
    /* relaxed, all of it: there is one thread. */
    uint64_t extent = wf_load_relaxed(&wf_coro_space.extent);
    wf_coro_space.free = NULL;
    for (uint64_t offset = 0; offset < extent; offset += sizeof(wf_coro)) {
        wf_coro *coro = (wf_coro *)(void *)(wf_coro_space.base + offset);
        uint64_t life = wf_load_relaxed(&coro->life);
        coro->extra = NULL;
        wf_store_relaxed(&coro->joiners, WF_JOINERS_CLOSED);
        if ((life & WF_LIFE_LOW) != 0) {
            life = ((life >> WF_LIFE_HANDLE_BITS) + 1) << WF_LIFE_HANDLE_BITS;
            wf_store_relaxed(&coro->life, life);
        }
        if (life >> WF_LIFE_HANDLE_BITS == USED_UP)
            continue;
        coro->link = wf_coro_space.free;
        wf_coro_space.free = coro;
    }
}

const char *wf_coro_name(const wf_coro *coro)
{
    return coro->extra != NULL ? coro->extra->name : "";
}
