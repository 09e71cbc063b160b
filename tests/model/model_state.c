/* sched/state.h: a coroutine that suspends against everybody who may end its wait. Exactly one ends each wait;
 * whoever does sees the saved registers; the coroutine sees what the waker wrote; a ticket of an earlier wait ends no
 * later one; a kill is never missed.
 *
 * The coroutine and the worker that runs it are one thread here. What stands between a claim and the next dispatch is
 * a semaphore: the run queues have models of their own.
 */
#include "sched/state.h"

#include <errno.h>
#include <string.h>

#include "model_futex.h"

#define WF_LOCK_SPINS 1
#include "core/lock.c"

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
static int object_waiter; /* lock: linked */
static int object_given;  /* lock: what the waker hands over */

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
    object_lock = (wf_lock){0};
    object_waiter = 0;
    object_given = 0;
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
    mc_check(waits == 1); /* the first wait alone has a deadline that has passed */
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
    enum wf_commit committed = wf_state_commit_wait(&coro, bits);
    if (unlock != NULL)
        wf_unlock(unlock);
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

static void wait_on_object(void)
{
    wf_state_dispatch(&coro);
    wf_lock_take(&object_lock);
    if (wf_plain_read(&object_given) != 0) {
        wf_unlock(&object_lock);
        return;
    }
    wf_plain_write(&object_waiter, 1);
    wf_store_seq_cst(&coro.deadline, PASSED);
    int result = suspend(WF_STATE_KILLABLE | WF_STATE_TIMED, &object_lock);
    if (result == WOKEN) {
        mc_check(wf_plain_read(&object_given) == 1);
        return;
    }
    wf_lock_take(&object_lock);
    wf_plain_write(&object_waiter, 0);
    wf_unlock(&object_lock);
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

/* ---- at the end ---- */

static void nobody_is_left(void)
{
    mc_check(claims == 0);
    mc_check(queue.word == 0);
    unsigned phase = wf_state_phase(wf_load_relaxed(&coro.state));
    mc_check(phase == WF_PHASE_RUNNING || phase == WF_PHASE_DONE);
}

#define SCENARIO(name_, ...) .name = name_, .setup = setup, .threads = {__VA_ARGS__}, .final = nobody_is_left

static const struct mc_scenario scenarios[] = {
    {SCENARIO("wake-kill-timer", {"coroutine", wait_once}, {"waker", wake_first}, {"killer", kill_it},
              {"timer", expire})},
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
    {SCENARIO("locked", {"coroutine", wait_on_object}, {"waker", wake_object}, {"timer", expire}),
     .bounded_spins = true},
    {SCENARIO("locked-firm", {"coroutine", wait_on_object_firmly}, {"waker", wake_object}, {"killer", kill_it}),
     .bounded_spins = true},
    {SCENARIO("locked-kill-timer", {"coroutine", wait_on_object}, {"waker", wake_object}, {"killer", kill_it},
              {"timer", expire}),
     .bounded_spins = true, .deep = true},
    {SCENARIO("late-waker-killed", {"coroutine", wait_twice}, {"waker", wake_both}, {"killer", kill_it},
              {"timer", expire}),
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "state", scenarios, sizeof scenarios / sizeof *scenarios);
}
