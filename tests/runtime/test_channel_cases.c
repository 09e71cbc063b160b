/* Situations in which channels and selects of other systems were found wrong, after the collection that Go keeps
 * (runtime/chan_test.go, test/chan): what is tested there, in our own words and for our own interface.
 *
 * Not here, for want of a meaning: what is checked by Go's compiler (directions of channels, syntax, the order in which operands
 * are evaluated), interface values, elements without a size, memory that a collector has to find, shrinking stacks.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

#define RECV(chan_, value_) ((weft_select_case){.op = WEFT_SELECT_RECV, .chan = (chan_), .value = (value_)})
#define SEND(chan_, value_) ((weft_select_case){.op = WEFT_SELECT_SEND, .chan = (chan_), .value = (value_)})

static weft_chan *new_chan(size_t capacity)
{
    return weft_chan_new(sizeof(int), capacity);
}

static void put(weft_chan *ch, int value)
{
    CHECK_INT(weft_chan_send(ch, &value), 0);
}

static int take(weft_chan *ch)
{
    int value = -1;
    CHECK_INT(weft_chan_recv(ch, &value), 0);
    return value;
}

/* What a sender or receiver of its own is told. */
struct job {
    weft_chan *ch, *ch2, *done;
    int first, count; /* sends or receives so many, beginning with this number */
    int id;
    int seen[1000];
};

static void *send_count(void *arg)
{
    struct job *job = arg;
    for (int i = 0; i < job->count; i++)
        put(job->ch, job->first + i);
    return NULL;
}

static void *recv_and_count(void *arg)
{
    struct job *job = arg;
    for (int i = 0; i < job->count; i++) {
        int value = take(job->ch);
        if (CHECK(value >= 0 && value < 1000))
            job->seen[value]++;
    }
    return NULL;
}

/* ---- one channel, any capacity ---- */

static void *waits_for_a_sender(void *arg)
{
    weft_chan *ch = new_chan(*(size_t *)arg);
    struct job job = {.ch = ch, .count = 1};
    weft_t *t[2] = {weft_spawn(recv_and_count, &job), weft_spawn(recv_and_count, &job)};
    weft_select_case c = RECV(ch, NULL);
    wt_until_waiting(t[0], WF_WAIT_CHAN_RECV);
    wt_until_waiting(t[1], WF_WAIT_CHAN_RECV);
    CHECK_INT(weft_chan_try_recv(ch, NULL), -EAGAIN);
    CHECK_INT(weft_select(&c, 1, 0), -ETIMEDOUT);
    put(ch, 0);
    put(ch, 0);
    CHECK_INT(weft_joinall(t, 2), 0);
    CHECK_INT(job.seen[0], 2);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void *waits_for_a_receiver(void *arg)
{
    size_t capacity = *(size_t *)arg;
    weft_chan *ch = new_chan(capacity);
    struct job job = {.ch = ch, .first = 77, .count = 1};
    int value = 0;
    weft_select_case c = SEND(ch, &value);
    CHECK_INT((int64_t)weft_chan_len(ch), 0);
    CHECK_INT((int64_t)weft_chan_capacity(ch), (int64_t)capacity);
    for (size_t i = 0; i < capacity; i++)
        put(ch, (int)i);
    CHECK_INT((int64_t)weft_chan_len(ch), (int64_t)capacity);
    weft_t *t = weft_spawn(send_count, &job);
    wt_until_waiting(t, WF_WAIT_CHAN_SEND);
    CHECK_INT(weft_select(&c, 1, 0), -ETIMEDOUT);
    for (size_t i = 0; i < capacity; i++)
        CHECK_INT(take(ch), (int64_t)i);
    CHECK_INT(take(ch), 77);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void *see_the_end(void *arg)
{
    struct job *job = arg;
    int value = 5;
    CHECK_INT(weft_chan_recv(job->ch, &value), -EPIPE);
    CHECK_INT(value, 5);
    return NULL;
}

static void *closes(void *arg)
{
    size_t capacity = *(size_t *)arg;
    weft_chan *ch = new_chan(capacity);
    struct job job = {.ch = ch};
    weft_select_case c = RECV(ch, NULL);
    for (size_t i = 0; i < capacity; i++)
        put(ch, (int)i);
    CHECK_INT(weft_chan_close(ch), 0);
    for (size_t i = 0; i < capacity; i++)
        CHECK_INT(take(ch), (int64_t)i);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(weft_chan_recv(ch, NULL), -EPIPE);
        CHECK_INT(weft_select(&c, 1, WEFT_NEVER), 0);
        CHECK_INT(c.result, -EPIPE);
    }
    CHECK_INT(weft_chan_free(ch), 0);
    job.ch = new_chan(capacity);
    weft_t *t = weft_spawn(see_the_end, &job);
    wt_until_waiting(t, WF_WAIT_CHAN_RECV);
    CHECK_INT(weft_chan_close(job.ch), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_chan_free(job.ch), 0);
    return NULL;
}

/* In order from one sender; each number once for each sender from several. */
static void *all_arrive(void *arg)
{
    enum { PEERS = 4, EACH = 1000 };
    weft_chan *ch = new_chan(*(size_t *)arg);
    struct job one = {.ch = ch, .count = 100};
    weft_t *t[2 * PEERS] = {weft_spawn(send_count, &one)};
    for (int i = 0; i < 100; i++)
        CHECK_INT(take(ch), i);
    CHECK_INT(weft_join(t[0], NULL), 0);
    struct job *jobs = calloc(PEERS + 1, sizeof *jobs);
    jobs[0] = (struct job){.ch = ch, .count = EACH};
    for (int i = 0; i < PEERS; i++) {
        jobs[i + 1] = (struct job){.ch = ch, .count = EACH};
        t[i] = weft_spawn(send_count, &jobs[0]);
        t[PEERS + i] = weft_spawn(recv_and_count, &jobs[i + 1]);
    }
    CHECK_INT(weft_joinall(t, 2 * PEERS), 0);
    for (int v = 0; v < EACH; v++) {
        int seen = 0;
        for (int i = 1; i <= PEERS; i++)
            seen += jobs[i].seen[v];
        CHECK_INT(seen, PEERS);
    }
    free(jobs);
    CHECK_INT(weft_chan_free(ch), 0);
    return NULL;
}

static void over_capacities(weft_fn *body)
{
    for (size_t capacity = 0; capacity < 40; capacity = capacity < 4 ? capacity + 1 : capacity * 2)
        wt_over_workers(body, &capacity);
}

static void test_channel_that_is_empty_makes_receivers_wait(void **state)
{
    (void)state;
    over_capacities(waits_for_a_sender);
}

static void test_channel_that_is_full_makes_senders_wait(void **state)
{
    (void)state;
    over_capacities(waits_for_a_receiver);
}

static void test_channel_that_is_closed_gives_what_it_has(void **state)
{
    (void)state;
    over_capacities(closes);
}

static void test_channel_delivers_all_in_order(void **state)
{
    (void)state;
    over_capacities(all_arrive);
}

/* ---- a try sees one moment ---- */

/* The element was there before the close, and only the other one may take it: so one of the two gets it. */
static void *try_to_receive(void *arg)
{
    struct job *job = arg;
    job->first = weft_chan_try_recv(job->ch, NULL);
    return NULL;
}

static void *race_receive(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(2000); i++) {
        struct job job = {.ch = new_chan(1)};
        put(job.ch, 1);
        weft_t *t = weft_spawn(try_to_receive, &job);
        CHECK_INT(weft_chan_close(job.ch), 0);
        int mine = weft_chan_recv(job.ch, NULL);
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK((mine == 0 && job.first == -EPIPE) || (mine == -EPIPE && job.first == 0));
        CHECK_INT(weft_chan_free(job.ch), 0);
    }
    return NULL;
}

