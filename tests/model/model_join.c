/* sched/join.c: the word of the joiners. Whoever waits for a coroutine that ends comes back and sees its result; one that
 * gives up in that moment is not woken once it has gone, nor is its node touched. Of those that join in a circle at least
 * one is told, and nobody is told so who does not.
 *
 * Thread and coroutine have the same number: 0 waits, for 1 and sometimes for 2.
 */
#include "model_suspend.h"

#include "sched/join.c"

enum { REFS = 2 }; /* of each coroutine */

static int results[3];                                 /* of each that ends: what its result points to */
static any_node nodes[2] __attribute__((aligned(16))); /* of the one that waits for any */
static int told;                                       /* coroutines that were told of a circle */
static int joined_times[3];                            /* of each: joins that got its result */
static mc_semaphore released;                          /* nobody holds the block of coroutine 2 any more */

struct wf_coro_space wf_coro_space;

static weft_t *handle_of(int index)
{
    uint64_t offset = (uint64_t)index * sizeof(wf_coro) / WF_LIFE_UNIT;
    return (weft_t *)(uintptr_t)(UINT64_C(1) << WF_LIFE_HANDLE_BITS | offset);
}

static void setup(void)
{
    setup_coroutines(3);
    memset(nodes, 0, sizeof nodes);
    memset(results, 0, sizeof results);
    memset(joined_times, 0, sizeof joined_times);
    told = 0;
    released = (mc_semaphore){0};
    wf_coro_space.base = (char *)coros;
    wf_coro_space.extent = sizeof coros;
    mc_quiet(&wf_coro_space.extent, sizeof wf_coro_space.extent);
    for (int i = 0; i < 3; i++)
        coros[i].life = UINT64_C(1) << WF_LIFE_HANDLE_BITS | WF_LIFE_HOLD | REFS;
}

static void setup_killed(void)
{
    setup();
    HIDE(wait_object);
    HIDE(deadline);
}

static void setup_timed(void)
{
    setup();
    HIDE(wait_object);
    HIDE(killed);
}

static void setup_firm(void)
{
    setup_timed();
    HIDE(deadline);
}

static void setup_circle(void)
{
    setup();
    HIDE(deadline);
    HIDE(killed);
}

/* ---- those that are waited for ---- */

static void end(void)
{
    wf_coro *self = wf_self();
    wf_plain_write(&results[index_of(self)], 1);
    wf_store_relaxed(&self->arg, &results[index_of(self)]); /* relaxed: as in wf_coro_run */
    wf_join_publish(self);
}

/* ---- those that wait ---- */

static int join_one(int target, int64_t deadline)
{
    wf_coro *self = wf_self();
    void *result = NULL;
    int ended = join(handle_of(target), &result, deadline);
    mc_check(!wf_list_is_linked(&self->wait_node));
    if (ended == 0) {
        mc_check(result == &results[target]);
        mc_check(wf_plain_read(&results[target]) == 1);
        joined_times[target]++;
    }
    return ended;
}

static void join_it(void)
{
    mc_check(join_one(1, WEFT_NEVER) == 0);
}

/* With a deadline nobody looks for circles. */
static void join_in_time(void)
{
    mc_check(join_one(1, LATER) == 0);
}

static void join_or_give_up(void)
{
    int ended = join_one(1, PASSED);
    mc_check(ended == 0 || ended == -ETIMEDOUT || ended == -ECANCELED);
}

/* The second wait, with the same node, is not ended by who came too late for the first. */
static void join_again(int target)
{
    join_or_give_up();
    coros[0].shield = 1;
    mc_check(join_one(target, LATER) == 0);
}

static void join_twice(void)
{
    join_again(1);
}

static void join_two(void)
{
    join_again(2);
}

/* The nodes are gone once it has come back. */
static int wait_for_any(int64_t deadline)
{
    wf_coro *targets[] = {&coros[1], &coros[2]};
    int index = wait_any(wf_self(), targets, nodes, 2, deadline);
    for (int i = 0; i < 2; i++) {
        wf_plain_write(&nodes[i].waiter, NULL);
        wf_plain_write(&nodes[i].node.next, NULL);
    }
    if (index >= 0)
        mc_check(wf_plain_read(&results[index + 1]) == 1);
    return index;
}

static void wait_for_first(void)
{
    mc_check(wait_for_any(WEFT_NEVER) >= 0);
}

/* The one that ended second has no ticket for the next wait. */
static void wait_for_both(void)
{
    int index = wait_for_any(WEFT_NEVER);
    mc_check(index >= 0);
    mc_check(join_one(index == 0 ? 2 : 1, LATER) == 0);
}

