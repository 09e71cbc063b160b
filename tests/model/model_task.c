/* sched/task.h, sched/task.c: the sync of a task that was taken, against its end and a kill: no wake-up is lost, none comes to a
 * later wait, the frame may go once the sync has returned, and a kill of the parent reaches the task's coroutine
 * wherever that is in its life.
 */
#include "model_suspend.h"

#include "sched/task.c"

enum { PARENT, CHILD };

static weft_task task; /* in the parent's frame */
static int result;     /* of the task: written before its end, read after the sync */
static int block;  /* stands for the control block of the task's coroutine, initialised before its handle is known */
static int synced; /* what the sync returned */
static mc_semaphore stolen;
static mc_semaphore later;
static bool second_wait;
static bool child_ends; /* by itself */
static bool child_killed;
static int kills; /* times that the task's coroutine was asked to end */

#define CHILD_HANDLE ((uintptr_t)WF_TASK_SEED_END + CHILD)

int weft_kill(weft_t *t)
{
    mc_check((uintptr_t)t == CHILD_HANDLE);
    mc_check(wf_plain_read(&block) == 1);
    kills++;
    if (child_ends)
        kill_or_miss(&coros[CHILD]);
    else
        kill_coroutine(&coros[CHILD]);
    return 0;
}

static void setup(void)
{
    setup_coroutines(2);
    HIDE(wait_object);
    memset(&task, 0, sizeof task);
    task.state = (void *)(uintptr_t)WF_TASK_AWAY; /* published by the deque, whose model is another */
    task.child = 4;
    result = block = synced = kills = 0;
    stolen = later = (mc_semaphore){0};
    second_wait = child_killed = false;
    child_ends = true;
    coros[CHILD].state = wf_state_make(3, WF_PHASE_RUNNING);
}

/* The thief's part: sched/forks.c:adopt. */
static void adopt(void)
{
    wf_plain_write(&block, 1);
    uintptr_t seed = wf_task_name_child(&task, CHILD_HANDLE);
    mc_check((seed & ~(uintptr_t)WF_TASK_SEED_KILL) == 4);
    if (seed & WF_TASK_SEED_KILL) {
        kills++;
        wf_state_mark_killed(&coros[CHILD]); /* it does not run yet */
    }
}

static void end_task(void)
{
    wf_plain_write(&result, 1);
    wf_task_publish(&task);
}

static void run_child(void)
{
    adopt();
    end_task();
}

/* One that ends only when it is killed. */
static void run_until_killed(void)
{
    adopt();
    int woken = wf_wait_ticket(&coros[CHILD], WF_WAIT_EVENT, NULL, WEFT_NEVER);
    mc_check(woken == -ECANCELED);
    child_killed = true;
    end_task();
}

/* As weft_sync_slow: the state first. */
static void sync_task(void)
{
    if (wf_task_state(&task) != WF_TASK_ENDED)
        synced = wf_task_wait_for(&task, &coros[PARENT]);
    mc_check(synced == 0 || synced == -ECANCELED);
    mc_check(wf_plain_read(&result) == 1);
    mc_free(WF_TASK_STATE(&task), sizeof task.state); /* its frame goes */
    mc_check(waits[PARENT] <= 2);
}

/* The next wait of the parent is another matter: only its own waker may end it. */
static void sync_and_wait_again(void)
{
    sync_task();
    second_wait = true;
    int woken = wf_wait_ticket_firm(&coros[PARENT], WF_WAIT_EVENT, NULL);
    mc_check(woken == 5 || (woken == 0 && !second_wait));
}

/* Comes when the parent waits for the second time, as its waker. */
static void wake_second(void)
{
    mc_wait(&later);
    mc_check(second_wait);
    second_wait = false;
    wf_wake(&coros[PARENT], wf_load_relaxed(&coros[PARENT].state) >> WF_STATE_TICKET_SHIFT, 5);
}

static void note_park(int coro)
{
    if (coro == PARENT && second_wait)
        mc_post(&later);
}

static void setup_waiting_again(void)
{
    setup();
    when_parked = note_park;
}

static void kill_parent(void)
{
    kill_or_miss(&coros[PARENT]);
}

static void kill_waiting_parent(void)
{
    mc_wait(&later);
    kill_or_miss(&coros[PARENT]);
}

static void setup_until_killed(void)
{
    setup();
    child_ends = false;
}

static void note_wait(int coro)
{
    if (coro == PARENT && waits[PARENT] == 1)
        mc_post(&later);
}

static void setup_killed_waiting(void)
{
    setup_until_killed();
    when_parked = note_wait;
}

static void setup_killed(void)
{
    setup_until_killed();
    coros[PARENT].killed = 1;
}

static void nobody_waits(void)
{
    check_nobody_waits();
    mc_check(kills <= 1);
    mc_check(kills == 0 || synced == -ECANCELED);
}

static void child_was_killed(void)
{
    nobody_waits();
    mc_check(child_killed && synced == -ECANCELED);
}

static const struct mc_scenario scenarios[] = {
    {.name = "end", .setup = setup, .threads = {{"parent", sync_task}, {"child", run_child}}, .final = nobody_waits},
    {.name = "killed-before",
     .setup = setup_killed,
     .threads = {{"parent", sync_task}, {"child", run_until_killed}},
     .final = child_was_killed},
    {.name = "kill",
     .setup = setup,
     .threads = {{"parent", sync_task}, {"child", run_child}, {"killer", kill_parent}},
     .final = nobody_waits},
    {.name = "kill-ends-the-child",
     .setup = setup_killed_waiting,
     .threads = {{"parent", sync_task}, {"child", run_until_killed}, {"killer", kill_waiting_parent}},
     .final = child_was_killed},
    {.name = "waits-again",
     .setup = setup_waiting_again,
     .threads = {{"parent", sync_and_wait_again}, {"child", run_child}, {"waker", wake_second}},
     .final = nobody_waits},
    {.name = "kill-waits-again",
     .setup = setup_waiting_again,
     .threads =
         {{"parent", sync_and_wait_again}, {"child", run_child}, {"waker", wake_second}, {"killer", kill_parent}},
     .final = nobody_waits,
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "task", scenarios, sizeof scenarios / sizeof *scenarios);
}