static void test_channel_try_never_finds_a_channel_between_full_and_closed(void **state)
{
    (void)state;
    wt_over_workers(race_receive, NULL);
}

static void *try_both(void *arg)
{
    struct job *job = arg;
    weft_select_case cases[] = {RECV(job->ch, NULL), RECV(job->ch2, NULL)};
    job->first = weft_select(cases, 2, 0);
    return NULL;
}

/* At every moment one of two channels is ready. A select that does not wait must find one of them. */
static void *race_select(void *arg)
{
    bool by_closing = *(bool *)arg;
    for (int i = 0; i < wt_scaled(4000); i++) {
        struct job job = {.ch = new_chan(1), .ch2 = new_chan(1)};
        /* So that both orders of the addresses occur. */
        if (i % 2 == 1) {
            weft_chan *other = job.ch;
            job.ch = job.ch2;
            job.ch2 = other;
        }
        put(job.ch, 1);
        weft_t *t = weft_spawn(try_both, &job);
        if (by_closing)
            CHECK_INT(weft_chan_close(job.ch2), 0);
        else
            put(job.ch2, 1);
        weft_select_case c = RECV(job.ch, NULL);
        int mine = weft_select(&c, 1, 0);
        CHECK(mine == 0 || mine == -ETIMEDOUT);
        CHECK_INT(weft_join(t, NULL), 0);
        CHECK(job.first == 0 || job.first == 1);
        CHECK_INT(weft_chan_free(job.ch), 0);
        CHECK_INT(weft_chan_free(job.ch2), 0);
    }
    return NULL;
}

static void test_select_try_sees_both_channels_at_one_moment(void **state)
{
    (void)state;
    for (int by_closing = 0; by_closing < 2; by_closing++)
        wt_over_workers(race_select, &(bool){by_closing});
}

/* ---- selects on one channel, both ways ---- */

static void *trade(void *arg)
{
    struct job *job = arg;
    for (int i = 0; i < wt_scaled(1000); i++) {
        int out = job->id, in = -1;
        bool send_first = job->id == 0 || i % 2 == 0;
        weft_select_case sending = SEND(job->ch, &out), receiving = RECV(job->ch, &in);
        weft_select_case cases[2] = {send_first ? sending : receiving, send_first ? receiving : sending};
        int happened = weft_select(cases, 2, WEFT_NEVER);
        CHECK(happened == 0 || happened == 1);
        if (weft_chan_capacity(job->ch) == 0 && cases[happened].op == WEFT_SELECT_RECV)
            CHECK_INT(in, 1 - job->id);
    }
    return NULL;
}

