/* sched/select.c with sched/channel.c: of all cases of a select exactly one happens, whoever comes at that moment; the look at several
 * channels is one moment; two selects that could serve each other do; nothing that belongs to a select is touched
 * after it has returned.
 */
#include "model_suspend.h"

#include "sched/channel.c"
#include "sched/select.c"

enum { CHANNELS = 2, CASES = 2 };

static struct object {
    weft_chan ch;
    unsigned char room[2 * sizeof(int)];
} objects[CHANNELS];

static weft_chan *const a = &objects[0].ch; /* the lower address */
static weft_chan *const b = &objects[1].ch;

/* Of each thread that selects: what would lie in its frame. */
static struct frame {
    wf_select select;
    weft_select_case cases[CASES];
    int values[CASES];
} frames[MC_THREADS];

static int message[CHANNELS]; /* written before the send, read after the receive */
static int sent, received, sent_count, received_count;
static int happened[MC_THREADS]; /* what each select returned last */

void *wf_alloc(size_t size)
{
    (void)size;
    return NULL;
}

void wf_free(void *memory)
{
    mc_check(memory == a || memory == b);
    mc_free(memory, sizeof(struct object));
}

/* Every choice is tried. */
uint32_t wf_choose(wf_worker *self, uint32_t count)
{
    (void)self;
    return (uint32_t)mc_choose((int)count);
}

static void setup_capacity(size_t capacity, int threads)
{
    setup_coroutines(threads);
    HIDE(wait_object);
    memset(objects, 0, sizeof objects);
    memset(frames, 0, sizeof frames);
    memset(message, 0, sizeof message);
    sent = received = sent_count = received_count = 0;
    for (int i = 0; i < threads; i++) {
        happened[i] = -1;
        for (int k = 0; k < CASES; k++)
            mc_quiet(&wf_case_room(&frames[i].cases[k])->object, sizeof(void *));
    }
    for (int i = 0; i < CHANNELS; i++) {
        objects[i].ch.element_size = sizeof(int);
        objects[i].ch.capacity = capacity;
    }
}

static void hide_the_rest(void)
{
    HIDE(killed);
    HIDE(deadline);
    for (int i = 0; i < CHANNELS; i++)
        mc_quiet(&objects[i].ch.count, sizeof objects[i].ch.count);
}

static void setup(void)
{
    setup_capacity(0, 3);
    hide_the_rest();
}

static void setup_four(void)
{
    setup_capacity(0, 4);
    hide_the_rest();
}

static void setup_ending(void)
{
    setup_capacity(0, 3);
    for (int i = 0; i < CHANNELS; i++)
        mc_quiet(&objects[i].ch.count, sizeof objects[i].ch.count);
}

/* One of the channels has an element in its buffer. */
static void setup_full(weft_chan *full)
{
    setup_capacity(1, 2);
    *(int *)(void *)full->ring = 1;
    full->count = 1;
    sent = sent_count = 1;
    hide_the_rest();
}

static void setup_lower_full(void)
{
    setup_full(a);
}

static void setup_higher_full(void)
{
    setup_full(b);
}

/* ---- a select, as io/select.c calls it ---- */

static int finish_select(struct frame *f, int result)
{
    happened[mc_self()] = result;
    if (result < 0 || wf_plain_read(&f->cases[result].result) != 0)
        return result;
    if (f->cases[result].op == WEFT_SELECT_SEND) {
        sent += f->values[result];
        sent_count++;
    } else {
        received += f->values[result];
        received_count++;
    }
    return result;
}

/* The frame is gone: whoever still looks at it races. */
static void leave_frame(struct frame *f)
{
    wf_plain_write(&f->select.self, NULL);
    wf_plain_write(&f->select.winner, NULL);
    for (int i = 0; i < CASES; i++) {
        wf_case *room = wf_case_room(&f->cases[i]);
        mc_check(!wf_list_is_linked(&room->node));
        wf_plain_write(&room->order, 0);
        wf_plain_write(&room->node.next, NULL);
        wf_plain_write(&f->cases[i].result, 0);
    }
}

static int run_cases(weft_select_case first, weft_select_case second, int64_t deadline, bool ticketed)
{
    struct frame *f = &frames[mc_self()];
    f->cases[0] = first;
    f->cases[1] = second;
    for (int i = 0; i < CASES; i++) {
        f->values[i] = f->cases[i].op == WEFT_SELECT_SEND ? 1 : 0;
        f->cases[i].value = &f->values[i];
    }
    mc_check(wf_select_open(&f->select, wf_self(), f->cases, CASES) == 0);
    int result = wf_check(wf_self());
    if (result == 0)
        result = finish_select(f, wf_select_wait(&f->select, deadline, ticketed));
    leave_frame(f);
    return result;
}

static weft_select_case recv_from(weft_chan *ch)
{
    return (weft_select_case){.op = WEFT_SELECT_RECV, .chan = ch};
}

static weft_select_case send_to(weft_chan *ch)
{
    return (weft_select_case){.op = WEFT_SELECT_SEND, .chan = ch};
}

