/* io/op_word.h with sched/state.h: an operation whose caller is killed while it is in flight, against its completion,
 * when both are on different workers. The call ends once, with the result; the message that asks for the cancellation
 * is not touched once its frame may be gone; the next operation of the same coroutine is not ended by a late wake.
 *
 * The thread `ring` is the worker in whose ring the operation is: completions and messages are handled there one
 * after the other. The thread `coroutine` is the coroutine on whatever worker runs it.
 */
#include "io/op_word.h"
#include "sched/state.h"

#include <errno.h>
#include <string.h>

enum { RESULT = 42, SECOND_RESULT = 43 };

static wf_coro coro;
static mc_semaphore started[2]; /* the first, second operation is in the ring */
static mc_semaphore queue;      /* the coroutine was made ready by somebody else */
static mc_semaphore sent;       /* the message is in the inbox of the ring's worker */
static int result;              /* wait_data[0] */
static int frame;               /* the message, in the coroutine's frame: 1 while it is valid */
static int queued;              /* times that it was made ready and not dispatched since */

static void setup(void)
{
    memset(&coro, 0, sizeof coro);
    coro.state = wf_state_make(7, WF_PHASE_RUNNING);
    started[0] = started[1] = queue = sent = (mc_semaphore){0};
    result = 0;
    frame = 0;
    queued = 0;
}

/* ---- waking ---- */

static void make_ready(int value)
{
    mc_check(++queued == 1);
    wf_plain_write(&coro.wake_value, value);
    mc_post(&queue);
}

static void wake(uint64_t ticket)
{
    if (wf_state_wake(&coro, ticket) == WF_WAKE_QUEUE)
        make_ready(0);
}

static void kill_it(void)
{
    mc_wait(&started[0]);
    wf_state_mark_killed(&coro);
    wf_fence_heavy(); /* ORDER(state-kill): as wf_state_kill, without the first look */
    if (wf_state_claim_killable(&coro))
        make_ready(-ECANCELED);
}

/* ---- the ring's worker ---- */

/* False: the message that is on its way will wake. */
static bool complete(int value)
{
    wf_plain_write(&result, value);
    uint64_t ticket = wf_op_finish(&coro.op);
    if (ticket != 0)
        wake(ticket);
    return ticket != 0;
}

/* True: it was cancelled, and its completion follows. */
static bool handle_message(void)
{
    uint64_t ticket;
    mc_wait(&sent);
    mc_check(wf_plain_read(&frame) == 1);
    bool in_flight = wf_op_cancel(&coro.op, &ticket);
    if (!in_flight)
        wake(ticket);
    return in_flight;
}

static void complete_second(void)
{
    mc_wait(&started[1]);
    mc_check(complete(SECOND_RESULT));
}

/* It completes by itself. */
static void ring_completes(void)
{
    mc_wait(&started[0]);
    if (!complete(RESULT))
        mc_check(!handle_message());
}

static void ring_completes_two(void)
{
    ring_completes();
    complete_second();
}

/* It completes only because it is cancelled. */
static void ring_cancels(void)
{
    mc_check(handle_message());
    mc_check(complete(RESULT));
}

static void ring_cancels_first(void)
{
    ring_cancels();
    complete_second();
}

/* ---- the coroutine ---- */

static int wait_for_wake(unsigned bits)
{
    int ended = 0;
    coro.wake_value = 0;
    switch (wf_state_commit_wait(&coro, bits)) {
    case WF_COMMIT_PARKED:
        mc_wait(&queue);
        mc_check(--queued == 0);
        ended = wf_plain_read(&coro.wake_value);
        break;
    case WF_COMMIT_KILLED:
        ended = -ECANCELED;
        break;
    case WF_COMMIT_NOTIFIED:
        break;
    }
    wf_state_dispatch(&coro);
    return ended;
}

static int take(void)
{
    mc_check((wf_load_relaxed(&coro.op) & (WF_OP_PHASE | WF_OP_CANCEL)) == WF_OP_DONE);
    wf_op_take(&coro.op);
    return wf_plain_read(&result);
}

/* The coroutine is on another worker by the time its wait was ended. */
static void give_up(uint64_t ticket)
{
    wf_plain_write(&frame, 1);
    if (wf_op_give_up(&coro.op, ticket, wf_state_ticket(&coro), 0, true)) {
        mc_post(&sent);
        mc_check(wait_for_wake(0) == 0);
    }
    wf_plain_write(&frame, 0); /* the frame is somebody else's now */
}

static void run_one(void)
{
    uint64_t ticket = wf_state_ticket(&coro);
    wf_op_start(&coro.op, ticket, 0);
    mc_post(&started[0]);
    mc_post(&started[0]); /* for the killer too */
    if (wait_for_wake(WF_STATE_KILLABLE) != 0)
        give_up(ticket);
    mc_check(take() == RESULT);
}

/* The coroutine never leaves the ring's worker: what is handled there is handled while it waits. */
static int wait_on_ring_worker(unsigned bits, bool completes)
{
    coro.wake_value = 0;
    enum wf_commit result_of_commit = wf_state_commit_wait(&coro, bits);
    if (completes)
        mc_check(complete(RESULT));
    if (result_of_commit == WF_COMMIT_PARKED) {
        mc_wait(&queue);
        mc_check(--queued == 0);
    }
    wf_state_dispatch(&coro);
    return result_of_commit == WF_COMMIT_KILLED ? -ECANCELED : wf_plain_read(&coro.wake_value);
}

static void run_local(void)
{
    uint64_t ticket = wf_state_ticket(&coro);
    wf_op_start(&coro.op, ticket, 0);
    mc_post(&started[0]);
    bool completes = mc_choose(2) == 0;
    if (wait_on_ring_worker(WF_STATE_KILLABLE, completes) != 0) {
        bool given_up = wf_op_give_up(&coro.op, ticket, wf_state_ticket(&coro), 0, false);
        mc_check(given_up != completes);
        if (given_up)
            mc_check(wait_on_ring_worker(0, true) == 0);
    }
    mc_check(take() == RESULT);
}

static void run_two(void)
{
    run_one();
    wf_op_start(&coro.op, wf_state_ticket(&coro), 0);
    mc_post(&started[1]);
    mc_check(wait_for_wake(0) == 0);
    mc_check(take() == SECOND_RESULT);
}

static void is_idle(void)
{
    mc_check(wf_load_acquire(&coro.op) == WF_OP_IDLE);
    mc_check(queued == 0);
}

static const struct mc_scenario scenarios[] = {
    {.name = "killed-as-it-completes",
     .setup = setup,
     .threads = {{"coroutine", run_one}, {"ring", ring_completes}, {"killer", kill_it}},
     .final = is_idle},
    {.name = "killed-on-the-ring's-worker",
     .setup = setup,
     .threads = {{"worker", run_local}, {"killer", kill_it}},
     .final = is_idle},
    {.name = "killed-and-cancelled",
     .setup = setup,
     .threads = {{"coroutine", run_two}, {"ring", ring_cancels_first}, {"killer", kill_it}},
     .final = is_idle},
    {.name = "completed-and-another",
     .setup = setup,
     .threads = {{"coroutine", run_two}, {"ring", ring_completes_two}, {"killer", kill_it}},
     .final = is_idle,
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "op", scenarios, sizeof scenarios / sizeof *scenarios);
}