static void wait_for_first_or_give_up(void)
{
    int index = wait_for_any(PASSED);
    mc_check(index >= 0 || index == -ETIMEDOUT || index == -ECANCELED);
}

static void kill_it(void)
{
    kill_coroutine(&coros[0]);
}

static void expire_it(void)
{
    expire(&coros[0]);
}

/* ---- circles ---- */

static void join_and_end(int target)
{
    int ended = join_one(target, WEFT_NEVER);
    mc_check(ended == 0 || ended == -EDEADLK);
    told += ended == -EDEADLK;
    end();
}

static void join_next_and_end(void)
{
    join_and_end(mc_self() + 1);
}

static void join_first_and_end(void)
{
    join_and_end(0);
}

/* Has joined, and goes on to wait for something that is no coroutine: descriptor 5. */
static void join_next_and_read_and_end(void)
{
    wf_coro *self = wf_self();
    mc_check(join_one(2, WEFT_NEVER) == 0);
    wf_store_relaxed(&self->wait_object, (void *)(uintptr_t)5); /* relaxed: as in sleep_on */
    end();
}

/* What wait_for does before it waits, by each of three. */
static void look_for_circle(void)
{
    wf_coro *self = wf_self();
    wf_coro *target = &coros[(mc_self() + 1) % 3];
    wf_store_release(&self->wait_object, joined(target)); /* ORDER(join-object): as in wait_for. */
    mc_check(wf_joiners_lock(target));
    told += closes_circle(self, target);
    wf_joiners_unlock(target, 0);
}

/* The middle of a story: 1 had joined 2, which has ended; it goes on and lets go of the block, which becomes another coroutine
 * and joins 0; meanwhile 0 looks whether it may join 1. */
static void setup_recycled(void)
{
    setup_circle();
    coros[1].wait_object = joined(&coros[2]);
}

static void look_for_circle_and_end(void)
{
    wf_coro *self = wf_self();
    wf_store_release(&self->wait_object, joined(&coros[1])); /* ORDER(join-object): as in wait_for. */
    mc_check(wf_joiners_lock(&coros[1]));
    mc_check(!closes_circle(self, &coros[1]));
    wf_joiners_unlock(&coros[1], 0);
    wf_store_relaxed(&self->wait_object, NULL); /* relaxed: as in wait_for */
    end();
}

static void go_on_and_release(void)
{
    wf_store_relaxed(&coros[1].wait_object, NULL); /* relaxed: as in wait_for */
    mc_post(&released);
}

static void be_another(void)
{
    mc_wait(&released);
    join_and_end(0);
}

/* ---- a block that becomes another coroutine's ---- */

/* One reference, and two that join by it. Who comes too late meets the next coroutine in the block, and leaves it alone. */
static void setup_double(void)
{
    setup_firm();
    coros[1].life = UINT64_C(1) << WF_LIFE_HANDLE_BITS | WF_LIFE_HOLD | 1;
}

/* As wf_coro_init. */
static void be_born_again(wf_coro *self)
{
    wf_store_relaxed(&self->state, wf_state_make(9, WF_PHASE_RUNNING)); /* relaxed: as there */
    wf_store_release(&self->joiners, 0);                                /* ORDER(joiners): as there. */
    /* ORDER(life): as there. */
    wf_store_release(&self->life, UINT64_C(2) << WF_LIFE_HANDLE_BITS | WF_LIFE_HOLD | 1);
}

static void end_and_end_again(void)
{
    wf_coro *self = wf_self();
    end();
    if (!wf_life_is_gone(self))
        return;
    be_born_again(self);
    wf_join_publish(self);
}

/* Somebody else had joined it, and took the reference if there still is one. */
static void end_be_joined_and_end_again(void)
{
    wf_coro *self = wf_self();
    end();
    if (wf_coro_unref(NULL, handle_of(1)) || wf_life_is_gone(self)) {
        be_born_again(self);
        wf_join_publish(self);
    }
}

static void came_back(void)
{
    check_nobody_waits();
}

static void join_if_named(void)
{
    int ended = join_one(1, LATER);
    mc_check(ended == 0 || ended == -ESRCH);
}

static void one_of_two_joined(void)
{
    check_nobody_waits();
    mc_check(joined_times[1] == 1);
}

/* ---- at the end ---- */

static void all_came_back(void)
{
    check_nobody_waits();
    mc_check(told == 0);
    for (int i = 0; i < 3; i++)
        mc_check((wf_load_relaxed(&coros[i].life) & WF_LIFE_REFS) == (uint64_t)(REFS - joined_times[i]));
}

