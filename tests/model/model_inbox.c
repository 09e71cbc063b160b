/* core/inbox.h: senders against the receiver. Nothing is lost, what one sender sent arrives in its order, the
 * receiver sees what was written before the send, and a receiver that sleeps when the inbox is empty is woken by
 * whoever sent first.
 */
#include "core/inbox.h"
#include "core/list.h"

#include <string.h>

enum { SENDERS = 3, EACH = 2 };

struct message {
    wf_inbox_node node;
    int payload;
};

static wf_inbox inbox;
static struct message messages[SENDERS][EACH];
static int received[SENDERS]; /* how many of each sender have come */
static mc_semaphore doorbell; /* stands for the receiver's sleeping place */

static void setup(void)
{
    memset(&inbox, 0, sizeof inbox);
    memset(messages, 0, sizeof messages);
    memset(received, 0, sizeof received);
    doorbell = (mc_semaphore){0};
}

static void send_some(int sender, int count)
{
    for (int i = 0; i < count; i++) {
        struct message *message = &messages[sender][i];
        wf_plain_write(&message->payload, 10 * sender + i);
        if (wf_inbox_send(&inbox, &message->node))
            mc_post(&doorbell);
    }
}

static void send_one_0(void)
{
    send_some(0, 1);
}

static void send_two_0(void)
{
    send_some(0, 2);
}

static void send_two_1(void)
{
    send_some(1, 2);
}

static void send_one_1(void)
{
    send_some(1, 1);
}

static void send_one_2(void)
{
    send_some(2, 1);
}

/* Returns how many there were. */
static int receive_all(void)
{
    int count = 0;
    wf_inbox_node *node = wf_inbox_take(&inbox);
    while (node != NULL) {
        struct message *message = wf_container_of(node, struct message, node);
        node = wf_plain_read(&node->next);
        int payload = wf_plain_read(&message->payload);
        int sender = payload / 10;
        mc_check(message == &messages[sender][received[sender]]);
        received[sender]++;
        count++;
        wf_plain_write(&message->payload, -1); /* it is the receiver's now */
    }
    return count;
}

static void receive(int wanted)
{
    for (int got = 0; got < wanted;) {
        int count = receive_all();
        if (count == 0)
            mc_wait(&doorbell);
        got += count;
    }
}

static void receive_three(void)
{
    receive(3);
}

static void receive_four(void)
{
    receive(4);
}

/* Sends its first message again once it has been received: the receiver has let go of the node by then. */
static mc_semaphore returned;

static void setup_returning(void)
{
    setup();
    returned = (mc_semaphore){0};
}

static void send_and_reuse(void)
{
    send_some(0, 1);
    mc_wait(&returned);
    wf_plain_write(&messages[0][0].payload, 0);
    received[0] = 0;
    if (wf_inbox_send(&inbox, &messages[0][0].node))
        mc_post(&doorbell);
}

static void receive_and_return(void)
{
    receive(1);
    mc_post(&returned);
    receive(1);
}

static void all_came(void)
{
    mc_check(wf_inbox_take(&inbox) == NULL);
}

static void all_came_two_two(void)
{
    all_came();
    mc_check(received[0] == 2 && received[1] == 2);
}

static const struct mc_scenario scenarios[] = {
    {.name = "two-and-one",
     .setup = setup,
     .threads = {{"receiver", receive_three}, {"sender0", send_two_0}, {"sender1", send_one_1}},
     .final = all_came},
    {.name = "reuse",
     .setup = setup_returning,
     .threads = {{"receiver", receive_and_return}, {"sender", send_and_reuse}},
     .final = all_came},
    {.name = "two-and-two",
     .setup = setup,
     .threads = {{"receiver", receive_four}, {"sender0", send_two_0}, {"sender1", send_two_1}},
     .final = all_came_two_two,
     .deep = true},
    {.name = "three-senders",
     .setup = setup,
     .threads =
         {{"receiver", receive_three}, {"sender0", send_one_0}, {"sender1", send_one_1}, {"sender2", send_one_2}},
     .final = all_came,
     .deep = true},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "inbox", scenarios, sizeof scenarios / sizeof *scenarios);
}
