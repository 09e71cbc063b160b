/* Symmetric coroutines: weft/switch.h.
 *
 * A family hangs on the control block of the coroutine, or plain thread, that it is. One member runs; each of the others
 * has its context saved, and the stack on which that lies: mostly its own, but that of a generator's body if it switched in
 * the middle of one.
 *
 *     NEW ──switch──▶ STARTED ◀──▶ (running: family->current)
 *      └──throw──▶ DEAD ◀── returns ──┘
 *
 * Value and error travel in the family: who leaves puts them there, who arrives takes them. Where they go is found by
 * destination(): past the dead, and past the unstarted if it is an error, which ends these.
 *
 * A member stays allocated for its handle and for each child, because the way to the living goes through dead parents.
 */
#include <errno.h>

#include "core/alloc.h"
#include "core/context.h"
#include "core/fiber.h"
#include "sched/strands.h"
#include "sched/suspend.h"

struct weft_co {
    wf_strand strand;
    void *sp;           /* its context when it does not run; NULL: it has not begun */
    wf_stack *at;       /* the stack that this lies on; NULL: a thread's own */
    wf_fiber_side side; /* what a sanitizer wants to know of that stack */
    struct wf_family *family;
    weft_co *parent;
    weft_co *heir;  /* goes on in place of the parent: who frees it; mostly NULL */
    wf_list node;   /* family->members; not the main one */
    uint32_t refs;  /* handle, children, and who is busy with it */
    int32_t error;  /* weft_co_error */
    int32_t unseen; /* thrown in, until it asks */
    int32_t failed; /* weft_co_set_error */
    bool decided;
};

typedef struct wf_family {
    weft_co main;
    weft_co *current;
    weft_co *origin; /* who left last */
    wf_list members;
    void *value; /* on their way */
    int error;
    weft_co_trace *hook;
    void *hook_arg;
    bool ending;
} wf_family;

/* ---- families ---- */

static wf_family *family_new(wf_coro *self)
{
    wf_coro_extra *extra = wf_coro_extra_get(self);
    wf_family *f = extra != NULL ? wf_alloc(sizeof(*f)) : NULL;
    if (f == NULL)
        return NULL;
    wf_list_init(&f->members);
    f->main.family = f;
    f->main.refs = 1;
    f->current = &f->main;
    wf_strand_set(&f->main.strand, WF_CO_MAIN);
    extra->family = f;
    return f;
}

/* The caller's, NULL: it has none. */
static wf_family *family_if_any(void)
{
    wf_coro *self = wf_self_fast();
    return self != NULL && self->extra != NULL ? self->extra->family : NULL;
}

/* The caller's, made if need be; NULL with weft_last_error. */
static wf_family *family_here(void)
{
    wf_family *f = family_if_any();
    wf_coro *self = wf_self_fast();
    if (f == NULL && self != NULL)
        f = family_new(self);
    if (f == NULL)
        wf_set_last_error(-ENOMEM);
    return f;
}

static uint32_t state_of(const weft_co *co)
{
    return wf_strand_state(&co->strand);
}

static void set_state(weft_co *co, enum wf_strand_state state)
{
    wf_strand_set(&co->strand, state);
}

/* One hold less; the last one frees it, and lets go of its parent. */
static void release(weft_co *co)
{
    while (co != NULL && --co->refs == 0) {
        weft_co *parent = co->parent;
        if (wf_list_is_linked(&co->node))
            wf_list_remove(&co->node);
        wf_free(co);
        co = parent;
    }
}

static void set_parent(weft_co *co, weft_co *parent)
{
    weft_co *before = co->parent;
    if (parent != NULL)
        parent->refs++;
    co->parent = parent;
    release(before);
}

/* ---- making ---- */

static const weft_co_options no_options;

static weft_co *refuse_new(int error)
{
    wf_set_last_error(error);
    return NULL;
}

weft_co *weft_co_new_opt(const weft_co_options *options, weft_fn *fn, weft_co *parent)
{
    if (options == NULL)
        options = &no_options;
    int stack_class = wf_strand_class(options->stack_size);
    if (fn == NULL || stack_class < 0)
        return refuse_new(-EINVAL);
    wf_family *f = family_here();
    if (f == NULL)
        return NULL;
    if (parent != NULL && parent->family != f)
        return refuse_new(-EXDEV);
    if (f->ending)
        return refuse_new(-ESHUTDOWN);
    weft_co *co = wf_alloc(sizeof(*co));
    if (co == NULL)
        return refuse_new(-ENOMEM);
    co->strand.fn = fn;
    co->strand.stack_class = (uint8_t)stack_class;
    co->strand.secret = options->secret;
    set_state(co, WF_CO_NEW);
    co->family = f;
    co->refs = 1;
    wf_list_push_back(&f->members, &co->node);
    set_parent(co, parent != NULL ? parent : f->current);
    return co;
}

