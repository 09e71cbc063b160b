/* Who spawned whom, and what is inherited with that: tree locals.
 *
 * The tree locals of a coroutine are an array of bindings (a key, a value) that is never changed once others may see it. A child
 * shares its parent's array; a set makes a new array for the one that sets, with all other bindings shared. Both are counted; the
 * destructor of a value runs when the last array with its binding goes. So a spawn costs one count, and nothing in a program that
 * has never set any (wf_rt.gate).
 */
#include <errno.h>

#include "core/alloc.h"
#include "sched/suspend.h"
#include "sched/worker.h"

typedef struct binding {
    _Atomic(uint32_t) uses; /* arrays that it is in */
    weft_key key;
    void *value;
} binding;

typedef struct wf_tree {
    _Atomic(uint32_t) uses; /* coroutines and threads that have it */
    uint32_t count;
    binding *bindings[];
} wf_tree;

static _Atomic(bool) notes_parents;

/* ---- counting ---- */

static void drop_binding(binding *b)
{
    /* ORDER(tree): pairs with the drops of others: the last one sees what they did with the value. */
    if (wf_fetch_sub_acq_rel(&b->uses, 1) != 1)
        return;
    weft_key key = b->key;
    void *value = b->value;
    wf_free(b);
    wf_local_destroy_value(key, value);
}

static void drop(wf_tree *tree)
{
    /* ORDER(tree): as above. */
    if (tree == NULL || wf_fetch_sub_acq_rel(&tree->uses, 1) != 1)
        return;
    for (uint32_t i = 0; i < tree->count; i++)
        drop_binding(tree->bindings[i]);
    wf_free(tree);
}

void wf_tree_leave(wf_coro *self)
{
    if (self->extra == NULL || self->extra->tree == NULL)
        return;
    wf_tree *tree = self->extra->tree;
    self->extra->tree = NULL;
    drop(tree);
}

/* ---- spawning ---- */

int wf_tree_adopt(wf_coro *child)
{
    wf_coro *parent = wf_self();
    if (parent == NULL)
        return 0; /* a plain thread without a block has nothing to hand down */
    wf_tree *tree = parent->extra != NULL ? parent->extra->tree : NULL;
    /* relaxed: a flag for itself */
    bool is_noted = wf_load_relaxed(&notes_parents) && !(parent->flags & WF_CORO_THREAD);
    if (tree == NULL && !is_noted)
        return 0;
    wf_coro_extra *extra = wf_coro_extra_get(child);
    if (extra == NULL)
        return -ENOMEM;
    if (is_noted)
        extra->parent = wf_coro_handle(parent);
    if (tree != NULL)
        wf_fetch_add_relaxed(&tree->uses, 1); /* relaxed: the parent has it meanwhile */
    extra->tree = tree;
    return 0;
}

int weft_track_parents(bool on)
{
    wf_store_relaxed(&notes_parents, on); /* relaxed: as in wf_tree_adopt */
    if (on)
        wf_hooks_watch();
    return 0;
}

weft_t *weft_parent(weft_t *t)
{
    wf_coro *coro = wf_coro_hold(t != NULL ? t : weft_self());
    if (coro == NULL)
        return NULL;
    weft_t *parent = coro->extra != NULL ? coro->extra->parent : NULL;
    wf_coro_release(wf_worker_self(), coro);
    return parent;
}

/* ---- tree locals ---- */

static wf_tree *tree_of(wf_coro *self)
{
    return self != NULL && self->extra != NULL ? self->extra->tree : NULL;
}

void *weft_tree_get(weft_key key)
{
    wf_tree *tree = tree_of(wf_self());
    if (tree == NULL || !wf_local_is_key(key))
        return NULL;
    for (uint32_t i = 0; i < tree->count; i++)
        if (tree->bindings[i]->key == key)
            return tree->bindings[i]->value;
    return NULL;
}

/* A new array: that of `old` without `key`, and without those of deleted keys; and `fresh`, if any. NULL: no memory. */
static wf_tree *rebuild(const wf_tree *old, weft_key key, binding *fresh)
{
    uint32_t count = old != NULL ? old->count : 0;
    wf_tree *tree = wf_alloc(sizeof(*tree) + (count + 1) * sizeof(tree->bindings[0]));
    if (tree == NULL)
        return NULL;
    wf_store_relaxed(&tree->uses, 1); /* relaxed: nobody else knows it yet */
    for (uint32_t i = 0; i < count; i++) {
        binding *b = old->bindings[i];
        if (b->key == key || !wf_local_is_key(b->key))
            continue;
        wf_fetch_add_relaxed(&b->uses, 1); /* relaxed: it is in the old array meanwhile */
        tree->bindings[tree->count++] = b;
    }
    if (fresh != NULL)
        tree->bindings[tree->count++] = fresh;
    return tree;
}

static binding *make_binding(weft_key key, void *value)
{
    binding *b = wf_alloc(sizeof(*b));
    if (b == NULL)
        return NULL;
    wf_store_relaxed(&b->uses, 1); /* relaxed: nobody else knows it yet */
    b->key = key;
    b->value = value;
    return b;
}

int weft_tree_set(weft_key key, void *value)
{
    if (!wf_local_is_key(key))
        return -EINVAL;
    wf_coro *self = wf_self();
    wf_coro_extra *extra = self != NULL ? wf_coro_extra_get(self) : NULL;
    binding *fresh = extra != NULL && value != NULL ? make_binding(key, value) : NULL;
    if (extra == NULL || (value != NULL && fresh == NULL))
        return -ENOMEM;
    wf_tree *tree = rebuild(extra->tree, key, fresh);
    if (tree == NULL) {
        wf_free(fresh);
        return -ENOMEM;
    }
    wf_hooks_watch();
    wf_tree *old = extra->tree;
    extra->tree = tree;
    drop(old);
    return 0;
}
