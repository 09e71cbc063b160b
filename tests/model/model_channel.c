/* sched/channel.c: every element that was sent is received once, or still there; whoever gives up, gets killed or meets a close at that
 * moment. Who has received sees what was written before the send. With selects in line: model_select.c.
 */
#include "model_suspend.h"

#include "sched/channel.c"

static union {
    weft_chan ch;
    unsigned char room[sizeof(weft_chan) + 2 * sizeof(int)];
} object;

static weft_chan *const ch = &object.ch;
static int message; /* written before the send, read after the receive */
static int answer;  /* of a rendezvous: written before the receive, read after the send */
static int sent, received;
static int sent_count, received_count;

/* What channel.c calls besides: nothing here makes a channel. */
void *wf_alloc(size_t size)
{
    (void)size;
    return NULL;
}

void wf_free(void *memory)
{
    mc_check(memory == ch);
    mc_free(ch, sizeof object);
}

static void setup_capacity(size_t capacity)
{
    setup_coroutines(4);
    memset(&object, 0, sizeof object);
    ch->element_size = sizeof(int);
    ch->capacity = capacity;
    mc_quiet(&ch->count, sizeof ch->count);
    message = answer = sent = received = sent_count = received_count = 0;
}

static void setup(void)
{
    setup_capacity(0);
    HIDE(wait_object);
    HIDE(killed);
    HIDE(deadline);
}

static void setup_buffered(void)
{
    setup_capacity(1);
    HIDE(wait_object);
    HIDE(killed);
    HIDE(deadline);
}

/* Somebody is killed, or a timer ends a wait. */
static void setup_ending(void)
{
    setup_capacity(0);
    HIDE(wait_object);
}

static void setup_ending_buffered(void)
{
    setup_capacity(1);
    HIDE(wait_object);
}

static void note_sent(int result, int value)
{
    if (result == 0) {
        sent += value;
        sent_count++;
    }
}

static void note_received(int result, int value)
{
    if (result == 0) {
        received += value;
        received_count++;
    }
}

/* ---- threads ---- */

static void send_value(int value)
{
    int result = weft_chan_send(ch, &value);
    mc_check(result == 0);
    note_sent(result, value);
}

static void send_1(void)
{
    send_value(1);
}

static void send_2(void)
{
    send_value(2);
}

static void send_message(void)
{
    wf_plain_write(&message, 1);
    send_1();
}

static void send_and_read_answer(void)
{
    send_1();
    mc_check(wf_plain_read(&answer) == 1);
}

static void send_two(void)
{
    send_1();
    send_2();
}

static void receive(void)
{
    int value = 0;
    mc_check(weft_chan_recv(ch, &value) == 0);
    note_received(0, value);
}

static void receive_message(void)
{
    receive();
    mc_check(wf_plain_read(&message) == 1);
}

static void answer_and_receive(void)
{
    wf_plain_write(&answer, 1);
    receive();
}

static void receive_two(void)
{
    receive();
    receive();
}

static void receive_in_order(void)
{
    for (int i = 1; i <= 2; i++) {
        int value = 0;
        mc_check(weft_chan_recv(ch, &value) == 0);
        mc_check(value == i);
        note_received(0, value);
    }
}

/* These may be ended. */
static void send_until(void)
{
    int value = 4;
    int result = weft_chan_send_until(ch, &value, PASSED);
    mc_check(result == 0 || result == -ETIMEDOUT || result == -ECANCELED || result == -EPIPE);
    note_sent(result, value);
}

static void receive_until(void)
{
    int value = 0;
    int result = weft_chan_recv_until(ch, &value, PASSED);
    mc_check(result == 0 || result == -ETIMEDOUT || result == -ECANCELED);
    note_received(result, value);
}

static void try_send(void)
{
    int value = 8;
    int result = weft_chan_try_send(ch, &value);
    mc_check(result == 0 || result == -EAGAIN || result == -EPIPE);
    note_sent(result, value);
}

static void try_receive(void)
{
    int value = 0;
    int result = weft_chan_try_recv(ch, &value);
    mc_check(result == 0 || result == -EAGAIN || result == -EPIPE);
    note_received(result, value);
}

/* Until the channel is closed. */
static void send_or_closed(void)
{
    int value = 1;
    int result = weft_chan_send(ch, &value);
    mc_check(result == 0 || result == -EPIPE);
    note_sent(result, value);
}

static void receive_to_the_end(void)
{
    int value = 0, result;
    while ((result = weft_chan_recv(ch, &value)) == 0)
        note_received(result, value);
    mc_check(result == -EPIPE);
}

static void close_it(void)
{
    mc_check(weft_chan_close(ch) == 0);
}