weft_co *weft_co_new(weft_fn *fn, weft_co *parent)
{
    return weft_co_new_opt(NULL, fn, parent);
}

/* ---- where a switch leads ---- */

static weft_co *next_of_kin(const weft_co *co)
{
    return co->heir != NULL ? co->heir : co->parent;
}

/* Who takes what is on its way to `target`. The main one is always alive, and the ancestor of all. */
static weft_co *destination(wf_family *f, weft_co *target)
{
    for (;;) {
        uint32_t state = state_of(target);
        if (state != WF_CO_DEAD && (state != WF_CO_NEW || f->error == 0))
            return target;
        set_state(target, WF_CO_DEAD);
        if (f->error == -ECANCELED) {
            f->error = 0;
            f->value = NULL;
        }
        target = next_of_kin(target);
    }
}

/* It has not begun: give it a stack. False: there is none to be had. */
static bool begins(weft_co *co, wf_caller caller)
{
    if (!wf_strand_begins(&co->strand, caller))
        return false;
    wf_stack *stack = co->strand.stack;
    co->at = stack;
    co->side = (wf_fiber_side){.base = stack->base, .size = (size_t)(stack->top - stack->base)};
    co->side.words[0] = stack->sanitizer[0];
    set_state(co, WF_CO_STARTED);
    return true;
}

/* Take what was on its way to the running member. */
static void *take(wf_family *f)
{
    weft_co *me = f->current;
    void *value = f->error == 0 ? f->value : NULL;
    me->error = f->error;
    me->unseen = f->error;
    if (f->hook != NULL)
        f->hook(f->error == 0 ? WEFT_CO_SWITCH : WEFT_CO_THROW, f->origin, me, f->hook_arg);
    return value;
}

/* ---- the switch ---- */

WF_NOT_INSTRUMENTED static void enter(void *arg, void *value);

WF_SWITCHES_STACKS void leave_for(weft_co *me, weft_co *target, wf_coro *self)
{
    me->at = self->stack;
    self->stack = target->at;
    wf_fiber_here(&me->side);
    wf_fiber_leave(me->side.words, target->side.words, target->side.base, target->side.size, false);
    if (target->sp != NULL)
        wf_context_switch(&me->sp, target->sp, NULL);
    else
        wf_context_enter(&me->sp, target->at->top, enter, target, NULL);
    wf_fiber_arrive_from(me->side.words, &me->family->origin->side);
}

static void *refuse(wf_family *f, int error)
{
    f->current->error = error;
    wf_set_last_error(error);
    return NULL;
}

static void *transfer(wf_family *f, weft_co *target, void *value, int error)
{
    wf_caller caller = wf_caller_now();
    weft_co *me = f->current;
    f->value = value;
    f->error = error;
    target = destination(f, target);
    if (state_of(target) == WF_CO_NEW && !begins(target, caller))
        return refuse(f, -ENOMEM);
    wf_forks_switch(caller.worker, caller.self);
    f->origin = me;
    f->current = target;
    if (target != me)
        leave_for(me, target, caller.self);
    return take(f);
}

void *weft_co_switch(weft_co *co, void *value)
{
    wf_family *f = family_here();
    if (f == NULL)
        return NULL;
    if (co == NULL || co->family != f)
        return refuse(f, co == NULL ? -EINVAL : -EXDEV);
    return transfer(f, co, value, 0);
}

void *weft_co_throw(weft_co *co, int error)
{
    wf_family *f = family_here();
    if (f == NULL)
        return NULL;
    if (co == NULL || error >= 0 || co->family != f)
        return refuse(f, co == NULL || error >= 0 ? -EINVAL : -EXDEV);
    return transfer(f, co, NULL, error);
}

/* ---- the end of a member ---- */

/* Its fn has returned: who goes on? */
static weft_co *die(weft_co *co, void *result)
{
    wf_family *f = co->family;
    wf_strand_ends(&co->strand, "a symmetric coroutine");
    int error = co->decided ? co->failed : co->unseen;
    set_state(co, WF_CO_DEAD);
    f->error = error != -ECANCELED ? error : 0;
    f->value = result;
    weft_co *target = destination(f, next_of_kin(co));
    while (state_of(target) == WF_CO_NEW && !begins(target, wf_caller_now())) {
        f->error = -ENOMEM; /* ends it too */
        target = destination(f, target);
    }
    f->origin = co;
    f->current = target;
    return target;
}

static weft_co *live(weft_co *co)
{
    return die(co, co->strand.fn(take(co->family)));
}

/* On the stack of the one that goes on. */
static void *bury(void *arg)
{
    weft_co *co = arg;
    wf_strand_unbind(&co->strand, wf_strand_cache(wf_worker_self()));
    return NULL;
}