static int receive_from_any(int64_t deadline)
{
    return run_cases(recv_from(b), recv_from(a), deadline, false);
}

/* ---- threads ---- */

static void receive_any(void)
{
    mc_check(receive_from_any(WEFT_NEVER) >= 0);
}

/* Which it was, and what came with it. */
static void receive_message(void)
{
    int result = receive_from_any(WEFT_NEVER);
    mc_check(result >= 0);
    mc_check(wf_plain_read(&message[result == 0 ? 1 : 0]) == 1);
}

static void receive_both(void)
{
    receive_message();
    receive_message();
}

static void send_any(void)
{
    mc_check(run_cases(send_to(a), send_to(b), WEFT_NEVER, false) >= 0);
}

static void swap(void)
{
    mc_check(run_cases(send_to(a), recv_from(a), WEFT_NEVER, false) >= 0);
}

static void send_a_or_receive_b(void)
{
    mc_check(run_cases(send_to(a), recv_from(b), WEFT_NEVER, false) >= 0);
}

static void send_b_or_receive_a(void)
{
    mc_check(run_cases(recv_from(a), send_to(b), WEFT_NEVER, false) >= 0);
}

static void receive_any_or_end(void)
{
    int result = receive_from_any(WEFT_NEVER);
    mc_check(result >= 0 || result == -ECANCELED);
}

static void receive_any_until(void)
{
    int result = receive_from_any(PASSED);
    mc_check(result >= 0 || result == -ECANCELED || result == -ETIMEDOUT);
}

/* At every moment one of the channels has something. */
static void try_any(void)
{
    mc_check(receive_from_any(0) >= 0);
}

/* Woken by ticket it has to look again, standing in no line. */
static int receive_or_be_told(void)
{
    int result = run_cases(recv_from(b), recv_from(a), WEFT_NEVER, true);
    mc_check(result >= 0 || result == -EAGAIN);
    mc_check(wf_state_ticket(wf_self()) > 7); /* whoever comes with the old one now comes too late */
    return result;
}

static void receive_or_be_told_once(void)
{
    (void)receive_or_be_told();
}

static void receive_though_told(void)
{
    if (receive_or_be_told() < 0)
        receive_any();
}

/* One of the two is closed. */
static void see_close(void)
{
    mc_check(receive_from_any(WEFT_NEVER) >= 0);
}

/* It stands in all lines. */
static void setup_cases_in_line(weft_select_case first, weft_select_case second)
{
    struct frame *f = &frames[0];
    setup_capacity(0, 3);
    hide_the_rest();
    f->cases[0] = first;
    f->cases[1] = second;
    f->cases[0].value = &f->values[0];
    f->cases[1].value = &f->values[1];
    mc_check(wf_select_open(&f->select, &coros[0], f->cases, CASES) == 0);
    for (uint32_t k = 0; k < CASES; k++)
        stand_in_line(&f->select, wf_select_at(&f->select, k));
}

static void setup_in_line(void)
{
    setup_cases_in_line(recv_from(b), recv_from(a));
}

/* It waits already when the channel is closed and freed. */
static void setup_waiting(void)
{
    setup_in_line();
    coros[0].state = wf_state_make(7, WF_PHASE_WAITING | WF_STATE_KILLABLE);
}

static void setup_waiting_twice(void)
{
    setup_cases_in_line(send_to(a), recv_from(a));
    coros[0].state = wf_state_make(7, WF_PHASE_WAITING | WF_STATE_KILLABLE);
}

/* It has left its stack, and the worker has not committed its wait yet: all locks are held. */
static void setup_leaving(void)
{
    setup_in_line();
    a->lock.lock.word = b->lock.lock.word = 1;
}

static void commit(void)
{
    mc_check(wf_state_commit_wait(&coros[0], 0) == WF_COMMIT_PARKED);
    wf_held_release(wf_held_select(&frames[0].select));
}

/* As wait() goes on. */
static void come_back(void)
{
    struct frame *f = &frames[0];
    mc_wait(&queued[0]);
    mc_check(--times_queued[0] == 0);
    wf_state_dispatch(&coros[0]);
    leave_lines(&f->select);
    happened[0] = take_winner(&f->select);
    mc_check(wf_plain_read(&f->cases[happened[0]].result) == -EPIPE);
    leave_frame(f);
}

static void send_message(weft_chan *ch)
{
    int value = 1;
    wf_plain_write(&message[ch == b], 1);
    mc_check(weft_chan_send(ch, &value) == 0);
    sent += value;
    sent_count++;
}

static void send_a(void)
{
    send_message(a);
}

static void send_b(void)
{
    send_message(b);
}

static void try_send(weft_chan *ch)
{
    int value = 1;
    if (weft_chan_try_send(ch, &value) == 0) {
        sent += value;
        sent_count++;
    }
}

static void try_send_a(void)
{
    try_send(a);
}

static void try_send_b(void)
{
    try_send(b);
}

/* From `full` to `empty`, so that one of them always has an element. */
static void move(weft_chan *full, weft_chan *empty)
{
    int value = 0;
    try_send(empty);
    if (weft_chan_try_recv(full, &value) == 0) {
        received += value;
        received_count++;
    }
}

