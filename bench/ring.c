/* What does one hop cost when many coroutines take part? 503 of them stand in a ring and pass a token on over
 * unbuffered channels; one operation is one hop. */
#include "bench/bench.h"
#include "bench/runtime.h"

enum { MEMBERS = 503 };

static weft_chan *inbox[MEMBERS];
static weft_chan *arrived; /* says which member got the token with no hops left */

/* The token is the number of hops left. */
static void *pass_on(void *arg)
{
    uintptr_t me = (uintptr_t)arg;
    weft_chan *next = inbox[(me + 1) % MEMBERS];
    uint64_t token;

    while (weft_chan_recv(inbox[me], &token) == 0) {
        int error;

        if (token > 0) {
            token--;
            error = weft_chan_send(next, &token);
        } else {
            error = weft_chan_send(arrived, &(uint64_t){me});
        }
        if (error < 0)
            bench_die("weft_chan_send", error);
    }
    return NULL;
}

/* True when the token ends where so many hops lead. */
static bool run(bench *b, uint64_t ops)
{
    uint64_t last = MEMBERS;

    (void)b;
    if (weft_chan_send(inbox[0], &ops) < 0 || weft_chan_recv(arrived, &last) < 0)
        return false;
    return last == ops % MEMBERS;
}

static weft_chan *new_channel(void)
{
    weft_chan *channel = weft_chan_new(sizeof(uint64_t), 0);

    if (channel == NULL)
        bench_die("weft_chan_new", weft_last_error());
    return channel;
}

static void *body(void *arg)
{
    bench_measurement *m = arg;
    weft_t *members[MEMBERS];

    arrived = new_channel();
    for (int i = 0; i < MEMBERS; i++)
        inbox[i] = new_channel();
    for (uintptr_t i = 0; i < MEMBERS; i++)
        members[i] = bench_spawn(pass_on, (void *)i);
    m->checked = bench_measure(m->b, m->work);
    for (int i = 0; i < MEMBERS; i++)
        weft_chan_close(inbox[i]);
    for (int i = 0; i < MEMBERS; i++)
        bench_join(members[i]);
    for (int i = 0; i < MEMBERS; i++)
        weft_chan_free(inbox[i]);
    weft_chan_free(arrived);
    return NULL;
}

int main(int argc, char **argv)
{
    bench b;
    bench_measurement m = {.b = &b, .work = run};

    bench_init(&b, argc, argv, 5000000);
    bench_run(&b, body, &m);
    return bench_report(&b, m.checked);
}