static void somebody_was_told(void)
{
    check_nobody_waits();
    mc_check(told > 0);
}

/* ---- what else sched/join.c calls, in functions that no scenario runs ---- */

void *wf_alloc(size_t size)
{
    (void)size;
    return NULL;
}

void wf_free(void *memory)
{
    (void)memory;
}

wf_coro *wf_coro_from_handle(const weft_t *handle)
{
    (void)handle;
    return NULL;
}

wf_coro *wf_coro_hold(const weft_t *handle)
{
    (void)handle;
    return NULL;
}

wf_coro *wf_coro_hold_joinable(const weft_t *handle)
{
    return wf_coro_hold(handle);
}

bool wf_coro_is_joinable(const weft_t *handle)
{
    return handle != NULL;
}

wf_coro *wf_coro_ref(const weft_t *handle)
{
    (void)handle;
    return NULL;
}

/* As sched/coro.c, but that nothing is freed. */
bool wf_coro_unref(struct wf_worker *worker, const weft_t *handle)
{
    (void)worker;
    wf_coro *coro = wf_life_block(handle);
    uint64_t life = wf_load_acquire(&coro->life);
    do {
        if (!wf_life_is_joinable(handle, life))
            return false;
    } while (!wf_cas_acq_rel(&coro->life, &life, life - 1));
    return true;
}

void wf_coro_release(struct wf_worker *worker, wf_coro *coro)
{
    (void)worker;
    (void)coro;
}

void wf_die(const char *format, ...)
{
    mc_fail(__FILE__, __LINE__, format);
    abort();
}

#define SCENARIO_WITH(name_, setup_, final_, ...) \
    .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = final_, .patient_spins = true
#define SCENARIO(name_, setup_, ...) SCENARIO_WITH(name_, setup_, all_came_back, __VA_ARGS__)
#define CIRCLE(name_, final_, ...) SCENARIO_WITH(name_, setup_circle, final_, __VA_ARGS__)

static const struct mc_scenario scenarios[] = {
    {SCENARIO("one", setup_circle, {"joiner", join_it}, {"target", end})},
    {SCENARIO("killed", setup_killed, {"joiner", join_or_give_up}, {"target", end}, {"killer", kill_it})},
    {SCENARIO("times-out", setup_timed, {"joiner", join_or_give_up}, {"target", end}, {"timer", expire_it})},
    {SCENARIO("killed-and-another", setup_killed, {"joiner", join_two}, {"target1", end}, {"target2", end},
              {"killer", kill_it}),
     .deep = true},
    {SCENARIO("any-times-out", setup_timed, {"waiter", wait_for_first_or_give_up}, {"target1", end},
              {"timer", expire_it})},
    {SCENARIO("any-then-the-other", setup_firm, {"waiter", wait_for_both}, {"target1", end}, {"target2", end}),
     .deep = true},
    {CIRCLE("circle", somebody_was_told, {"first", join_next_and_end}, {"second", join_first_and_end})},
    {CIRCLE("circle-of-three", somebody_was_told, {"first", look_for_circle}, {"second", look_for_circle},
            {"third", look_for_circle})},
    {CIRCLE("chain", all_came_back, {"first", join_next_and_end}, {"second", join_next_and_end}, {"third", end}),
     .deep = true},
    {CIRCLE("chain-goes-on", all_came_back, {"first", join_next_and_end}, {"second", join_next_and_read_and_end},
            {"third", end}),
     .deep = true},
    {SCENARIO("recycled", setup_recycled, {"first", look_for_circle_and_end}, {"second", go_on_and_release},
              {"third", be_another})},
    {SCENARIO("killed-and-again", setup_killed, {"joiner", join_twice}, {"target", end}, {"killer", kill_it}),
     .deep = true},
    {SCENARIO("two-joiners", setup_firm, {"joiner0", join_in_time}, {"target", end}, {"joiner2", join_in_time}),
     .deep = true},
    {SCENARIO_WITH("stale", setup_double, came_back, {"joiner", join_if_named},
                   {"target", end_be_joined_and_end_again})},
    {SCENARIO_WITH("double", setup_double, one_of_two_joined, {"joiner0", join_if_named}, {"target", end_and_end_again},
                   {"joiner2", join_if_named}),
     .deep = true},
    {SCENARIO("any", setup_firm, {"waiter", wait_for_first}, {"target1", end}, {"target2", end}), .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "join", scenarios, sizeof scenarios / sizeof *scenarios);
}