static void *two_traders(void *arg)
{
    struct job jobs[2] = {{.ch = new_chan(*(size_t *)arg), .id = 0}};
    jobs[1] = (struct job){.ch = jobs[0].ch, .id = 1};
    weft_t *t[2] = {weft_spawn(trade, &jobs[0]), weft_spawn(trade, &jobs[1])};
    CHECK_INT(weft_joinall(t, 2), 0);
    CHECK_INT(weft_chan_free(jobs[0].ch), 0);
    return NULL;
}

static void test_select_sends_to_and_receives_from_the_same_channel(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity <= 10; capacity += 10)
        wt_over_workers(two_traders, &capacity);
}

/* ---- a crowd of selects and plain calls, which must not get stuck ---- */

enum { LANES = 4 };

struct crowd {
    weft_chan *lane[LANES];
    int each;
};

struct plain {
    struct crowd *crowd;
    int lane;
};

static void *plain_sender(void *arg)
{
    struct plain *p = arg;
    for (int i = 0; i < p->crowd->each; i++)
        put(p->crowd->lane[p->lane], i);
    return NULL;
}

static void *plain_receiver(void *arg)
{
    struct plain *p = arg;
    for (int i = 0; i < p->crowd->each; i++)
        take(p->crowd->lane[p->lane]);
    return NULL;
}

/* As many on each lane; one that is done is taken out by making its channel NULL. */
static void on_all_lanes(struct crowd *crowd, bool sends)
{
    int done[LANES] = {0}, value = 0;
    weft_select_case cases[LANES];
    for (int i = 0; i < LANES; i++)
        cases[i] = sends ? SEND(crowd->lane[LANES - 1 - i], &value) : RECV(crowd->lane[i], &value);
    for (int i = 0; i < LANES * crowd->each; i++) {
        int happened = weft_select(cases, LANES, WEFT_NEVER);
        if (!CHECK(happened >= 0))
            return;
        if (++done[happened] == crowd->each)
            cases[happened].chan = NULL;
    }
    CHECK_INT(weft_select(cases, LANES, 0), -ETIMEDOUT);
}

static void *select_sender(void *arg)
{
    on_all_lanes(arg, true);
    return NULL;
}

static void *select_receiver(void *arg)
{
    on_all_lanes(arg, false);
    return NULL;
}

static void *crowded(void *arg)
{
    struct crowd crowd = {.each = wt_scaled(3000)};
    struct plain plain[LANES];
    weft_t *t[2 * LANES + 2];
    (void)arg;
    for (int i = 0; i < LANES; i++) {
        crowd.lane[i] = new_chan(i < 2 ? 0 : (size_t)i);
        plain[i] = (struct plain){&crowd, i};
        t[i] = weft_spawn(plain_sender, &plain[i]);
        t[LANES + i] = weft_spawn(plain_receiver, &plain[i]);
    }
    t[2 * LANES] = weft_spawn(select_sender, &crowd);
    t[2 * LANES + 1] = weft_spawn(select_receiver, &crowd);
    CHECK_INT(weft_joinall(t, 2 * LANES + 2), 0);
    for (int i = 0; i < LANES; i++) {
        CHECK_INT((int64_t)weft_chan_len(crowd.lane[i]), 0);
        CHECK_INT(weft_chan_free(crowd.lane[i]), 0);
    }
    return NULL;
}

static void test_select_among_plain_senders_and_receivers_comes_to_an_end(void **state)
{
    (void)state;
    wt_over_workers(crowded, NULL);
}

/* ---- fairness ---- */

/* Two endless senders and a select: neither may be left out. */
static void *send_until_told(void *arg)
{
    struct job *job = arg;
    int value = job->id;
    weft_select_case cases[] = {SEND(job->ch, &value), RECV(job->done, NULL)};
    while (weft_select(cases, 2, WEFT_NEVER) == 0)
        job->count++;
    return NULL;
}

