/* core/runq.h with four slots: what was pushed is taken exactly once, by the owner or a thief, and whoever takes it
 * sees what the pusher wrote before. Wrapping, a full ring, and items that are stolen twice in a row.
 */
#ifndef WF_RUNQ_SIZE
#define WF_RUNQ_SIZE 4
#endif
#include "core/runq.h"

#include <string.h>

enum { ITEMS = 8 };

/* An item is its number; 0 is never one. payload[i] is written before item i is pushed. */
static wf_runq owners, first_thiefs, second_thiefs;
static int payload[ITEMS + 1];
static int taken[ITEMS + 1];
static int pushed;
static int refused;

static void setup_at(uint64_t start)
{
    memset(&owners, 0, sizeof owners);
    memset(&first_thiefs, 0, sizeof first_thiefs);
    memset(&second_thiefs, 0, sizeof second_thiefs);
    memset(payload, 0, sizeof payload);
    memset(taken, 0, sizeof taken);
    owners.head = owners.tail = start;
    first_thiefs.head = first_thiefs.tail = start;
    pushed = 0;
    refused = 0;
}

static void setup_empty(void)
{
    setup_at(0);
}

static void push_next(void)
{
    int item = pushed + 1;
    wf_plain_write(&payload[item], item);
    if (wf_runq_push(&owners, (void *)(uintptr_t)item))
        pushed = item;
    else
        refused++;
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
    taken[item]++;
    mc_check(taken[item] == 1);
}

/* Three slots in use, so that the next pushes wrap round and fill the ring. */
static void setup_wrapping(void)
{
    setup_at(3);
    for (int i = 0; i < 3; i++)
        push_next();
}

static void *pop(wf_runq *queue)
{
    void *item;
    return wf_runq_pop_many(queue, &item, 1) == 1 ? item : NULL;
}

static void use_many(uint32_t most)
{
    void *items[ITEMS];
    uint32_t count = wf_runq_pop_many(&owners, items, most);
    mc_check(count <= most);
    for (uint32_t i = 0; i < count; i++)
        use(items[i]);
}

static void drain(wf_runq *queue)
{
    for (void *item = pop(queue); item != NULL; item = pop(queue))
        use(item);
}

static void nothing_lost(void)
{
    drain(&owners);
    drain(&first_thiefs);
    drain(&second_thiefs);
    for (int item = 1; item <= ITEMS; item++)
        mc_check(taken[item] == (item <= pushed));
}

static void push_three_pop_two(void)
{
    for (int i = 0; i < 3; i++)
        push_next();
    use(pop(&owners));
    use(pop(&owners));
}

static void push_two_pop_two(void)
{
    push_next();
    push_next();
    use(pop(&owners));
    use(pop(&owners));
}

/* The second push finds the ring full unless a thief was there; the pop makes room. */
static void push_into_full(void)
{
    push_next();
    push_next();
    use(pop(&owners));
    push_next();
}

/* One compare-and-swap that takes as much as a thief's does. */
static void push_three_pop_many(void)
{
    for (int i = 0; i < 3; i++)
        push_next();
    use_many(2);
    use_many(2);
}

/* The ring is full but for what was stolen; the slots of those that are popped together are written again. */
static void pop_many_push_many(void)
{
    use_many(3);
    for (int i = 0; i < 3; i++)
        push_next();
    use_many(3);
}

static void push_three(void)
{
    for (int i = 0; i < 3; i++)
        push_next();
}

static void steal_once(void)
{
    use(wf_runq_steal(&owners, &first_thiefs));
}

static void steal_once_second(void)
{
    use(wf_runq_steal(&owners, &second_thiefs));
}

static void steal_twice(void)
{
    use(wf_runq_steal(&owners, &first_thiefs));
    drain(&first_thiefs);
    use(wf_runq_steal(&owners, &first_thiefs));
}

static void steal_from_thief(void)
{
    use(wf_runq_steal(&first_thiefs, &second_thiefs));
    use(wf_runq_steal(&first_thiefs, &second_thiefs));
}

static void setup_full(void)
{
    setup_at(3);
    for (int i = 0; i < 4; i++)
        push_next();
}

static void push_when_room(void)
{
    push_next();
    push_next();
}

static void count_once(void)
{
    mc_check(wf_runq_count(&owners) <= WF_RUNQ_SIZE);
}

static const struct mc_scenario scenarios[] = {
    {.name = "two-thieves",
     .setup = setup_empty,
     .threads = {{"owner", push_three_pop_two}, {"thief", steal_once}, {"thief2", steal_once_second}},
     .final = nothing_lost},
    {.name = "steals-twice",
     .setup = setup_empty,
     .threads = {{"owner", push_two_pop_two}, {"thief", steal_twice}},
     .final = nothing_lost},
    {.name = "wrap",
     .setup = setup_wrapping,
     .threads = {{"owner", push_into_full}, {"thief", steal_once}, {"thief2", steal_once_second}},
     .final = nothing_lost},
    {.name = "full",
     .setup = setup_full,
     .threads = {{"owner", push_when_room}, {"thief", steal_once}, {"thief2", steal_once_second}},
     .final = nothing_lost},
    {.name = "stolen-twice",
     .setup = setup_empty,
     .threads = {{"owner", push_three}, {"thief", steal_once}, {"thief2", steal_from_thief}},
     .final = nothing_lost},
    {.name = "pops-many",
     .setup = setup_empty,
     .threads = {{"owner", push_three_pop_many}, {"thief", steal_once}, {"thief2", steal_once_second}},
     .final = nothing_lost},
    {.name = "full-pops-many",
     .setup = setup_full,
     .threads = {{"owner", pop_many_push_many}, {"thief", steal_once}, {"thief2", steal_once_second}},
     .final = nothing_lost},
    {.name = "count",
     .setup = setup_empty,
     .threads = {{"owner", push_two_pop_two}, {"thief", steal_once}, {"reader", count_once}},
     .final = nothing_lost},
    {.name = "wrap-steals-twice",
     .setup = setup_wrapping,
     .threads = {{"owner", push_into_full}, {"thief", steal_twice}, {"thief2", steal_once_second}},
     .final = nothing_lost,
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "runq", scenarios, sizeof scenarios / sizeof *scenarios);
}
