/* core/localq.h and core/localq.c with two items: what the owner pushed or put into the slot is taken exactly once, by itself or
 * by a robber, and whoever takes it sees what was written before; neither waits for the other for ever. Wrapping, a full queue, a
 * slot that is robbed, and an owner that is robbed twice while it waits. The owner also takes out what it names, and puts items
 * before the others.
 */
#define WF_LOCALQ_SIZE 2
#define WF_LOCALQ_SPINS 1

#include "model_simple_lock.h"

#include "core/localq.c"

#include <string.h>

enum { ITEMS = 8 };

/* An item is its number; 0 is never one. payload[i] is written before item i is handed over. */
static wf_localq queue;
static int payload[ITEMS + 1];
static int taken[ITEMS + 1];
static int made;    /* items so far */
static int inside;  /* of the model: threads that are inside */
static int refused; /* of the model: pushes that found no room */

static void setup_at(uint32_t start)
{
    memset(&queue, 0, sizeof queue);
    memset(payload, 0, sizeof payload);
    memset(taken, 0, sizeof taken);
    queue.head = queue.tail = start;
    mc_quiet(&queue.front, sizeof queue.front); /* by those inside alone */
    made = inside = refused = 0;
}

static void setup_empty(void)
{
    setup_at(0);
}

/* ---- the owner ---- */

static void *make(void)
{
    int item = ++made;
    wf_plain_write(&payload[item], item);
    return (void *)(uintptr_t)item;
}

static void use(void *taken_item)
{
    if (taken_item == NULL)
        return;
    uintptr_t item = (uintptr_t)taken_item;
    mc_check(item >= 1 && item <= ITEMS);
    if (item > ITEMS)
        return;
    mc_check(wf_plain_read(&payload[item]) == (int)item);
    mc_check(++taken[item] == 1);
}

static void push_item(void *item)
{
    if (wf_localq_push(&queue, item))
        return;
    /* There would be room in the run queue. */
    refused++;
    use(item);
}

static void push(void)
{
    push_item(make());
}

static void enter(void)
{
    wf_localq_enter(&queue);
    mc_check(++inside == 1);
}

static void leave(void)
{
    mc_check(wf_load_relaxed(&queue.front) <= wf_localq_count(&queue));
    inside--;
    wf_localq_leave(&queue);
}

static void pop(void)
{
    enter();
    void *item = wf_localq_pop(&queue);
    leave();
    use(item);
}

/* It was just woken. */
static void push_next(void)
{
    void *item = make();
    enter();
    void *displaced = wf_localq_replace(&queue, item);
    leave();
    if (displaced != NULL)
        push_item(displaced);
}

/* The slot goes first. */
static void take(void)
{
    enter();
    void *item = wf_localq_replace(&queue, NULL);
    if (item == NULL)
        item = wf_localq_pop(&queue);
    leave();
    use(item);
}

/* Somebody joins it. */
static void take_out(int item)
{
    enter();
    bool found = wf_localq_take_out(&queue, (void *)(uintptr_t)item);
    leave();
    if (found)
        use((void *)(uintptr_t)item);
}

/* The second oldest goes first. */
static void take_second(void)
{
    enter();
    void *item = wf_localq_at(&queue, 1);
    if (item != NULL)
        mc_check(wf_localq_take_old(&queue, 1));
    leave();
    use(item);
}

/* From the run queue, where it has stood for longer than what is here. */
static void unshift(void)
{
    void *item = make();
    if (wf_localq_count(&queue) == WF_LOCALQ_SIZE) {
        use(item);
        return;
    }
    enter();
    wf_localq_unshift(&queue, &item, 1);
    leave();
}

static void take_out_newest(void)
{
    take_out(2);
    push();
}

static void take_out_oldest(void)
{
    take_out(1);
    push();
}

static void take_second_and_push(void)
{
    take_second();
    push();
}

static void push_unshift_and_pop(void)
{
    push();
    unshift();
    pop();
}

static void unshift_into_full(void)
{
    unshift();
    pop();
    unshift();
}

static void push_and_pop(void)
{
    push();
    pop();
}

static void push_two_and_pop_two(void)
{
    push();
    push();
    pop();
    pop();
}