WF_SWITCHES_STACKS void leave_for_good(weft_co *me, weft_co *target, wf_coro *self)
{
    self->stack = target->at;
    void *sp = target->sp != NULL ? target->sp : wf_context_make(target->at->top, enter, target);
    wf_fiber_leave(me->side.words, target->side.words, target->side.base, target->side.size, true);
    wf_context_leave_through(sp, bury, me);
}

/* The first frame of each member but the main one. */
WF_NOT_INSTRUMENTED static void enter(void *arg, void *value)
{
    weft_co *co = arg;
    (void)value;
    wf_fiber_arrive_from(co->strand.stack->sanitizer, &co->family->origin->side);
    weft_co *target = live(co);
    leave_for_good(co, target, wf_self());
}

/* ---- asking ---- */

weft_co *weft_co_self(void)
{
    wf_family *f = family_here();
    return f != NULL ? f->current : NULL;
}

int weft_co_error(void)
{
    wf_family *f = family_if_any();
    if (f == NULL)
        return 0;
    f->current->unseen = 0;
    return f->current->error;
}

int weft_co_set_error(int error)
{
    wf_family *f = family_here();
    if (f == NULL)
        return -ENOMEM;
    if (error > 0 || f->current == &f->main)
        return -EINVAL;
    f->current->failed = error;
    f->current->decided = true;
    return 0;
}

weft_co *weft_co_parent(weft_co *co)
{
    return co != NULL ? co->parent : NULL;
}

int weft_co_set_parent(weft_co *co, weft_co *parent)
{
    wf_family *f = family_if_any();
    if (co == NULL || parent == NULL)
        return -EINVAL;
    if (f == NULL || co->family != f || parent->family != f)
        return -EXDEV;
    if (co == &f->main)
        return -EINVAL;
    for (weft_co *ancestor = parent; ancestor != NULL; ancestor = ancestor->parent) {
        if (ancestor == co)
            return -EINVAL;
    }
    set_parent(co, parent);
    return 0;
}

int weft_co_state(weft_co *co)
{
    if (co == NULL)
        return -EINVAL;
    switch (state_of(co)) {
    case WF_CO_NEW:
        return WEFT_CO_NEW;
    case WF_CO_STARTED:
        return co->family->current == co ? WEFT_CO_ACTIVE : WEFT_CO_STARTED;
    case WF_CO_DEAD:
        return WEFT_CO_DEAD;
    default:
        return WEFT_CO_MAIN;
    }
}

int weft_co_set_trace(weft_co_trace *hook, void *arg)
{
    wf_family *f = family_here();
    if (f == NULL)
        return -ENOMEM;
    f->hook = hook;
    f->hook_arg = arg;
    return 0;
}

/* ---- freeing ---- */

/* Have one that stands in a switch end, and go on then. False: it does not. It is held. */
static bool end_started(wf_family *f, weft_co *co)
{
    weft_co *me = f->current;
    co->heir = me;
    transfer(f, co, NULL, -ECANCELED);
    co->heir = NULL;
    if (state_of(co) != WF_CO_DEAD)
        return false;
    me->error = 0;
    me->unseen = 0;
    return true;
}

int weft_co_free(weft_co *co)
{
    if (co == NULL)
        return 0;
    wf_family *f = family_if_any();
    if (co->family != NULL && co->family != f)
        return -EXDEV;
    if (state_of(co) == WF_CO_MAIN)
        return -EINVAL;
    if (state_of(co) == WF_CO_STARTED) {
        if (f->current == co)
            return -EBUSY;
        co->refs++;
        bool ended = end_started(f, co);
        release(co);
        if (!ended)
            return -EBUSY;
    }
    set_state(co, WF_CO_DEAD);
    release(co);
    return 0;
}

/* Its frames never go on: take their stack. */
static void abandon(weft_co *co)
{
    wf_log(WEFT_LOG_WARN,
           "a symmetric coroutine switched away instead of ending when its family ended: its frames are lost");
    if (co->strand.stack->forks != 0)
        wf_die("a symmetric coroutine was left for good with %u task(s) that it forked; they may still use its frames",
               co->strand.stack->forks);
    wf_strand_unbind(&co->strand, wf_strand_cache(wf_worker_self()));
}

static void end_member(wf_family *f, weft_co *co)
{
    co->refs++;
    if (state_of(co) == WF_CO_STARTED && !end_started(f, co))
        abandon(co);
    set_state(co, WF_CO_DEAD);
    wf_list_remove(&co->node);
    co->family = NULL;
    set_parent(co, NULL);
    release(co);
}

void wf_family_end(wf_coro *coro)
{
    wf_family *f = coro->extra != NULL ? coro->extra->family : NULL;
    if (f == NULL)
        return;
    if (f->current != &f->main)
        wf_die("a thread ended inside a symmetric coroutine: return from its function instead of pthread_exit");
    f->ending = true;
    while (!wf_list_is_empty(&f->members))
        end_member(f, wf_container_of(f->members.next, weft_co, node));
    coro->extra->family = NULL;
    wf_free(f);
}
