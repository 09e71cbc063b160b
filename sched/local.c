/* Locals: a value per coroutine, or plain thread, and key.
 *
 * A key is a place in the table of keys (low 10 bits) and the generation of that place (the bits above, never 0). A value is stored
 * with the whole key, so one that was set under a deleted key is not seen through the key that has its place now. Places
 * are handed out in turn, so that a place, and with it a generation, recurs as late as can be.
 *
 *   create, delete    under the lock; a place's generation is odd while it is in use
 *   get, set          without the lock: the array of values belongs to the coroutine, and whether the key is alive is one load
 *   end of coroutine  up to four rounds over the values, since a destructor may set values again; then the array is freed
 */
#include <errno.h>
#include <string.h>

#include "core/alloc.h"
#include "sched/suspend.h"
#include "sched/worker.h"

enum {
    KEYS = 1024,
    KEY_BITS = 10,
    ROUNDS = 4, /* as PTHREAD_DESTRUCTOR_ITERATIONS */
    LOCALS_MIN = 8,
};

#define GENERATION_MASK (UINT32_MAX >> KEY_BITS)

typedef void destructor_function(void *);

typedef struct place {
    _Atomic(uint32_t) generation;    /* lock to write, any to read; odd: in use */
    destructor_function *destructor; /* lock; valid while in use */
} place;

typedef struct wf_local {
    weft_key key;
    void *value;
} wf_local;

static struct {
    wf_lock lock;
    uint32_t next; /* lock: where to look for a free place */
    place places[KEYS];
} keys;

static bool is_alive(weft_key key)
{
    uint32_t generation = key >> KEY_BITS;
    /* relaxed: whoever was given the key learnt of it by something that orders more than this. */
    return generation % 2 == 1 && wf_load_relaxed(&keys.places[key % KEYS].generation) == generation;
}

/* The lock is held. */
static int create_locked(weft_key *key, destructor_function *destructor)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t at = (keys.next + i) % KEYS;
        place *slot = &keys.places[at];
        uint32_t generation = wf_load_relaxed(&slot->generation); /* relaxed: written under this lock only */
        if (generation % 2 == 1)
            continue;
        generation = (generation + 1) & GENERATION_MASK;
        slot->destructor = destructor;
        wf_store_relaxed(&slot->generation, generation); /* relaxed: published with the key, by the program */
        keys.next = (at + 1) % KEYS;
        *key = generation << KEY_BITS | at;
        return 0;
    }
    return -EAGAIN;
}

bool wf_local_is_key(weft_key key)
{
    return is_alive(key);
}

int weft_key_create(weft_key *key, void (*destructor)(void *))
{
    if (key == NULL)
        return -EINVAL;
    wf_lock_take(&keys.lock);
    int result = create_locked(key, destructor);
    wf_unlock(&keys.lock);
    return result;
}

int weft_key_delete(weft_key key)
{
    wf_lock_take(&keys.lock);
    bool alive = is_alive(key);
    if (alive) /* relaxed: a get or set at the same time as the delete may go either way */
        wf_store_relaxed(&keys.places[key % KEYS].generation, (key >> KEY_BITS) + 1);
    wf_unlock(&keys.lock);
    return alive ? 0 : -EINVAL;
}

void *weft_key_get(weft_key key)
{
    wf_coro *self = wf_self();
    uint32_t at = key % KEYS;
    if (self == NULL || self->extra == NULL || at >= self->extra->locals_count || !is_alive(key))
        return NULL;
    const wf_local *local = &self->extra->locals[at];
    return local->key == key ? local->value : NULL;
}

/* Room for the value of place `at`. */
static int grow(wf_coro_extra *extra, uint32_t at)
{
    uint32_t count = LOCALS_MIN;
    while (count <= at)
        count *= 2;
    wf_local *locals = wf_alloc(count * sizeof(*locals));
    if (locals == NULL)
        return -ENOMEM;
    if (extra->locals_count > 0)
        memcpy(locals, extra->locals, extra->locals_count * sizeof(*locals));
    wf_free(extra->locals);
    extra->locals = locals;
    extra->locals_count = count;
    return 0;
}

int weft_key_set(weft_key key, void *value)
{
    if (!is_alive(key))
        return -EINVAL;
    wf_coro *self = wf_self();
    wf_coro_extra *extra = self != NULL ? wf_coro_extra_get(self) : NULL;
    if (extra == NULL)
        return -ENOMEM;
    uint32_t at = key % KEYS;
    if (at >= extra->locals_count) {
        int result = value != NULL ? grow(extra, at) : 0;
        if (result < 0 || value == NULL)
            return result;
    }
    extra->locals[at] = (wf_local){.key = key, .value = value};
    return 0;
}

/* NULL: the key has none, or is not in use any more. */
static destructor_function *destructor_of(weft_key key)
{
    wf_lock_take(&keys.lock);
    destructor_function *destructor = is_alive(key) ? keys.places[key % KEYS].destructor : NULL;
    wf_unlock(&keys.lock);
    return destructor;
}

void wf_local_destroy_value(weft_key key, void *value)
{
    destructor_function *destructor = destructor_of(key);
    if (destructor != NULL)
        destructor(value);
}

/* The value is set to NULL before its destructor is called. True: there was something to call. */
static bool destroy(wf_local *local)
{
    void *value = local->value;
    destructor_function *destructor = value != NULL ? destructor_of(local->key) : NULL;
    local->value = NULL;
    if (destructor == NULL)
        return false;
    destructor(value); /* may move the array that `local` is in */
    return true;
}

void wf_local_run_destructors(wf_coro *coro)
{
    wf_coro_extra *extra = coro->extra;
    if (extra == NULL || extra->locals == NULL)
        return;
    bool again = true;
    for (int round = 0; round < ROUNDS && again; round++) {
        again = false;
        for (uint32_t at = 0; at < extra->locals_count; at++) /* a destructor may make the array grow */
            again |= destroy(&extra->locals[at]);
    }
    wf_free(extra->locals);
    extra->locals = NULL;
    extra->locals_count = 0;
}

void wf_local_fork_lock(void)
{
    wf_lock_take(&keys.lock);
}

void wf_local_fork_unlock(void)
{
    wf_unlock(&keys.lock);
}
