/* sched/join.c, sched/notify.c and sched/joiners.h, with the life of control blocks in sched/coro.c and sched/life.h. Whoever joins a coroutine
 * that ends comes back and has its result; one that gives up in that moment is not woken once it has gone, nor is its node
 * touched. A reference is taken once, the last one frees the block, and a handle that went stale meanwhile shows nothing of
 * the next coroutine in the block. Of those that join in a circle at least one is told, and nobody is told so who does not. A node
 * of another kind is told of the end once, or refused, or taken off in time; and it is done with when taking it off fails.
 *
 * Thread and coroutine have the same number: 0 waits, for 1 and sometimes for 2.
 */
#include "model_suspend.h"

#include "sched/coro.c"
#include "sched/join.c"
#include "sched/notify.c"

#define FIRST_GENERATION (UINT64_C(1) << WF_LIFE_HANDLE_BITS)

static int results[4];                                  /* of coroutine i; of the second one in block 1: results[3] */
static wf_joiner nodes[2] __attribute__((aligned(16))); /* of the one that waits for any */
static wf_worker machines[MC_THREADS];
static weft_t *handles[3];
static wf_joiner watcher __attribute__((aligned(16))); /* of no waiter */
static int notices;                                    /* of the model: times that it was told */
static int missed;                                     /* of the model: times that it came too late, or was taken off */
static int ends;                                       /* of the model: coroutines that were counted as ended */
static int joins;                                      /* of the model: times that a join brought a result */
static int refused;                                    /* of the model: times that it did not */
static int told;                                       /* of the model: coroutines that were told of a circle */
static bool reborn;                                    /* block 1 has become another coroutine */
static mc_semaphore released;                          /* nobody refers to the block of coroutine 2 any more */

static void setup(void)
{
    setup_coroutines(3);
    memset(results, 0, sizeof results);
    memset(nodes, 0, sizeof nodes);
    wf_coro_space.base = (char *)coros;
    wf_coro_space.extent = sizeof coros;
    wf_coro_space.free = NULL;
    mc_quiet(&wf_coro_space.extent, sizeof wf_coro_space.extent);
    for (int i = 0; i < 3; i++) {
        coros[i].life = FIRST_GENERATION | WF_LIFE_HOLD | 1;
        handles[i] = (weft_t *)(uintptr_t)(FIRST_GENERATION | (uint64_t)i * sizeof(wf_coro) / WF_LIFE_UNIT);
        coros[i].flags = WF_CORO_PINNED; /* whoever wakes it puts it where the model looks */
        machines[i].blocks = NULL;
        machines[i].blocks_count = 0;
    }
    joins = refused = told = notices = missed = ends = 0;
    watcher = (wf_joiner){.kind = WF_JOINER_ITER};
    reborn = false;
    released = (mc_semaphore){0};
}

static void setup_killed(void)
{
    setup();
    HIDE(wait_object);
    HIDE(deadline);
    HIDE(arg);
}

static void setup_timed(void)
{
    setup();
    HIDE(wait_object);
    HIDE(killed);
    HIDE(arg);
}

static void setup_firm(void)
{
    setup();
    HIDE(wait_object);
    HIDE(killed);
    HIDE(deadline);
    HIDE(arg);
}

/* Those that wait for any hold them. */
static void setup_held(void)
{
    setup_firm();
    for (int i = 1; i <= 2; i++)
        coros[i].life = FIRST_GENERATION | 2 * WF_LIFE_HOLD | 1;
}

static void setup_held_timed(void)
{
    setup_timed();
    coros[1].life = FIRST_GENERATION | 2 * WF_LIFE_HOLD | 1;
}

static void setup_circle(void)
{
    setup();
    HIDE(deadline);
    HIDE(killed);
    HIDE(arg);
}

/* The block is used again, and with it all that is in it. */
static void setup_recycled(void)
{
    setup();
    HIDE(wait_object);
    HIDE(killed);
    HIDE(worker);
    HIDE(op);
}

