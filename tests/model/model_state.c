/* sched/state.h: a coroutine that suspends against everybody who may end its wait. Exactly one ends each wait;
 * whoever does sees the saved registers; the coroutine sees what the waker wrote; a ticket of an earlier wait ends no
 * later one; a kill is never missed. Both commits: the one that a waker with a ticket may come before, and the one under a lock.
 *
 * The coroutine and the worker that runs it are one thread here. What stands between a claim and the next dispatch is
 * a semaphore: the run queues have models of their own.
 */
#include "model_simple_lock.h"

#include "sched/state.h"

#include <errno.h>
#include <string.h>

enum { NOBODY = 0, WOKEN = 1 };
enum { PASSED = 5, NOW = 10, LATER = 20 }; /* times */

static wf_coro coro;
static mc_semaphore queue;         /* it was made ready by somebody else */
static mc_semaphore registered[2]; /* the waker may have the ticket of the first, second wait */
static uint64_t tickets[2];
static int payloads[2]; /* the waker's, read by the coroutine once it was woken */
static int registers;   /* stand for what a switch saves */
static int waits;       /* begun so far */
static int claims;      /* ways in which the present wait was ended */
static bool kill_seen;

/* An object with a lock and a list of one waiter. */
static wf_lock object_lock;
static wf_lock other_lock;
static int object_waiter; /* lock: linked */
static int object_given;  /* lock: what the waker hands over */

/* Those that are killed together. */
static wf_coro crowd[2];
static mc_semaphore crowd_queues[2];
static int crowd_registers[2];
static int crowd_claims[2];

static void setup(void)
{
    memset(&coro, 0, sizeof coro);
    coro.state = wf_state_make(7, WF_PHASE_NEW);
    coro.deadline = WEFT_NEVER;
    queue = registered[0] = registered[1] = (mc_semaphore){0};
    memset(tickets, 0, sizeof tickets);
    memset(payloads, 0, sizeof payloads);
    registers = 0;
    waits = 0;
    claims = 0;
    kill_seen = false;
    object_lock = other_lock = (wf_lock){0};
    object_waiter = 0;
    object_given = 0;
    memset(crowd, 0, sizeof crowd);
    memset(crowd_queues, 0, sizeof crowd_queues);
    memset(crowd_registers, 0, sizeof crowd_registers);
    memset(crowd_claims, 0, sizeof crowd_claims);
    for (int i = 0; i < 2; i++)
        crowd[i].state = wf_state_make(7, WF_PHASE_NEW);
}

/* ---- those who end waits ---- */

/* Whoever claimed it owns it, and may run it at once: it needs the registers. */
static void make_ready(int value)
{
    claims++;
    mc_check(claims == 1);
    mc_check(wf_plain_read(&registers) == waits);
    wf_plain_write(&coro.wake_value, value);
    mc_post(&queue);
}

static void wake_wait(int wait)
{
    mc_wait(&registered[wait]);
    wf_plain_write(&payloads[wait], 100 + wait);
    enum wf_wake outcome = wf_state_wake(&coro, wf_plain_read(&tickets[wait]));
    if (outcome != WF_WAKE_STALE)
        mc_check(waits == wait || waits == wait + 1); /* never a later one */
    if (outcome == WF_WAKE_QUEUE)
        make_ready(WOKEN);
    else if (outcome == WF_WAKE_NOTED)
        mc_check(++claims == 1);
}

static void wake_first(void)
{
    wake_wait(0);
}

static void wake_second(void)
{
    wake_wait(1);
}

static void wake_both(void)
{
    wake_wait(0);
    wake_wait(1);
}

static void kill_it(void)
{
    if (wf_state_kill(&coro))
        make_ready(-ECANCELED);
}