static void *two_senders(void *arg)
{
    enum { TAKEN = 2000 };
    struct job jobs[2];
    weft_chan *done = new_chan(0);
    weft_t *t[2];
    int count[2] = {0};
    (void)arg;
    for (int i = 0; i < 2; i++) {
        jobs[i] = (struct job){.ch = new_chan(1), .done = done, .id = i};
        t[i] = weft_spawn(send_until_told, &jobs[i]);
    }
    weft_select_case cases[] = {RECV(jobs[0].ch, NULL), RECV(jobs[1].ch, NULL)};
    for (int i = 0; i < TAKEN; i++) {
        /* Both have something: whom the select takes is its own choice. */
        while (weft_chan_len(jobs[0].ch) == 0 || weft_chan_len(jobs[1].ch) == 0)
            weft_yield();
        int happened = weft_select(cases, 2, WEFT_NEVER);
        if (CHECK(happened == 0 || happened == 1))
            count[happened]++;
    }
    /* The standard deviation is 22. */
    CHECK(count[0] > TAKEN / 2 - 250 && count[1] > TAKEN / 2 - 250);
    CHECK_INT(weft_chan_close(done), 0);
    CHECK_INT(weft_joinall(t, 2), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(weft_chan_free(jobs[i].ch), 0);
    CHECK_INT(weft_chan_free(done), 0);
    return NULL;
}

static void test_select_leaves_no_sender_out(void **state)
{
    (void)state;
    wt_over_workers(two_senders, NULL);
}

/* Of two cases that send to the same channel, now this one, now that. */
static void *random_bits(void *arg)
{
    enum { BITS = 400 };
    struct job job = {.ch = new_chan(*(size_t *)arg), .count = BITS};
    int zero = 0, one = 1;
    weft_t *t = weft_spawn(recv_and_count, &job);
    weft_select_case cases[] = {SEND(job.ch, &one), SEND(job.ch, &zero)};
    for (int i = 0; i < BITS; i++) {
        /* With capacity 0 the select chooses only when the receiver stands in line already. */
        wt_until_waiting(t, WF_WAIT_CHAN_RECV);
        CHECK(weft_select(cases, 2, WEFT_NEVER) >= 0);
    }
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK(job.seen[0] > BITS / 10 && job.seen[1] > BITS / 10);
    CHECK_INT(weft_chan_free(job.ch), 0);
    return NULL;
}

static void test_select_that_sends_chooses_what(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity <= 400; capacity += 400)
        wt_over_workers(random_bits, &capacity);
}

/* ---- many consumers, closed in the right order ---- */

struct plant {
    weft_chan *in, *out;
    weft_group workers;
    int items;
    int64_t expected;
};

static const int primes[] = {2, 3, 7, 11, 13, 17, 19, 23, 27, 31};
enum { PRIMES = sizeof primes / sizeof *primes };

static void *pass_on(void *arg)
{
    struct plant *p = arg;
    int value;
    while (weft_chan_recv(p->in, &value) == 0) {
        if (value % 3 == 0)
            weft_yield(); /* so that they come out in another order */
        put(p->out, value);
    }
    weft_group_done(&p->workers);
    return NULL;
}

static void *feed(void *arg)
{
    struct plant *p = arg;
    for (int i = 0; i < p->items; i++) {
        p->expected += primes[i % PRIMES];
        put(p->in, primes[i % PRIMES]);
    }
    CHECK_INT(weft_chan_close(p->in), 0);
    CHECK_INT(weft_group_wait(&p->workers), 0);
    CHECK_INT(weft_chan_close(p->out), 0);
    return NULL;
}

static void *many_consumers(void *arg)
{
    enum { CONSUMERS = 23 };
    struct plant p = {.in = new_chan(3 * CONSUMERS), .out = new_chan(3 * CONSUMERS), .items = wt_scaled(20000)};
    weft_t *t[CONSUMERS + 1];
    (void)arg;
    CHECK_INT(weft_group_init(&p.workers), 0);
    CHECK_INT(weft_group_add(&p.workers, CONSUMERS), 0);
    for (int i = 0; i < CONSUMERS; i++)
        t[i] = weft_spawn(pass_on, &p);
    t[CONSUMERS] = weft_spawn(feed, &p);
    int value, count = 0;
    int64_t sum = 0;
    while (weft_chan_recv(p.out, &value) == 0) {
        count++;
        sum += value;
    }
    CHECK_INT(weft_joinall(t, CONSUMERS + 1), 0);
    CHECK_INT(count, p.items);
    CHECK_INT(sum, p.expected);
    CHECK_INT(weft_group_fini(&p.workers), 0);
    CHECK_INT(weft_chan_free(p.in), 0);
    CHECK_INT(weft_chan_free(p.out), 0);
    return NULL;
}

static void test_channel_many_consumers_pass_everything_on(void **state)
{
    (void)state;
    wt_over_workers(many_consumers, NULL);
}

/* ---- leaving the middle of a line ---- */

static void *twice_and_another(void *arg)
{
    struct job *job = arg;
    weft_select_case cases[] = {RECV(job->ch, NULL), RECV(job->ch, NULL), RECV(job->ch2, NULL)};
    job->first = weft_select(cases, 3, WEFT_NEVER);
    return NULL;
}

/* A select stands in a line twice, somebody behind it; it is woken by another channel. The one behind must be left in line. */
static void *duplicate(void *arg)
{
    struct job job = {.ch = new_chan(0), .ch2 = new_chan(0)};
    struct job behind = {.ch = job.ch, .count = 1};
    (void)arg;
    weft_t *a = weft_spawn(twice_and_another, &job);
    wt_until_waiting(a, WF_WAIT_SELECT);
    weft_t *b = weft_spawn(recv_and_count, &behind);
    wt_until_waiting(b, WF_WAIT_CHAN_RECV);
    put(job.ch2, 7);
    CHECK_INT(weft_join(a, NULL), 0);
    CHECK_INT(job.first, 2);
    put(job.ch, 8);
    CHECK_INT(weft_join(b, NULL), 0);
    CHECK_INT(behind.seen[8], 1);
    CHECK_INT(weft_chan_free(job.ch), 0);
    CHECK_INT(weft_chan_free(job.ch2), 0);
    return NULL;
}

static void test_select_twice_in_a_line_leaves_those_behind_it(void **state)
{
    (void)state;
    wt_over_workers(duplicate, NULL);
}

