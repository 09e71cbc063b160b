/* core/split_deque.h with three slots: every item is taken exactly once, by its owner or a thief; a thief sees what was written
 * before the item was exposed, and never takes what a slot held before; and no request for items is lost while the one that
 * asked sleeps.
 *
 * An item is a task as sched/forks.c knows it: it carries its slot while it is private, so that the owner pops it by that, and
 * is marked when it is exposed.
 */
#define WF_SPLIT_SIZE 3
#include "core/split_deque.h"

#include <string.h>

enum { ITEMS = 6 };

typedef struct item {
    wf_split_slot *slot; /* NULL: public, or gone */
    int payload;         /* written before the item is pushed */
    int taken;
} item;

static wf_split deque;
static item items[ITEMS];
static int pushed;

/* What sched/idle.h is to the deque: one thief that counts itself idle before it asks for the last time. */
static _Atomic(uint32_t) idle;
static mc_semaphore bed;
static bool slept;

static void setup(void)
{
    memset(&deque, 0, sizeof deque);
    memset(items, 0, sizeof items);
    wf_split_init(&deque);
    deque.limit = deque.slots + WF_SPLIT_SIZE;
    pushed = 0;
    idle = 0;
    bed = (mc_semaphore){0};
    slept = false;
}

static void use(item *taken)
{
    if (taken == NULL)
        return;
    mc_check(taken >= items && taken < items + pushed);
    mc_check(wf_plain_read(&taken->payload) == (int)(taken - items) + 1);
    mc_check(++taken->taken == 1);
}

/* ---- owner ---- */

static void expose(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        item *exposed = wf_load_relaxed(&deque.split[i]);
        exposed->slot = NULL;
    }
    wf_split_expose(&deque, count);
}

static uint32_t take_back(uint32_t count)
{
    uint32_t back = wf_split_take_back(&deque, count);
    for (uint32_t i = 0; i < back; i++) {
        item *private = wf_load_relaxed(&deque.split[i]);
        private->slot = &deque.split[i];
    }
    return back;
}

static item *push(void)
{
    item *next = &items[pushed++];
    wf_plain_write(&next->payload, pushed);
    next->slot = wf_split_push(&deque, next);
    if (next->slot == NULL)
        next->slot = wf_split_put(&deque, next);
    return next;
}

/* As a sync does: pop it, take it back and pop it, or find that it was stolen. */
static void sync_newest(item *newest)
{
    if (newest->slot == NULL)
        take_back(1);
    if (newest->slot == NULL) {
        mc_check(wf_split_private(&deque) == 0);
        if (wf_split_public(&deque) == 0)
            wf_split_reset(&deque);
        return;
    }
    mc_check(wf_split_holds(&deque, newest->slot, newest));
    if (!wf_split_pop(&deque, newest->slot)) /* somebody asks */
        deque.bottom--;
    use(newest);
}

static void push_expose_sync(void)
{
    item *first = push();
    expose(1);
    item *second = push();
    sync_newest(second);
    sync_newest(first);
}

/* Slot 0 is used twice, public both times. */
static void use_slot_twice(void)
{
    item *first = push();
    expose(1);
    sync_newest(first);
    item *second = push();
    expose(1);
    sync_newest(second);
}

/* The same without a steal between: taken back, popped, pushed anew, exposed. */
static void take_back_and_replace(void)
{
    push();
    push();
    expose(2);
    if (take_back(1) == 1) {
        sync_newest(&items[1]);
        item *third = push();
        expose(1);
        sync_newest(third);
    }
}

static void expose_two_take_one_back(void)
{
    item *first = push();
    item *second = push();
    expose(2);
    sync_newest(second);
    sync_newest(first);
}

/* All that is left leaves at once, as when a coroutine suspends. */
static void move_out(void)
{
    push();
    push();
    push();
    expose(2);
    take_back(WF_SPLIT_SIZE);
    while (deque.bottom != deque.split) {
        item *newest = wf_load_relaxed(deque.bottom - 1);
        sync_newest(newest);
    }
    wf_split_reset(&deque);
    push();
    expose(1);
}

/* ---- thieves ---- */

static void steal_once(void)
{
    use(wf_split_steal(&deque));
}

static void steal_twice(void)
{
    steal_once();
    steal_once();
}

static void steal_if_public(void)
{
    if (wf_split_public(&deque) != 0)
        steal_once();
}