/* ---- those that are waited for ---- */

static void end_with(int *result)
{
    wf_coro *self = wf_self();
    wf_plain_write(result, 1);
    wf_store_relaxed(&self->arg, result); /* relaxed: as wf_coro_run */
    wf_worker *worker = workers[mc_self()] = &machines[mc_self()];
    wf_join_publish(self);
    /* As wf_coro_retire. */
    if (wf_life_is_gone(self))
        wf_coro_recycle(worker, self);
    else
        wf_coro_release(worker, self);
    workers[mc_self()] = NULL;
}

static void end(void)
{
    end_with(&results[mc_self()]);
}

/* If nobody has the block any more it becomes another coroutine, which ends, too. */
static void end_and_again(void)
{
    end();
    if (machines[1].blocks == NULL)
        return;
    reborn = true;
    mc_check(wf_coro_new(&machines[1], 1) == &coros[1]);
    end_with(&results[3]);
}

/* ---- those that wait ---- */

static int note_join(int target, int error, void *result)
{
    mc_check(!wf_list_is_linked(&coros[mc_self()].wait_node));
    if (error == 0) {
        joins++;
        mc_check(result == &results[target]);
        mc_check(wf_plain_read(&results[target]) == 1);
    }
    return error;
}

static int join_one(int target, int64_t deadline)
{
    void *result = NULL;
    int error = weft_join_until(handles[target], &result, deadline);
    return note_join(target, error, result);
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

static void join_if_not_stale(void)
{
    int error = join_one(1, LATER);
    mc_check(error == 0 || error == -ESRCH);
    refused += error == -ESRCH;
}

static void join_or_give_up(void)
{
    int error = join_one(1, PASSED);
    mc_check(error == 0 || error == -ETIMEDOUT || error == -ECANCELED);
}

static void join_all(void)
{
    mc_check(weft_joinall_until(&handles[1], 2, LATER) == 0);
    joins = 2;
    for (int i = 1; i <= 2; i++)
        mc_check(wf_plain_read(&results[i]) == 1);
}

static void detach(void)
{
    refused += weft_detach(handles[1]) == -ESRCH;
}

/* ---- the middle of a story: these stand on the ring of another already, and wait ---- */

static void stand_in_ring(int coro, int target)
{
    wf_list *first = (wf_list *)(coros[target].joiners & ~WF_JOINERS_BITS);
    coros[coro].state = wf_state_make(7, WF_PHASE_WAITING | WF_STATE_KILLABLE | WF_STATE_TIMED);
    coros[coro].wait_data[WF_JOIN_TAKES] = WF_JOIN_COLLECTS;
    if (first == NULL)
        wf_list_init(&coros[coro].wait_node);
    else
        wf_list_insert_before(first, &coros[coro].wait_node);
    coros[target].joiners =
        (uintptr_t)(first != NULL ? first : &coros[coro].wait_node) | (coros[target].joiners & WF_JOINERS_LINKED);
}

/* 0 with a deadline that is over. */
static void setup_one_in_ring(void)
{
    setup_timed();
    stand_in_ring(0, 1);
    coros[0].deadline = PASSED;
}

static void setup_two_in_ring(void)
{
    setup_one_in_ring();
    stand_in_ring(2, 1);
}

static void setup_other_in_ring(void)
{
    setup_firm();
    stand_in_ring(2, 1);
}

static void setup_two_refs_in_ring(void)
{
    setup_other_in_ring();
    coros[1].life = FIRST_GENERATION | WF_LIFE_HOLD | 2;
}

/* 1 has joined 2. */
static void setup_chain(void)
{
    setup_circle();
    stand_in_ring(1, 2);
    coros[1].wait_object = joined(&coros[2]);
}

static void come_back(void)
{
    mc_wait(&queued[mc_self()]);
    mc_check(--times_queued[mc_self()] == 0);
    wf_state_dispatch(&coros[mc_self()]);
}

/* As wait_in_ring and join go on. */
static int go_on(int target)
{
    wf_coro *self = wf_self();
    void *result = NULL;
    come_back();
    int error = self->wake_value;
    if ((error == -ETIMEDOUT || error == -ECANCELED) && !wf_join_unlink(&coros[target], &self->wait_node))
        error = collect(handles[target], &coros[target], &result);
    else if (error == 0)
        result = (void *)wf_plain_read(&self->wait_data[WF_JOIN_RESULT]);
    wf_store_relaxed(&self->wait_object, NULL); /* relaxed: as wait_for */
    return note_join(target, error, result);
}

static void come_back_or_be_refused(void)
{
    int error = go_on(1);
    mc_check(error == 0 || error == -ESRCH || error == -ETIMEDOUT);
    refused += error != 0;
}

static void come_back_joined(void)
{
    mc_check(go_on(1) == 0);
}

/* The second wait, with the same node, is not ended by who came too late for the first. */
static void come_back_and_join_again(void)
{
    int error = go_on(1);
    mc_check(error == 0 || error == -ETIMEDOUT);
    mc_check(join_one(1, LATER) == (error == 0 ? -ESRCH : 0));
}

static void come_back_and_end(void)
{
    mc_check(go_on(2) == 0);
    end();
}

/* And goes on to wait for something that is no coroutine: descriptor 5. */
static void come_back_and_read_and_end(void)
{
    mc_check(go_on(2) == 0);
    wf_store_relaxed(&coros[1].wait_object, (void *)(uintptr_t)5); /* relaxed: as in sleep_on */
    end();
}

/* ---- waiting for any ---- */

/* The nodes are gone once it has come back. */
static int note_any(int index)
{
    for (int i = 0; i < 2; i++) {
        wf_plain_write(&nodes[i].waiter, NULL);
        wf_plain_write(&nodes[i].node.next, NULL);
    }
    if (index >= 0)
        mc_check(wf_plain_read(&results[index + 1]) == 1);
    return index;
}

static int wait_for_any(int64_t deadline)
{
    wf_coro *targets[] = {&coros[1], &coros[2]};
    int index = wait_any(wf_self(), targets, nodes, 2, deadline);
    return note_any(index);
}

static void release_targets(void)
{
    for (int i = 1; i <= 2; i++)
        wf_coro_release(wf_worker_self(), &coros[i]);
}

/* It waits for both already. */
static void setup_any(void)
{
    setup_held();
    coros[0].state = wf_state_make(7, WF_PHASE_WAITING);
    for (int i = 0; i < 2; i++) {
        nodes[i] = (wf_joiner){.waiter = &coros[0], .ticket = 7};
        wf_list_init(&nodes[i].node);
        coros[i + 1].joiners = (uintptr_t)&nodes[i].node;
    }
}

/* As wait_any goes on. */
static int go_on_any(void)
{
    wf_coro *targets[] = {&coros[1], &coros[2]};
    come_back();
    for (int i = 0; i < 2; i++)
        wf_join_unlink(targets[i], &nodes[i].node);
    return note_any(first_ended(targets, 2));
}

static void come_back_from_any(void)
{
    mc_check(go_on_any() >= 0);
    release_targets();
}

/* The one that ended second has no ticket for the next wait. */
static void come_back_from_any_and_join_the_other(void)
{
    int index = go_on_any();
    mc_check(index >= 0);
    mc_check(join_one(index == 0 ? 2 : 1, LATER) == 0);
    release_targets();
}

static void wait_for_first_or_give_up(void)
{
    int index = wait_for_any(PASSED);
    mc_check(index >= 0 || index == -ETIMEDOUT || index == -ECANCELED);
    wf_coro_release(wf_worker_self(), &coros[1]);
}

static void kill_it(void)
{
    kill_or_miss(&coros[0]);
}

static void expire_it(void)
{
    expire(&coros[0]);
}

/* ---- others than joiners ---- */

/* It sees the result. */
static void note_end(wf_joiner *joiner)
{
    mc_check(joiner == &watcher);
    wf_plain_write(&watcher.ticket, watcher.ticket);
    mc_check(wf_plain_read(&results[1]) == 1);
    notices++;
}

void wf_iwait_told(wf_joiner *joiner)
{
    note_end(joiner);
}

void wf_link_run(wf_joiner *joiner, wf_coro *self)
{
    mc_check(self == &coros[1] && ends == 0);
    note_end(joiner);
}

void wf_scope_told(wf_joiner *joiner, wf_coro *self)
{
    (void)joiner;
    (void)self;
    mc_check(!"no scenario has a scope");
}

void wf_runtime_count_finished(wf_worker *worker)
{
    mc_check(worker == workers[mc_self()]);
    ends++;
}

/* Whoever watches it holds it. */
static void setup_watched_by(void (*setup_first)(void))
{
    setup_first();
    coros[1].life = FIRST_GENERATION | 2 * WF_LIFE_HOLD | 1;
}

static void setup_unwatched(void)
{
    setup_watched_by(setup_firm);
}

/* It stands on the ring already. */
static void put_watcher(void)
{
    wf_list_init(&watcher.node);
    coros[1].joiners = (uintptr_t)&watcher.node | WF_JOINERS_LINKED;
}

static void setup_watched(void)
{
    setup_unwatched();
    put_watcher();
}

static void setup_watched_and_in_ring(void)
{
    setup_watched_by(setup_timed);
    put_watcher();
    stand_in_ring(0, 1);
    coros[0].deadline = PASSED;
}

/* 0 is the coroutine of a link, which holds its target, and waits to start. */
static void setup_link(void)
{
    setup_unwatched();
    stand_in_ring(0, 1);
    coros[0].state = wf_state_make(7, WF_PHASE_WAITING);
    coros[0].wait_data[WF_JOIN_TAKES] = WF_JOIN_STARTS;
    coros[1].joiners |= WF_JOINERS_LINKED;
}

static void setup_link_and_another(void)
{
    setup_link();
    stand_in_ring(2, 1);
}

static void release_target(void)
{
    wf_coro_release(wf_worker_self(), &coros[1]);
}

static void watch(void)
{
    if (!wf_notify_add(&coros[1], &watcher)) {
        missed++;
        mc_check(wf_plain_read(&results[1]) == 1);
    }
    release_target();
}

static void watch_with_link(void)
{
    watcher.kind = WF_JOINER_LINK;
    watch();
}

/* Whichever it was, the node may go. */
static void stop_watching(void)
{
    missed += wf_join_unlink(&coros[1], &watcher.node);
    wf_plain_write(&watcher.ticket, 0);
    wf_plain_write(&watcher.node.next, NULL);
    release_target();
}

static void watch_and_stop(void)
{
    if (!wf_notify_add(&coros[1], &watcher)) {
        missed++;
        release_target();
    } else {
        stop_watching();
    }
}

static void start_at_end(void)
{
    come_back();
    mc_check(coros[0].wake_value == 0);
    mc_check(wf_life_turn_hold_into_ref(&coros[1]));
    mc_check(wf_coro_is_joinable(handles[1]));
    mc_check(wf_plain_read(&results[1]) == 1);
    mc_check(wf_coro_unref(wf_worker_self(), handles[1]));
}

/* ---- circles ---- */

static void join_and_end(int target)
{
    int error = weft_join(handles[target], NULL);
    mc_check(error == 0 || error == -EDEADLK);
    told += error == -EDEADLK;
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

/* What wait_for does before it waits. */
static bool look(int target)
{
    wf_coro *self = wf_self();
    wf_store_release(&self->wait_object, joined(&coros[target])); /* ORDER(join-object): as in wait_for. */
    mc_check(wf_joiners_lock(&coros[target]));
    bool found = closes_circle(self, &coros[target]);
    wf_joiners_unlock(&coros[target], 0);
    return found;
}

static void look_for_circle(void)
{
    told += look((mc_self() + 1) % 3);
}

/* The middle of a story: 1 had joined 2, which has ended; it goes on and lets go of the block, which becomes another coroutine
 * and joins 0; meanwhile 0 looks whether it may join 1. */
static void setup_other_joins(void)
{
    setup_circle();
    coros[1].wait_object = joined(&coros[2]);
}

static void look_for_circle_and_end(void)
{
    mc_check(!look(1));
    wf_store_relaxed(&coros[0].wait_object, NULL); /* relaxed: as in wait_for */
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

/* ---- at the end ---- */

/* It has `refs` references, and the last one to let go of it has freed it. */
static void check_life(int coro, unsigned refs)
{
    uint64_t life = wf_load_relaxed(&coros[coro].life);
    uint64_t state = wf_load_relaxed(&coros[coro].state);
    bool has_ended = wf_state_phase(state) == WF_PHASE_DONE || wf_state_phase(state) == WF_PHASE_FREE;
    bool is_free = refs == 0 && has_ended;
    mc_check((life & WF_LIFE_REFS) == refs);
    mc_check((life & WF_LIFE_HOLDS) == (has_ended ? 0 : WF_LIFE_HOLD));
    mc_check(wf_life_generation(life) == (is_free || (reborn && coro == 1) ? 2 : 1));
    mc_check((wf_state_phase(state) == WF_PHASE_FREE) == is_free);
    mc_check(wf_load_relaxed(&coros[coro].joiners) == (has_ended ? WF_JOINERS_CLOSED : 0));
}

static void all_came_back(void)
{
    check_nobody_waits();
    mc_check(told == 0);
}

/* One reference, of which the join, if there was one, has disposed. */
static void joined_or_not(void)
{
    check_nobody_waits();
    check_life(1, joins == 0 || reborn);
}

static void joined_once(void)
{
    check_nobody_waits();
    mc_check(joins == 1);
    check_life(1, 0);
}

static void joined_both(void)
{
    check_nobody_waits();
    mc_check(joins == 2);
    check_life(1, 0);
    check_life(2, 0);
}

static void joined_twice(void)
{
    check_nobody_waits();
    mc_check(joins == 2);
    check_life(1, 0);
}

/* One of two has had it. The next coroutine in the block has its reference yet. */
static void one_was_refused(void)
{
    check_nobody_waits();
    mc_check(refused == 1);
    check_life(1, reborn);
}

/* Of two at most one has had it. */
static void not_all_had_it(void)
{
    check_nobody_waits();
    mc_check(joins + refused == 2 && joins <= 1);
    check_life(1, joins == 0);
}

static void somebody_was_told(void)
{
    check_nobody_waits();
    mc_check(told > 0);
}

static void heard_once(void)
{
    check_nobody_waits();
    mc_check(notices + missed == 1 && ends == 1);
    mc_check(!wf_list_is_linked(&watcher.node));
    check_life(1, 1);
}

static void heard_and_joined(void)
{
    check_nobody_waits();
    mc_check(notices + missed == 1 && ends == 1);
    check_life(1, joins == 0);
}

static void started(void)
{
    check_nobody_waits();
    mc_check(ends == 1);
    check_life(1, joins == 0);
}

/* ---- what else they call, in functions that no scenario runs ---- */

void *wf_alloc(size_t size)
{
    (void)size;
    return NULL;
}

void wf_free(void *memory)
{
    (void)memory;
}

void wf_die(const char *format, ...)
{
    mc_fail(__FILE__, __LINE__, format);
    abort();
}

#define SCENARIO(name_, setup_, final_, ...) \
    .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = final_, .patient_spins = true

static const struct mc_scenario scenarios[] = {
    {SCENARIO("one", setup_circle, joined_once, {"joiner", join_it}, {"target", end})},
    {SCENARIO("times-out", setup_timed, joined_or_not, {"joiner", join_or_give_up}, {"target", end},
              {"timer", expire_it})},
    {SCENARIO("two-in-ring", setup_two_in_ring, not_all_had_it, {"joiner0", come_back_or_be_refused}, {"target", end},
              {"joiner2", come_back_or_be_refused}, {"timer", expire_it})},
    {SCENARIO("another-comes", setup_other_in_ring, one_was_refused, {"joiner0", join_if_not_stale}, {"target", end},
              {"joiner2", come_back_or_be_refused})},
    {SCENARIO("two-references", setup_two_refs_in_ring, joined_twice, {"joiner0", join_in_time}, {"target", end},
              {"joiner2", come_back_joined})},
    {SCENARIO("times-out-and-again", setup_one_in_ring, joined_once, {"joiner", come_back_and_join_again},
              {"target", end}, {"timer", expire_it})},
    {SCENARIO("detached-and-recycled", setup_recycled, one_was_refused, {"joiner", join_if_not_stale},
              {"target", end_and_again}, {"detacher", detach})},
    {SCENARIO("joined-and-recycled", setup_recycled, joined_or_not, {"joiner", join_or_give_up},
              {"target", end_and_again}, {"timer", expire_it})},
    {SCENARIO("any", setup_any, all_came_back, {"waiter", come_back_from_any}, {"target1", end}, {"target2", end})},
    {SCENARIO("any-then-the-other", setup_any, all_came_back, {"waiter", come_back_from_any_and_join_the_other},
              {"target1", end}, {"target2", end})},
    {SCENARIO("any-times-out", setup_held_timed, all_came_back, {"waiter", wait_for_first_or_give_up}, {"target1", end},
              {"timer", expire_it})},
    {SCENARIO("circle", setup_circle, somebody_was_told, {"first", join_next_and_end}, {"second", join_first_and_end})},
    {SCENARIO("circle-of-three", setup_circle, somebody_was_told, {"first", look_for_circle},
              {"second", look_for_circle}, {"third", look_for_circle})},
    {SCENARIO("chain", setup_chain, all_came_back, {"first", join_next_and_end}, {"second", come_back_and_end},
              {"third", end})},
    {SCENARIO("chain-goes-on", setup_chain, all_came_back, {"first", join_next_and_end},
              {"second", come_back_and_read_and_end}, {"third", end})},
    {SCENARIO("another-joins", setup_other_joins, all_came_back, {"first", look_for_circle_and_end},
              {"second", go_on_and_release}, {"third", be_another})},
    {SCENARIO("watched", setup_unwatched, heard_once, {"watcher", watch}, {"target", end})},
    {SCENARIO("linked", setup_unwatched, heard_once, {"linker", watch_with_link}, {"target", end})},
    {SCENARIO("watched-no-more", setup_watched, heard_once, {"watcher", stop_watching}, {"target", end})},
    {SCENARIO("watched-for-a-moment", setup_unwatched, heard_once, {"watcher", watch_and_stop}, {"target", end})},
    {SCENARIO("watched-and-joined", setup_watched, heard_and_joined, {"joiner", join_in_time}, {"target", end},
              {"watcher", stop_watching})},
    {SCENARIO("watched-and-given-up", setup_watched_and_in_ring, heard_and_joined, {"joiner", come_back_or_be_refused},
              {"target", end}, {"watcher", stop_watching}, {"timer", expire_it})},
    {SCENARIO("starts-at-end", setup_link, started, {"link", start_at_end}, {"target", end})},
    {SCENARIO("starts-and-joined", setup_link_and_another, started, {"link", start_at_end}, {"target", end},
              {"joiner", come_back_joined})},
    {SCENARIO("killed", setup_killed, joined_or_not, {"joiner", join_or_give_up}, {"target", end}, {"killer", kill_it}),
     .deep = true},
    {SCENARIO("all", setup_firm, joined_both, {"joiner", join_all}, {"target1", end}, {"target2", end}), .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "join", scenarios, sizeof scenarios / sizeof *scenarios);
}