/* The same from the middle, with plain receivers before and behind; and again for senders. */
static void *from_the_middle(void *arg)
{
    weft_chan *line = new_chan(0), *exit = new_chan(0);
    struct job before = {.ch = line, .count = 1}, behind = before, middle = {.ch = line, .ch2 = exit};
    (void)arg;
    weft_t *t[3] = {weft_spawn(recv_and_count, &before)};
    wt_until_waiting(t[0], WF_WAIT_CHAN_RECV);
    t[1] = weft_spawn(twice_and_another, &middle);
    wt_until_waiting(t[1], WF_WAIT_SELECT);
    t[2] = weft_spawn(recv_and_count, &behind);
    wt_until_waiting(t[2], WF_WAIT_CHAN_RECV);
    put(exit, 0);
    CHECK_INT(weft_join(t[1], NULL), 0);
    put(line, 1);
    put(line, 2);
    CHECK_INT(weft_join(t[0], NULL), 0);
    CHECK_INT(weft_join(t[2], NULL), 0);
    CHECK_INT(before.seen[1], 1);
    CHECK_INT(behind.seen[2], 1);
    CHECK_INT(weft_chan_free(line), 0);
    CHECK_INT(weft_chan_free(exit), 0);
    return NULL;
}

static void test_select_leaves_the_middle_of_a_line(void **state)
{
    (void)state;
    wt_over_workers(from_the_middle, NULL);
}

/* ---- which cases wait and which do not ---- */

static void *matrix(void *arg)
{
    int value = 0;
    weft_chan *none = new_chan(0), *full = new_chan(1), *room = new_chan(1), *closed = new_chan(0);
    (void)arg;
    put(full, 1);
    CHECK_INT(weft_chan_close(closed), 0);
    struct {
        weft_select_case c;
        int result;
    } rows[] = {
        {RECV(NULL, &value), -ETIMEDOUT}, {SEND(NULL, &value), -ETIMEDOUT}, /* no channel */
        {RECV(none, &value), -ETIMEDOUT}, {SEND(none, &value), -ETIMEDOUT}, /* nobody on the other side */
        {RECV(room, &value), -ETIMEDOUT}, {SEND(full, &value), -ETIMEDOUT}, /* nothing there; no room */
        {RECV(closed, &value), 0},        {SEND(closed, &value), 0},        /* at once, with -EPIPE */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(weft_select(&rows[i].c, 1, 0), rows[i].result);
        if (rows[i].result == 0)
            CHECK_INT(rows[i].c.result, -EPIPE);
        else
            CHECK_INT(weft_select(&rows[i].c, 1, weft_after(100 * WEFT_MICROSECOND)), -ETIMEDOUT);
    }
    weft_select_case fine[] = {RECV(full, &value), SEND(room, &value)};
    CHECK_INT(weft_select(&fine[0], 1, 0), 0);
    CHECK_INT(weft_select(&fine[1], 1, 0), 0);
    weft_chan *all[] = {none, full, room, closed};
    for (int i = 0; i < 4; i++)
        CHECK_INT(weft_chan_free(all[i]), 0);
    return NULL;
}

static void test_select_waits_exactly_where_a_plain_call_would(void **state)
{
    (void)state;
    wt_over_workers(matrix, NULL);
}

/* Tries that meet somebody who waits, for elements of several sizes. */
struct sized {
    weft_chan *ch;
    size_t size;
    unsigned char bytes[100];
};

static void *send_sized(void *arg)
{
    struct sized *s = arg;
    CHECK_INT(weft_chan_send(s->ch, s->bytes), 0);
    return NULL;
}

static void *recv_sized(void *arg)
{
    struct sized *s = arg;
    CHECK_INT(weft_chan_recv(s->ch, s->bytes), 0);
    return NULL;
}