static void close_and_free(void)
{
    close_it();
    mc_check(weft_chan_free(ch) == 0);
}

static void receive_and_close(void)
{
    receive();
    close_it();
}

/* It may free what it has received from. */
static void receive_and_free(void)
{
    receive();
    mc_check(weft_chan_free(ch) == 0);
}

static void kill_first(void)
{
    kill_coroutine(&coros[0]);
}

static void expire_first(void)
{
    expire(&coros[0]);
}

/* Both ends of a close are there: who closes may free, for those that it woke do not come back to the channel. */
static void setup_waiting(void)
{
    setup_capacity(0);
    for (int i = 0; i < 2; i++) {
        coros[i].state = wf_state_make(7, WF_PHASE_WAITING | WF_STATE_KILLABLE);
        coros[i].wait_object = ch;
        wf_list_push_back(&ch->receivers, &coros[i].wait_node);
    }
}

static void come_back(void)
{
    mc_wait(&queued[mc_self()]);
    mc_check(--times_queued[mc_self()] == 0);
    wf_state_dispatch(&coros[mc_self()]);
    mc_check(wf_plain_read(&coros[mc_self()].wake_value) == -EPIPE);
}

/* ---- ends ---- */

static void balances(void)
{
    check_nobody_waits();
    mc_check(wf_list_is_empty(&ch->senders) && wf_list_is_empty(&ch->receivers));
    mc_check(sent_count == received_count + (int)wf_chan_count(ch));
    while (wf_chan_count(ch) > 0) {
        int value[2] = {0}; /* the compiler sees a branch for larger elements */
        wf_chan_get(ch, value);
        received += value[0];
    }
    mc_check(sent == received);
}

static void all_gone(void)
{
    check_nobody_waits();
    mc_check(sent == received);
}

#define SCENARIO(name_, setup_, final_, ...) .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = final_

static const struct mc_scenario scenarios[] = {
    {SCENARIO("message", setup, balances, {"sender", send_message}, {"receiver", receive_message})},
    {SCENARIO("answer", setup, balances, {"sender", send_and_read_answer}, {"receiver", answer_and_receive})},
    {SCENARIO("message-buffered", setup_buffered, balances, {"sender", send_message}, {"receiver", receive_message})},
    {SCENARIO("order", setup, balances, {"sender", send_two}, {"receiver", receive_in_order})},
    {SCENARIO("order-buffered", setup_buffered, balances, {"sender", send_two}, {"receiver", receive_in_order})},
    {SCENARIO("two-senders", setup, balances, {"sender1", send_1}, {"sender2", send_2}, {"receiver", receive_two})},
    {SCENARIO("two-senders-buffered", setup_buffered, balances, {"sender1", send_1}, {"sender2", send_2},
              {"receiver", receive_two})},
    {SCENARIO("two-receivers", setup, balances, {"receiver1", receive}, {"receiver2", receive}, {"sender", send_two})},
    {SCENARIO("sender-killed", setup_ending, balances, {"sender", send_until}, {"receiver", try_receive},
              {"killer", kill_first})},
    {SCENARIO("receiver-killed", setup_ending, balances, {"receiver", receive_until}, {"sender", try_send},
              {"killer", kill_first})},
    {SCENARIO("sender-killed-or-times-out", setup_ending, balances, {"sender", send_until}, {"receiver", try_receive},
              {"killer", kill_first}, {"timer", expire_first}),
     .deep = true},
    {SCENARIO("sender-before-another-times-out", setup_ending, all_gone, {"sender1", send_until},
              {"sender2", send_or_closed}, {"receiver", receive_and_close}, {"timer", expire_first}),
     .deep = true},
    {SCENARIO("receiver-times-out-buffered", setup_ending_buffered, balances, {"receiver", receive_until},
              {"sender", try_send}, {"timer", expire_first})},
    {SCENARIO("close", setup, balances, {"receiver", receive_to_the_end}, {"sender", send_or_closed},
              {"closer", close_it})},
    {SCENARIO("close-buffered", setup_buffered, balances, {"receiver", receive_to_the_end}, {"sender", send_or_closed},
              {"closer", close_it})},
    {SCENARIO("free-after-receiving", setup, all_gone, {"receiver", receive_and_free}, {"sender", send_1})},
    {SCENARIO("free-after-closing", setup_waiting, all_gone, {"receiver1", come_back}, {"receiver2", come_back},
              {"closer", close_and_free})},
    {SCENARIO("try", setup_buffered, balances, {"sender", try_send}, {"receiver", try_receive},
              {"other", try_receive})},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "channel", scenarios, sizeof scenarios / sizeof *scenarios);
}