static void pop_and_push_two(void)
{
    pop();
    push();
    push();
}

static void push_pop_push(void)
{
    push();
    pop();
    push();
}

static void push_next_and_take(void)
{
    push_next();
    take();
}

static void push_next_twice_and_take_twice(void)
{
    push_next();
    push_next();
    take();
    take();
}

static void take_twice(void)
{
    take();
    take();
}

/* ---- the robbers ---- */

static void rob(void)
{
    void *items[WF_LOCALQ_SIZE / 2];
    uint32_t count = wf_localq_rob(&queue, items);
    mc_check(count <= WF_LOCALQ_SIZE / 2);
    for (uint32_t i = 0; i < count; i++) {
        mc_check(items[i] != NULL);
        use(items[i]);
    }
}

static void rob_twice(void)
{
    rob();
    rob();
}

/* Somebody who looks whether there is anything worth robbing. */
static void look(void)
{
    if (wf_localq_is_empty(&queue))
        return;
    rob();
}

/* ---- before and after ---- */

/* Two items, at the end of the array and at its beginning. */
static void setup_full(void)
{
    setup_at(UINT32_MAX);
    push();
    push();
}

static void setup_slot_and_one(void)
{
    setup_at(1);
    push();
    push_next();
}

static void nothing_lost(void)
{
    for (int i = 0; i < 3; i++)
        take();
    mc_check(wf_localq_is_empty(&queue));
    for (int item = 1; item <= ITEMS; item++)
        mc_check(taken[item] == (item <= made));
}

static void nothing_refused(void)
{
    nothing_lost();
    mc_check(refused == 0);
}

#define SCENARIO(name_, setup_, final_, ...) \
    .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = final_, .patient_spins = true

static const struct mc_scenario scenarios[] = {
    {SCENARIO("push-and-pop", setup_empty, nothing_refused, {"owner", push_two_and_pop_two}, {"robber", rob})},
    {SCENARIO("robbed-twice", setup_empty, nothing_refused, {"owner", push_two_and_pop_two}, {"robber", rob_twice})},
    {SCENARIO("two-robbers", setup_empty, nothing_refused, {"owner", push_and_pop}, {"robber", rob}, {"robber2", rob})},
    {SCENARIO("full", setup_full, nothing_lost, {"owner", push_pop_push}, {"robber", rob}, {"robber2", rob})},
    {SCENARIO("wrap", setup_full, nothing_lost, {"owner", pop_and_push_two}, {"robber", rob_twice})},
    {SCENARIO("slot", setup_empty, nothing_refused, {"owner", push_next_and_take}, {"robber", rob}, {"robber2", look})},
    {SCENARIO("slot-displaced", setup_empty, nothing_refused, {"owner", push_next_twice_and_take_twice},
              {"robber", rob_twice})},
    {SCENARIO("slot-and-queue", setup_slot_and_one, nothing_refused, {"owner", take_twice}, {"robber", rob},
              {"robber2", rob})},
    {SCENARIO("take-out-newest", setup_full, nothing_lost, {"owner", take_out_newest}, {"robber", rob},
              {"robber2", rob})},
    {SCENARIO("take-out-oldest", setup_full, nothing_lost, {"owner", take_out_oldest}, {"robber", rob_twice})},
    {SCENARIO("take-second", setup_full, nothing_lost, {"owner", take_second_and_push}, {"robber", rob_twice})},
    {SCENARIO("unshift", setup_empty, nothing_refused, {"owner", push_unshift_and_pop}, {"robber", rob_twice})},
    {SCENARIO("unshift-into-full", setup_full, nothing_lost, {"owner", unshift_into_full}, {"robber", rob_twice})},
    {SCENARIO("displaced-two-robbers", setup_empty, nothing_refused, {"owner", push_next_twice_and_take_twice},
              {"robber", rob}, {"robber2", rob}),
     .deep = true},
    {SCENARIO("two-robbers-one-twice", setup_empty, nothing_refused, {"owner", push_and_pop}, {"robber", rob_twice},
              {"robber2", rob}),
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "localq", scenarios, sizeof scenarios / sizeof *scenarios);
}