static void try_with_partner(size_t size)
{
    struct sized s = {.ch = weft_chan_new(size, 0), .size = size};
    unsigned char bytes[100];
    weft_select_case receiving = RECV(s.ch, bytes), sending = SEND(s.ch, bytes);
    memset(s.bytes, 0x5a, size);
    CHECK_INT(weft_select(&receiving, 1, 0), -ETIMEDOUT);
    CHECK_INT(weft_select(&sending, 1, 0), -ETIMEDOUT);
    weft_t *t = weft_spawn(send_sized, &s);
    wt_until_waiting(t, WF_WAIT_CHAN_SEND);
    CHECK_INT(weft_select(&receiving, 1, 0), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK(memcmp(bytes, s.bytes, size) == 0);
    memset(bytes, 0xa5, size);
    t = weft_spawn(recv_sized, &s);
    wt_until_waiting(t, WF_WAIT_CHAN_RECV);
    CHECK_INT(weft_select(&sending, 1, 0), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    CHECK(memcmp(bytes, s.bytes, size) == 0);
    CHECK_INT(weft_chan_free(s.ch), 0);
}

static void *tries(void *arg)
{
    (void)arg;
    for (size_t size = 1; size <= 100; size += 9)
        try_with_partner(size);
    return NULL;
}

static void test_select_try_meets_who_waits(void **state)
{
    (void)state;
    wt_over_workers(tries, NULL);
}

/* ---- one select, several channels, each number once ---- */

static void *number_on_any(void *arg)
{
    struct crowd *crowd = arg;
    weft_select_case cases[LANES];
    for (int i = 0; i < crowd->each; i++) {
        for (int k = 0; k < LANES; k++)
            cases[k] = SEND(crowd->lane[k], &i);
        CHECK(weft_select(cases, LANES, WEFT_NEVER) >= 0);
    }
    for (int i = 0; i < LANES; i++)
        CHECK_INT(weft_chan_close(crowd->lane[i]), 0);
    return NULL;
}

struct forward {
    weft_chan *from, *to;
};

static void *forward(void *arg)
{
    struct forward *f = arg;
    int value;
    while (weft_chan_recv(f->from, &value) == 0)
        put(f->to, value);
    return NULL;
}

static void *each_once(void *arg)
{
    struct crowd crowd = {.each = wt_scaled(5000)};
    struct forward forwards[LANES];
    weft_chan *all = new_chan(0);
    weft_t *t[LANES + 1];
    unsigned char *seen = calloc((size_t)crowd.each, 1);
    (void)arg;
    for (int i = 0; i < LANES; i++) {
        crowd.lane[i] = new_chan(0);
        forwards[i] = (struct forward){crowd.lane[i], all};
        t[i] = weft_spawn(forward, &forwards[i]);
    }
    t[LANES] = weft_spawn(number_on_any, &crowd);
    for (int i = 0; i < crowd.each; i++) {
        int value = take(all);
        if (CHECK(value >= 0 && value < crowd.each))
            CHECK_INT(seen[value]++, 0);
    }
    CHECK_INT(weft_joinall(t, LANES + 1), 0);
    for (int i = 0; i < LANES; i++)
        CHECK_INT(weft_chan_free(crowd.lane[i]), 0);
    CHECK_INT(weft_chan_free(all), 0);
    free(seen);
    return NULL;
}

static void test_select_sends_each_value_on_one_channel_only(void **state)
{
    (void)state;
    wt_over_workers(each_once, NULL);
}

/* ---- chains of coroutines ---- */

/* Each waits for its turn, receives one, and gives the next its turn. */
static void *take_turn(void *arg)
{
    struct job *job = arg;
    take(job->ch2);
    CHECK_INT(take(job->ch), job->first);
    put(job->done, 1);
    return NULL;
}

static void *turns(void *arg)
{
    enum { TURNS = 50 };
    struct job *jobs = calloc(TURNS, sizeof *jobs);
    weft_chan *ch = new_chan(0), *turn[TURNS + 1];
    weft_t *t[TURNS];
    (void)arg;
    turn[0] = new_chan(1);
    for (int i = 0; i < TURNS; i++) {
        turn[i + 1] = new_chan(1);
        jobs[i] = (struct job){.ch = ch, .ch2 = turn[i], .done = turn[i + 1], .first = i};
        t[i] = weft_spawn(take_turn, &jobs[i]);
    }
    put(turn[0], 1);
    for (int i = 0; i < TURNS; i++)
        put(ch, i);
    CHECK_INT(take(turn[TURNS]), 1);
    CHECK_INT(weft_joinall(t, TURNS), 0);
    for (int i = 0; i <= TURNS; i++)
        CHECK_INT(weft_chan_free(turn[i]), 0);
    CHECK_INT(weft_chan_free(ch), 0);
    free(jobs);
    return NULL;
}

static void test_channel_of_many_receivers_serves_them_in_their_turn(void **state)
{
    (void)state;
    wt_over_workers(turns, NULL);
}

static void *add_one(void *arg)
{
    struct forward *f = arg;
    put(f->to, take(f->from) + 1);
    return NULL;
}

static void *chain(void *arg)
{
    enum { LINKS = 5000 };
    int links = wt_scaled(LINKS);
    weft_chan **ch = calloc((size_t)links + 1, sizeof *ch);
    struct forward *f = calloc((size_t)links, sizeof *f);
    weft_t **t = calloc((size_t)links, sizeof *t);
    (void)arg;
    for (int i = 0; i <= links; i++)
        ch[i] = new_chan(0);
    for (int i = 0; i < links; i++) {
        f[i] = (struct forward){ch[i], ch[i + 1]};
        t[i] = weft_spawn(add_one, &f[i]);
    }
    put(ch[0], 0);
    CHECK_INT(take(ch[links]), links);
    CHECK_INT(weft_joinall(t, (size_t)links), 0);
    for (int i = 0; i <= links; i++)
        CHECK_INT(weft_chan_free(ch[i]), 0);
    free(t);
    free(f);
    free(ch);
    return NULL;
}

static void test_channel_chain_of_thousands_passes_a_value(void **state)
{
    (void)state;
    wt_over_workers(chain, NULL);
}

/* Sieve of Eratosthenes: a filter for each prime found, each started by the one that reads behind it. */
static void *count_up(void *arg)
{
    weft_chan *ch = arg;
    for (int i = 2; weft_chan_send(ch, &i) == 0; i++)
        continue;
    return NULL;
}

struct filter {
    weft_chan *in, *out;
    int prime;
};

static void *keep_others(void *arg)
{
    struct filter *f = arg;
    int value;
    while (weft_chan_recv(f->in, &value) == 0)
        if (value % f->prime != 0 && weft_chan_send(f->out, &value) < 0)
            break;
    CHECK(weft_chan_close(f->in) <= 0); /* so that the one before ends, too */
    return NULL;
}

static void *sieve(void *arg)
{
    enum { FILTERS = 24 };
    static const int expected[FILTERS] = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37,
                                          41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89};
    struct filter filters[FILTERS];
    weft_t *t[FILTERS + 1];
    weft_chan *source = new_chan(*(size_t *)arg), *ch = source;
    t[FILTERS] = weft_spawn(count_up, source);
    for (int i = 0; i < FILTERS; i++) {
        int prime = take(ch);
        CHECK_INT(prime, expected[i]);
        filters[i] = (struct filter){ch, new_chan(*(size_t *)arg), prime};
        t[i] = weft_spawn(keep_others, &filters[i]);
        ch = filters[i].out;
    }
    CHECK_INT(weft_chan_close(ch), 0);
    CHECK_INT(weft_joinall(t, FILTERS + 1), 0);
    for (int i = 0; i < FILTERS; i++)
        CHECK_INT(weft_chan_free(filters[i].out), 0);
    CHECK_INT(weft_chan_free(source), 0);
    return NULL;
}

static void test_channel_sieve_finds_the_primes(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity <= 8; capacity += 8)
        wt_over_workers(sieve, &capacity);
}

