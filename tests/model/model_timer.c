/* sched/timer.c with core/wheel.c: a coroutine that waits with deadlines, against the workers that run the timers, a waker
 * and a kill. No deadline is lost, also when the timer stays filed for an earlier wait or in another worker's wheel; it
 * ends the wait that it belongs to, and not before its time; it touches nothing once the coroutine has disarmed it.
 *
 * The timers are run for the last time when all deadlines have passed and the coroutine has parked for the last time, or
 * ended. So a deadline that was lost shows as a coroutine that waits for ever.
 */
#define MODEL_REAL_TIMER
#include "model_suspend.h"

/* core/wheel.c and sched/timer.c each have a `file` and an `unfile`. */
#define file wheel_file
#define unfile wheel_unfile
#include "core/wheel.c"
#undef file
#undef unfile

static int alive; /* the control block is still the coroutine's */

static wf_timer *expire_alive(wf_wheel *wheel, int64_t now_ns)
{
    wf_timer *timer = wf_wheel_expire(wheel, now_ns);
    if (timer != NULL)
        mc_check(wf_plain_read(&alive) == 1);
    return timer;
}

#define wf_wheel_expire(wheel, now_ns) expire_alive(wheel, now_ns)
#include "sched/timer.c"

#define TICK (INT64_C(1) << WF_WHEEL_TICK_SHIFT)

/* Deadlines, and when the timers are run. */
#define FIRST (2 * TICK)
#define AFTER_FIRST (3 * TICK)
#define SECOND (5 * TICK)
#define THE_END (1000 * WEFT_SECOND)

wf_runtime wf_rt;

static wf_worker machines[2];
static wf_worker *machine_table[2] = {&machines[0], &machines[1]};
static mc_semaphore registered; /* the waker may have the ticket of the first wait */
static mc_semaphore settled;    /* the last wait has begun, or there is none */
static uint64_t ticket;
static int last_wait;  /* its number */
static int64_t ran_at; /* the latest time at which timers were run */

void wf_worker_wake(wf_worker *target, wf_worker *self)
{
    (void)target;
    (void)self;
}

static void note_last_wait(int coro)
{
    if (waits[coro] == last_wait)
        mc_post(&settled);
}

static void setup_waits(int count)
{
    setup_coroutines(1);
    HIDE(wait_object);
    memset(machines, 0, sizeof machines);
    wf_rt.workers = machine_table;
    for (int i = 0; i < 2; i++) {
        machines[i].index = (uint16_t)i;
        wf_wheel_init(&machines[i].wheel, 0);
        mc_quiet(&machines[i].wheel_next, sizeof machines[i].wheel_next);
        mc_quiet(&machines[i].now_ms, sizeof machines[i].now_ms);
    }
    workers[0] = &machines[0];
    when_parked = note_last_wait;
    last_wait = count;
    registered = settled = (mc_semaphore){0};
    ticket = 0;
    alive = 1;
    ran_at = 0;
}

static void setup_one(void)
{
    setup_waits(1);
}

static void setup_two(void)
{
    setup_waits(2);
}

/* ---- the coroutine ---- */

static int wait_until(int64_t deadline)
{
    int result = wf_wait_ticket(&coros[0], WF_WAIT_SLEEP, NULL, deadline);
    if (result == -ETIMEDOUT)
        mc_check(ran_at >= deadline);
    return result;
}

/* As its end does it; after that the block is somebody else's. */
static void end(void)
{
    wf_timer_disarm(&coros[0]);
    wf_plain_write(&alive, 0);
    mc_post(&settled);
}

static void sleep_once(void)
{
    mc_check(wait_until(FIRST) == -ETIMEDOUT);
    end();
}

static void sleep_or_be_killed(void)
{
    int result = wait_until(FIRST);
    mc_check(result == -ETIMEDOUT || result == -ECANCELED);
    end();
}

/* The first of two waits: a waker ends it, or its deadline. */
static void wait_for_waker(int64_t deadline)
{
    wf_plain_write(&ticket, wf_state_ticket(&coros[0]));
    mc_post(&registered);
    int result = wait_until(deadline);
    mc_check(result == 0 || result == -ETIMEDOUT);
}

/* The timer stays filed for the first deadline. */
static void wait_then_sleep_longer(void)
{
    wait_for_waker(FIRST);
    mc_check(wait_until(SECOND) == -ETIMEDOUT);
    end();
}

/* It is stolen in between. */
static void wait_then_sleep_elsewhere(void)
{
    wait_for_waker(FIRST);
    workers[0] = &machines[1];
    mc_check(wait_until(SECOND) == -ETIMEDOUT);
    end();
}

/* And has to take its timer out of the other wheel. */
static void wait_then_sleep_shorter(void)
{
    wait_for_waker(SECOND);
    workers[0] = &machines[1];
    mc_check(wait_until(FIRST) == -ETIMEDOUT);
    end();
}

static void wait_and_end(void)
{
    wait_for_waker(FIRST);
    end();
}

/* ---- the others ---- */

static void wake_first(void)
{
    mc_wait(&registered);
    wf_wake(&coros[0], wf_plain_read(&ticket), 0);
}

static void kill_it(void)
{
    kill_coroutine(&coros[0]);
}

static void run_timers(wf_worker *worker, int64_t now_ns)
{
    if (ran_at < now_ns)
        ran_at = now_ns;
    wf_timer_run(worker, worker, now_ns);
}

static void run_all_at_the_end(void)
{
    mc_wait(&settled);
    run_timers(&machines[0], THE_END);
    run_timers(&machines[1], THE_END);
}

static void run_once_and_at_the_end(void)
{
    run_timers(&machines[0], AFTER_FIRST);
    run_all_at_the_end();
}

/* The monitor serves the wheel of a worker that is stuck. */
static void run_once(void)
{
    run_timers(&machines[0], AFTER_FIRST);
}

static void nothing_is_filed(void)
{
    check_nobody_waits();
    mc_check(!wf_timer_is_linked(&coros[0].timer));
    for (int i = 0; i < 2; i++)
        mc_check(wf_wheel_next(&machines[i].wheel) == INT64_MAX);
}

#define SCENARIO(name_, setup_, ...) .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = nothing_is_filed

static const struct mc_scenario scenarios[] = {
    {SCENARIO("once", setup_one, {"coroutine", sleep_once}, {"worker", run_once_and_at_the_end})},
    {SCENARIO("once-and-monitor", setup_one, {"coroutine", sleep_once}, {"worker", run_once_and_at_the_end},
              {"monitor", run_once})},
    {SCENARIO("killed", setup_one, {"coroutine", sleep_or_be_killed}, {"worker", run_once_and_at_the_end},
              {"killer", kill_it})},
    {SCENARIO("ends", setup_one, {"coroutine", wait_and_end}, {"worker", run_once_and_at_the_end},
              {"waker", wake_first})},
    {SCENARIO("longer", setup_two, {"coroutine", wait_then_sleep_longer}, {"worker", run_once_and_at_the_end},
              {"waker", wake_first})},
    {SCENARIO("elsewhere", setup_two, {"coroutine", wait_then_sleep_elsewhere}, {"worker", run_once_and_at_the_end},
              {"waker", wake_first})},
    {SCENARIO("shorter", setup_two, {"coroutine", wait_then_sleep_shorter}, {"worker", run_once_and_at_the_end},
              {"waker", wake_first})},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "timer", scenarios, sizeof scenarios / sizeof *scenarios);
}