static void nothing_lost(void)
{
    for (item *left = wf_split_steal(&deque); left != NULL; left = wf_split_steal(&deque))
        use(left);
    while (deque.bottom != deque.split)
        sync_newest(wf_load_relaxed(deque.bottom - 1));
    for (int i = 0; i < ITEMS; i++)
        mc_check(items[i].taken == (i < pushed));
}

/* ---- requests ---- */

/* The slow path of a fork: sched/forks.c:serve. */
static void serve(void)
{
    wf_split_open(&deque, WF_SPLIT_SIZE);
    if (wf_split_public(&deque) == 0)
        expose((wf_split_private(&deque) + 1) / 2);
    wf_fence_seq_cst(); /* wf_idle_pick, by wf_queue_wake_one */
    uint32_t one = 1;
    if (wf_load_relaxed(&idle) == 1 && wf_cas_relaxed(&idle, &one, 0))
        mc_post(&bed);
}

static item *push_and_serve(void)
{
    item *next = push();
    if (!wf_split_is_within(&deque) || wf_split_is_asked(&deque))
        serve();
    return next;
}

static void push_and_take_back(void)
{
    item *first = push_and_serve();
    sync_newest(first);
    push_and_serve();
}

static void push_two(void)
{
    push_and_serve();
    push_and_serve();
}

static void setup_closed(void)
{
    setup();
    deque.limit = NULL;
}

/* One that has found nothing: counts itself idle, looks once more, asks, and sleeps: park in sched/worker.c. */
static void look_and_sleep(void)
{
    wf_fetch_add_seq_cst(&idle, 1);
    wf_fence_seq_cst(); /* wf_idle_enter */
    if (wf_split_public(&deque) != 0) {
        uint32_t one = 1;
        if (!wf_cas_relaxed(&idle, &one, 0))
            mc_wait(&bed);
        return;
    }
    wf_split_ask(&deque);
    slept = true;
    mc_wait(&bed);
    slept = false;
}

/* It may sleep only while nothing is public and its request stands, unless nobody could have anything. */
static void sleeps_only_if_it_is_known(void)
{
    if (slept && deque.bottom != deque.slots)
        mc_check(wf_split_public(&deque) == 0 && wf_split_is_asked(&deque));
}

static void ask(void)
{
    wf_split_ask(&deque);
}

static const struct mc_scenario scenarios[] = {
    {.name = "two-thieves",
     .setup = setup,
     .threads = {{"owner", push_expose_sync}, {"thief", steal_once}, {"thief2", steal_once}},
     .final = nothing_lost},
    {.name = "slot-used-twice",
     .setup = setup,
     .threads = {{"owner", use_slot_twice}, {"thief", steal_twice}, {"thief2", steal_once}},
     .final = nothing_lost},
    {.name = "taken-back-and-replaced",
     .setup = setup,
     .threads = {{"owner", take_back_and_replace}, {"thief", steal_once}, {"thief2", steal_once}},
     .final = nothing_lost},
    {.name = "take-one-back",
     .setup = setup,
     .threads = {{"owner", expose_two_take_one_back}, {"thief", steal_twice}, {"thief2", steal_once}},
     .final = nothing_lost},
    {.name = "move-out",
     .setup = setup,
     .threads = {{"owner", move_out}, {"thief", steal_twice}},
     .final = nothing_lost},
    {.name = "hint",
     .setup = setup,
     .threads = {{"owner", use_slot_twice}, {"thief", steal_if_public}, {"asker", ask}},
     .final = nothing_lost},
    {.name = "ask-before-sleep",
     .setup = setup_closed,
     .threads = {{"owner", push_and_take_back}, {"thief", look_and_sleep}},
     .final = sleeps_only_if_it_is_known,
     .may_sleep = true},
    {.name = "ask-while-open",
     .setup = setup,
     .threads = {{"owner", push_two}, {"thief", look_and_sleep}},
     .final = sleeps_only_if_it_is_known,
     .may_sleep = true},
    {.name = "ask-twice",
     .setup = setup_closed,
     .threads = {{"owner", push_two}, {"thief", look_and_sleep}, {"thief2", steal_once}, {"asker", ask}},
     .final = sleeps_only_if_it_is_known,
     .may_sleep = true,
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "split_deque", scenarios, sizeof scenarios / sizeof *scenarios);
}