/* ---- power series: a network that grows while it computes ---- */

/* A stream of coefficients on demand: ask, and one comes. Closing `ask` ends the one that makes them, which closes its own
 * sources in turn. */
struct stream {
    weft_chan *ask, *answer;
};

enum { TERMS = 10, STREAMS = 1000 };

struct network {
    struct stream streams[STREAMS];
    weft_t *parts[STREAMS];
    _Atomic(uint32_t) streams_count, parts_count;
};

/* One that makes coefficients out of those of others. */
struct part {
    struct network *net;
    struct stream *in[2], *out[2];
    int factor;
};

static struct stream *new_stream(struct network *net)
{
    struct stream *s =
        &net->streams[wf_fetch_add_relaxed(&net->streams_count, 1)]; /* relaxed: only the number counts */
    *s = (struct stream){new_chan(0), new_chan(0)};
    return s;
}

static void start_part(weft_fn *fn, struct part part)
{
    struct part *copy = malloc(sizeof *copy);
    *copy = part;
    weft_spawn_options options = {.cleanup = free};
    uint32_t i =
        wf_fetch_add_relaxed(&part.net->parts_count, 1); /* relaxed: read when the ones that start others were joined */
    part.net->parts[i] = weft_spawn_opt(&options, fn, copy);
}

static bool is_asked(struct stream *s)
{
    return weft_chan_recv(s->ask, NULL) == 0;
}

static int ask(struct stream *s)
{
    put(s->ask, 1);
    return take(s->answer);
}

static void close_stream(struct stream *s)
{
    CHECK_INT(weft_chan_close(s->ask), 0);
}

/* Ask both, and take the answers, all four in whatever order they become possible. */
static void ask_both(struct stream *a, struct stream *b, int *first, int *second)
{
    int one = 1;
    weft_select_case cases[] = {SEND(a->ask, &one), SEND(b->ask, &one), RECV(NULL, first), RECV(NULL, second)};
    for (int i = 0; i < 4; i++) {
        int happened = weft_select(cases, 4, WEFT_NEVER);
        if (!CHECK(happened >= 0 && cases[happened].result == 0))
            return;
        cases[happened].chan = NULL;
        if (happened < 2)
            cases[happened + 2].chan = (happened == 0 ? a : b)->answer;
    }
}

static void *make_ones(void *arg)
{
    struct part *p = arg;
    while (is_asked(p->out[0]))
        put(p->out[0]->answer, 1);
    return NULL;
}

static void *multiply_by_factor(void *arg)
{
    struct part *p = arg;
    while (is_asked(p->out[0]))
        put(p->out[0]->answer, p->factor * ask(p->in[0]));
    close_stream(p->in[0]);
    return NULL;
}

static void *multiply_by_x(void *arg)
{
    struct part *p = arg;
    if (is_asked(p->out[0]))
        put(p->out[0]->answer, 0);
    while (is_asked(p->out[0]))
        put(p->out[0]->answer, ask(p->in[0]));
    close_stream(p->in[0]);
    return NULL;
}

/* The same coefficients for two who ask at different paces. */
static void *split(void *arg)
{
    struct part *p = arg;
    int values[TERMS + 1], filled = 0, at[2] = {0, 0}, open = 2;
    weft_select_case cases[] = {RECV(p->out[0]->ask, NULL), RECV(p->out[1]->ask, NULL)};
    while (open > 0) {
        int k = weft_select(cases, 2, WEFT_NEVER);
        if (!CHECK(k >= 0))
            break;
        if (cases[k].result == -EPIPE) {
            cases[k].chan = NULL;
            open--;
            continue;
        }
        if (at[k] == filled && CHECK(filled <= TERMS))
            values[filled++] = ask(p->in[0]);
        put(p->out[k]->answer, values[at[k]++]);
    }
    close_stream(p->in[0]);
    return NULL;
}