/* As sched/timer.c does it: the state first, then the deadline, then the claim of that very state. */
static void expire(void)
{
    uint64_t state = wf_load_acquire(&coro.state);
    if (wf_load_seq_cst(&coro.deadline) > NOW)
        return;
    if (!wf_state_expire(&coro, state))
        return;
    mc_check(waits == 1); /* the first wait alone has a deadline that is over */
    make_ready(-ETIMEDOUT);
}

/* ---- the coroutine ---- */

static void hand_out_ticket(int wait)
{
    wf_plain_write(&tickets[wait], wf_state_ticket(&coro));
    mc_post(&registered[wait]);
}

/* The commit step, then the wait itself. `unlock` as in sched/suspend.h: let go once it is WAITING. */
static int suspend(unsigned bits, wf_lock *unlock)
{
    wf_plain_write(&registers, ++waits);
    wf_plain_write(&coro.wake_value, NOBODY);
    enum wf_commit committed;
    if (unlock != NULL) {
        committed = wf_state_commit_locked(&coro, bits);
        wf_unlock(unlock);
    } else {
        committed = wf_state_commit_wait(&coro, bits);
    }
    if (committed == WF_COMMIT_PARKED)
        mc_wait(&queue);
    else if (committed == WF_COMMIT_KILLED)
        mc_check(++claims == 1);
    mc_check(claims == 1);
    claims = 0;
    wf_state_dispatch(&coro);
    if (committed == WF_COMMIT_NOTIFIED)
        return WOKEN;
    return committed == WF_COMMIT_KILLED ? -ECANCELED : wf_plain_read(&coro.wake_value);
}

static void wait_by_ticket(int wait, unsigned bits)
{
    if (bits & WF_STATE_TIMED)
        wf_store_seq_cst(&coro.deadline, wait == 0 ? PASSED : LATER);
    hand_out_ticket(wait);
    int result = suspend(bits, NULL);
    mc_check(result == WOKEN || (result == -ECANCELED && (bits & WF_STATE_KILLABLE)) ||
             (result == -ETIMEDOUT && (bits & WF_STATE_TIMED)));
    if (result == WOKEN)
        mc_check(wf_plain_read(&payloads[wait]) == 100 + wait);
    kill_seen = kill_seen || result == -ECANCELED;
}

static void wait_once(void)
{
    wf_state_dispatch(&coro);
    wait_by_ticket(0, WF_STATE_KILLABLE | WF_STATE_TIMED);
}

static void wait_twice(void)
{
    wf_state_dispatch(&coro);
    wait_by_ticket(0, WF_STATE_KILLABLE | WF_STATE_TIMED);
    wait_by_ticket(1, WF_STATE_TIMED);
}

/* The second wait, too, may end by a kill, and must if the first did not and nobody else comes. */
static void wait_until_killed(void)
{
    wf_state_dispatch(&coro);
    wait_by_ticket(0, WF_STATE_KILLABLE);
    if (kill_seen)
        return;
    waits = 0; /* nobody holds a ticket of this one */
    mc_check(suspend(WF_STATE_KILLABLE, NULL) == -ECANCELED);
}

static void wait_shielded(void)
{
    wf_state_dispatch(&coro);
    wait_by_ticket(0, 0);
    mc_check(!kill_seen);
}

static void yield_between(void)
{
    wf_state_dispatch(&coro);
    wait_by_ticket(0, WF_STATE_TIMED);
    wf_state_yield(&coro);
    wf_state_dispatch(&coro);
    wait_by_ticket(1, 0);
}

static void abandon_first(void)
{
    wf_state_dispatch(&coro);
    hand_out_ticket(0);
    waits = 1;
    wf_state_abandon(&coro);
    claims = 0;
    wait_by_ticket(1, 0);
}

/* The result, then DONE; late wakers find nothing to do. */
static void wait_and_end(void)
{
    wf_state_dispatch(&coro);
    wait_by_ticket(0, WF_STATE_TIMED);
    wf_plain_write(&coro.arg, (void *)(uintptr_t)42);
    wf_state_done(&coro);
}