static void move_up(void)
{
    move(a, b);
}

static void move_down(void)
{
    move(b, a);
}

static void close_a(void)
{
    mc_check(weft_chan_close(a) == 0);
}

static void close_b(void)
{
    mc_check(weft_chan_close(b) == 0);
}

/* Nobody else uses it, and a select that was woken by this does not come back to it. */
static void close_and_free_a(void)
{
    close_a();
    mc_check(weft_chan_free(a) == 0);
}

static void close_and_free_b(void)
{
    close_b();
    mc_check(weft_chan_free(b) == 0);
}

static void kill_first(void)
{
    kill_coroutine(&coros[0]);
}

static void expire_first(void)
{
    expire(&coros[0]);
}

/* As a completion that was given the ticket. */
static void tell_first(void)
{
    wf_wake(&coros[0], 7, 0);
}

/* ---- ends ---- */

static void balances(void)
{
    check_nobody_waits();
    for (int i = 0; i < CHANNELS; i++) {
        weft_chan *ch = &objects[i].ch;
        mc_check(wf_list_is_empty(&ch->senders) && wf_list_is_empty(&ch->receivers));
        received += (int)wf_chan_count(ch);
        received_count += (int)wf_chan_count(ch);
    }
    mc_check(sent == received && sent_count == received_count);
}

/* One of the channels is not there any more. */
static void is_over(void)
{
    check_nobody_waits();
    mc_check(happened[0] >= 0);
}

/* The first two have met, and each did what the other did not. */
static void met(void)
{
    balances();
    mc_check(sent_count == 1 && happened[0] == 1 - happened[1]);
}

/* They have met, on the same channel. */
static void met_alike(void)
{
    balances();
    mc_check(sent_count == 1 && happened[0] == happened[1]);
}

/* Whoever met whom, the other two could meet as well. */
static void met_twice(void)
{
    balances();
    mc_check(sent_count == 2);
}

#define SCENARIO(name_, setup_, final_, ...) .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = final_

static const struct mc_scenario scenarios[] = {
    {SCENARIO("message", setup, balances, {"select", receive_message}, {"sender", send_a})},
    {SCENARIO("two-senders", setup, balances, {"select", receive_both}, {"sender-a", send_a}, {"sender-b", send_b})},
    {SCENARIO("selects-meet", setup, balances, {"select0", receive_any}, {"select1", send_any})},
    {SCENARIO("selects-swap", setup, met, {"select0", swap}, {"select1", swap})},
    {SCENARIO("selects-cross", setup, met_alike, {"select0", send_a_or_receive_b}, {"select1", send_b_or_receive_a})},
    {SCENARIO("four-selects", setup_four, met_twice, {"select0", receive_any}, {"select1", send_any}, {"select2", swap},
              {"select3", swap})},
    {SCENARIO("killed", setup_ending, balances, {"select", receive_any_or_end}, {"sender", try_send_a},
              {"killer", kill_first})},
    {SCENARIO("killed-between-two", setup_ending, balances, {"select", receive_any_or_end}, {"sender-a", try_send_a},
              {"sender-b", try_send_b}, {"killer", kill_first})},
    {SCENARIO("killed-or-times-out", setup_ending, balances, {"select", receive_any_until}, {"sender", try_send_b},
              {"killer", kill_first}, {"timer", expire_first}),
     .deep = true},
    {SCENARIO("closed", setup, balances, {"select", see_close}, {"closer-a", close_a}, {"closer-b", close_b})},
    {SCENARIO("committed-late-lower", setup_leaving, is_over, {"select", come_back}, {"worker", commit},
              {"closer", close_a})},
    {SCENARIO("committed-late-higher", setup_leaving, is_over, {"select", come_back}, {"worker", commit},
              {"closer", close_b})},
    {SCENARIO("freed-lower", setup_waiting, is_over, {"select", come_back}, {"closer", close_and_free_a})},
    {SCENARIO("freed-higher", setup_waiting, is_over, {"select", come_back}, {"closer", close_and_free_b})},
    {SCENARIO("freed-twice-in-line", setup_waiting_twice, is_over, {"select", come_back},
              {"closer", close_and_free_a})},
    {SCENARIO("told", setup, balances, {"select", receive_or_be_told_once}, {"teller", tell_first},
              {"sender", try_send_a})},
    {SCENARIO("told-and-served", setup, balances, {"select", receive_though_told}, {"teller", tell_first},
              {"sender", send_a})},
    {SCENARIO("told-of-both", setup, balances, {"select", receive_or_be_told_once}, {"teller", tell_first},
              {"sender-a", try_send_a}, {"sender-b", try_send_b})},
    {SCENARIO("moment-up", setup_lower_full, balances, {"select", try_any}, {"mover", move_up})},
    {SCENARIO("moment-down", setup_higher_full, balances, {"select", try_any}, {"mover", move_down})},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "select", scenarios, sizeof scenarios / sizeof *scenarios);
}