static struct stream *scaled(struct network *net, struct stream *in, int factor)
{
    struct stream *out = new_stream(net);
    start_part(multiply_by_factor, (struct part){.net = net, .in = {in}, .out = {out}, .factor = factor});
    return out;
}

static void split_stream(struct network *net, struct stream *in, struct stream *out[2])
{
    out[0] = new_stream(net);
    out[1] = new_stream(net);
    start_part(split, (struct part){.net = net, .in = {in}, .out = {out[0], out[1]}});
}

/* (f + xF)(g + xG) = fg + x(fG + gF + x FG), where F and G are what the streams give from now on. */
static void *multiply(void *arg)
{
    struct part *p = arg;
    struct stream *in[2][2], *terms[3] = {new_stream(p->net)}, *product = new_stream(p->net);
    int f = 0, g = 0;
    if (!is_asked(p->out[0])) {
        close_stream(p->in[0]);
        close_stream(p->in[1]);
        return NULL;
    }
    ask_both(p->in[0], p->in[1], &f, &g);
    put(p->out[0]->answer, f * g);
    if (!is_asked(p->out[0])) {
        close_stream(p->in[0]);
        close_stream(p->in[1]);
        return NULL;
    }
    for (int i = 0; i < 2; i++)
        split_stream(p->net, p->in[i], in[i]);
    start_part(multiply, (struct part){.net = p->net, .in = {in[0][1], in[1][1]}, .out = {product}});
    start_part(multiply_by_x, (struct part){.net = p->net, .in = {product}, .out = {terms[0]}});
    terms[1] = scaled(p->net, in[0][0], g);
    terms[2] = scaled(p->net, in[1][0], f);
    do {
        int a = 0, b = 0;
        ask_both(terms[1], terms[2], &a, &b);
        put(p->out[0]->answer, ask(terms[0]) + a + b);
    } while (is_asked(p->out[0]));
    for (int i = 0; i < 3; i++)
        close_stream(terms[i]);
    return NULL;
}

static struct stream *ones(struct network *net)
{
    struct stream *out = new_stream(net);
    start_part(make_ones, (struct part){.net = net, .out = {out}});
    return out;
}

static struct stream *times(struct network *net, struct stream *a, struct stream *b)
{
    struct stream *out = new_stream(net);
    start_part(multiply, (struct part){.net = net, .in = {a, b}, .out = {out}});
    return out;
}

/* 1/(1-x) to the power of three: the coefficients are (n + 1)(n + 2)/2. */
static void *series(void *arg)
{
    struct network *net = calloc(1, sizeof *net);
    (void)arg;
    struct stream *cube = times(net, times(net, ones(net), ones(net)), ones(net));
    for (int n = 0; n < TERMS; n++)
        CHECK_INT(ask(cube), (n + 1) * (n + 2) / 2);
    close_stream(cube);
    /* relaxed, both: those that start others end after that, and are joined before those. */
    for (uint32_t i = 0; i < wf_load_relaxed(&net->parts_count); i++)
        CHECK_INT(weft_join(net->parts[i], NULL), 0);
    for (uint32_t i = 0; i < wf_load_relaxed(&net->streams_count); i++) {
        CHECK_INT(weft_chan_free(net->streams[i].ask), 0);
        CHECK_INT(weft_chan_free(net->streams[i].answer), 0);
    }
    free(net);
    return NULL;
}

static void test_select_network_multiplies_power_series(void **state)
{
    (void)state;
    wt_over_workers(series, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_that_is_empty_makes_receivers_wait),
        cmocka_unit_test(test_channel_that_is_full_makes_senders_wait),
        cmocka_unit_test(test_channel_that_is_closed_gives_what_it_has),
        cmocka_unit_test(test_channel_delivers_all_in_order),
        cmocka_unit_test(test_channel_try_never_finds_a_channel_between_full_and_closed),
        cmocka_unit_test(test_select_try_sees_both_channels_at_one_moment),
        cmocka_unit_test(test_select_sends_to_and_receives_from_the_same_channel),
        cmocka_unit_test(test_select_among_plain_senders_and_receivers_comes_to_an_end),
        cmocka_unit_test(test_select_leaves_no_sender_out),
        cmocka_unit_test(test_select_that_sends_chooses_what),
        cmocka_unit_test(test_channel_many_consumers_pass_everything_on),
        cmocka_unit_test(test_select_twice_in_a_line_leaves_those_behind_it),
        cmocka_unit_test(test_select_leaves_the_middle_of_a_line),
        cmocka_unit_test(test_select_waits_exactly_where_a_plain_call_would),
        cmocka_unit_test(test_select_try_meets_who_waits),
        cmocka_unit_test(test_select_sends_each_value_on_one_channel_only),
        cmocka_unit_test(test_channel_of_many_receivers_serves_them_in_their_turn),
        cmocka_unit_test(test_channel_chain_of_thousands_passes_a_value),
        cmocka_unit_test(test_channel_sieve_finds_the_primes),
        cmocka_unit_test(test_select_network_multiplies_power_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