static void look_whether_done(void)
{
    /* ORDER(state-done): pairs with wf_state_done. */
    if (wf_state_phase(wf_load_acquire(&coro.state)) == WF_PHASE_DONE)
        mc_check(wf_plain_read(&coro.arg) == (void *)(uintptr_t)42);
}

/* ---- waiting on an object with a lock ---- */

/* Returns what the wait did, WOKEN also when there was nothing to wait for. */
static int wait_for_object(unsigned bits)
{
    wf_lock_take(&object_lock);
    if (wf_plain_read(&object_given) != 0) {
        wf_unlock(&object_lock);
        return WOKEN;
    }
    wf_plain_write(&object_waiter, 1);
    if (bits & WF_STATE_TIMED)
        wf_store_seq_cst(&coro.deadline, PASSED);
    int result = suspend(bits, &object_lock);
    if (result == WOKEN) {
        mc_check(wf_plain_read(&object_given) == 1);
        return WOKEN;
    }
    wf_lock_take(&object_lock);
    wf_plain_write(&object_waiter, 0);
    wf_unlock(&object_lock);
    return result;
}

static void wait_on_object(void)
{
    wf_state_dispatch(&coro);
    wait_for_object(WF_STATE_KILLABLE | WF_STATE_TIMED);
}

/* And then on another, that nobody ever gives anything: unless the first wait was killed this one is. */
static void wait_on_objects_until_killed(void)
{
    wf_state_dispatch(&coro);
    if (wait_for_object(WF_STATE_KILLABLE) == -ECANCELED)
        return;
    wf_lock_take(&other_lock);
    mc_check(suspend(WF_STATE_KILLABLE, &other_lock) == -ECANCELED);
}

/* A wait by ticket, then one under a lock. */
static void wait_both_ways(void)
{
    wf_state_dispatch(&coro);
    wait_by_ticket(0, WF_STATE_TIMED);
    wait_for_object(WF_STATE_KILLABLE);
}

static void wake_object(void)
{
    wf_lock_take(&object_lock);
    bool claimed = false;
    if (wf_plain_read(&object_waiter)) {
        claimed = wf_state_claim(&coro);
        wf_plain_write(&object_waiter, 0);
    }
    wf_plain_write(&object_given, 1);
    wf_unlock(&object_lock);
    if (claimed)
        make_ready(WOKEN);
}

/* Waits on the object until it has what it wants: a wake-up that got lost leaves it waiting for ever. */
static void wait_on_object_firmly(void)
{
    wf_state_dispatch(&coro);
    wf_lock_take(&object_lock);
    if (wf_plain_read(&object_given) == 0) {
        wf_plain_write(&object_waiter, 1);
        mc_check(suspend(0, &object_lock) == WOKEN);
    } else {
        wf_unlock(&object_lock);
    }
    mc_check(wf_plain_read(&object_given) == 1);
}

/* ---- killing many ---- */

static void crowd_make_ready(int i)
{
    mc_check(++crowd_claims[i] == 1);
    mc_check(wf_plain_read(&crowd_registers[i]) == 1);
    mc_post(&crowd_queues[i]);
}

static void crowd_wait(int i, enum wf_commit (*commit)(wf_coro *coro, unsigned bits))
{
    wf_state_dispatch(&crowd[i]);
    wf_plain_write(&crowd_registers[i], 1);
    if (commit(&crowd[i], WF_STATE_KILLABLE) == WF_COMMIT_PARKED)
        mc_wait(&crowd_queues[i]);
    else
        mc_check(++crowd_claims[i] == 1);
}

static enum wf_commit commit_locked(wf_coro *waiter, unsigned bits)
{
    return wf_state_commit_locked(waiter, bits);
}

static void crowd_wait_by_ticket(void)
{
    crowd_wait(0, wf_state_commit_wait);
}

static void crowd_wait_locked(void)
{
    crowd_wait(1, commit_locked);
}

/* One fence for all. */
static void kill_crowd(void)
{
    for (int i = 0; i < 2; i++)
        wf_state_mark_killed(&crowd[i]);
    wf_fence_heavy(); /* ORDER(state-kill): as wf_state_kill */
    for (int i = 0; i < 2; i++)
        if (wf_state_claim_killable(&crowd[i]))
            crowd_make_ready(i);
}

static void crowd_is_gone(void)
{
    for (int i = 0; i < 2; i++)
        mc_check(crowd_claims[i] == 1 && !mc_try_wait(&crowd_queues[i]));
}

/* ---- at the end ---- */

static void nobody_is_left(void)
{
    mc_check(claims == 0);
    mc_check(!mc_try_wait(&queue));
    unsigned phase = wf_state_phase(wf_load_relaxed(&coro.state));
    mc_check(phase == WF_PHASE_RUNNING || phase == WF_PHASE_DONE);
}

#define SCENARIO(name_, ...) .name = name_, .setup = setup, .threads = {__VA_ARGS__}, .final = nobody_is_left

static const struct mc_scenario scenarios[] = {
    {SCENARIO("wake-kill", {"coroutine", wait_once}, {"waker", wake_first}, {"killer", kill_it})},
    {SCENARIO("wake-timer", {"coroutine", wait_once}, {"waker", wake_first}, {"timer", expire})},
    {SCENARIO("late-waker", {"coroutine", wait_twice}, {"waker", wake_both}, {"timer", expire})},
    {SCENARIO("two-wakers", {"coroutine", wait_twice}, {"waker", wake_first}, {"waker2", wake_second},
              {"timer", expire})},
    {SCENARIO("kill-is-not-missed", {"coroutine", wait_until_killed}, {"waker", wake_first}, {"killer", kill_it})},
    {SCENARIO("shielded", {"coroutine", wait_shielded}, {"waker", wake_first}, {"killer", kill_it}, {"timer", expire})},
    {SCENARIO("yield", {"coroutine", yield_between}, {"waker", wake_first}, {"waker2", wake_second},
              {"timer", expire})},
    {SCENARIO("abandon", {"coroutine", abandon_first}, {"waker", wake_first}, {"waker2", wake_second})},
    {SCENARIO("done", {"coroutine", wait_and_end}, {"waker", wake_first}, {"timer", expire},
              {"reader", look_whether_done})},
    {SCENARIO("locked", {"coroutine", wait_on_object}, {"waker", wake_object}, {"timer", expire})},
    {SCENARIO("locked-kill", {"coroutine", wait_on_object}, {"waker", wake_object}, {"killer", kill_it})},
    {SCENARIO("locked-firm", {"coroutine", wait_on_object_firmly}, {"waker", wake_object}, {"killer", kill_it})},
    {SCENARIO("locked-kill-is-not-missed", {"coroutine", wait_on_objects_until_killed}, {"waker", wake_object},
              {"killer", kill_it})},
    {SCENARIO("ticket-then-locked", {"coroutine", wait_both_ways}, {"waker", wake_first}, {"waker2", wake_object},
              {"timer", expire})},
    {.name = "kill-many",
     .setup = setup,
     .threads = {{"ticket", crowd_wait_by_ticket}, {"locked", crowd_wait_locked}, {"killer", kill_crowd}},
     .final = crowd_is_gone},
    {SCENARIO("wake-kill-timer", {"coroutine", wait_once}, {"waker", wake_first}, {"killer", kill_it},
              {"timer", expire}),
     .deep = true},
    {SCENARIO("locked-kill-timer", {"coroutine", wait_on_object}, {"waker", wake_object}, {"killer", kill_it},
              {"timer", expire}),
     .deep = true},
    {SCENARIO("late-waker-killed", {"coroutine", wait_twice}, {"waker", wake_both}, {"killer", kill_it}), .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "state", scenarios, sizeof scenarios / sizeof *scenarios);
}
