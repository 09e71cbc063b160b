/* A storm over everything that coroutines do to each other, with plain threads in the middle of it: spawn and join,
 * kill, deadlines and timeouts, sleeping, mutex and condition, semaphore, channels. Ledgers have to balance when it is
 * over: each element that was sent was received or is still there, each post was taken or is still there, each
 * coroutine ended once, nothing is left.
 *
 * Meant for ThreadSanitizer, and quick without. STRESS_MS=n: how long each part runs (milliseconds, 1000).
 */
#include <stdlib.h>

#include "runtime.h"

enum { ACTORS = 60, THREADS = 4, CHANNELS = 3, CHILDREN = 8 };

struct storm {
    weft_chan *channels[CHANNELS];
    weft_sem sem;
    weft_mutex mutex;
    weft_cond cond;
    int64_t inside, guarded; /* guarded by mutex */
    int64_t end;             /* when all begin to leave */
    _Atomic(int64_t) sent, received, posted, taken, locked, children, ended;
    _Atomic(uint32_t) seed;
};

static void add(_Atomic(int64_t) *ledger, int64_t n)
{
    wf_fetch_add_relaxed(ledger, n); /* relaxed: summed up after the joins */
}

static int64_t total(_Atomic(int64_t) *ledger)
{
    return wf_load_relaxed(ledger); /* relaxed: joined */
}

static uint32_t random_of(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* In the past, soon, or never. */
static int64_t some_deadline(uint32_t *seed)
{
    uint32_t choice = random_of(seed) % 8;
    return choice == 0 ? 0 : weft_after((int64_t)(random_of(seed) % 200) * WEFT_MICROSECOND);
}

static bool is_expected(int result)
{
    return result == 0 || result == -ETIMEDOUT || result == -ECANCELED;
}

static void use_channel(struct storm *s, uint32_t *seed)
{
    weft_chan *ch = s->channels[random_of(seed) % CHANNELS];
    uint64_t value = random_of(seed) % 1000 + 1, got = 0;
    int result;
    switch (random_of(seed) % 4) {
    case 0:
        if ((result = weft_chan_try_send(ch, &value)) == 0)
            add(&s->sent, (int64_t)value);
        CHECK(result == 0 || result == -EAGAIN);
        break;
    case 1:
        if ((result = weft_chan_try_recv(ch, &got)) == 0)
            add(&s->received, (int64_t)got);
        CHECK(result == 0 || result == -EAGAIN);
        break;
    case 2:
        if ((result = weft_chan_send_until(ch, &value, some_deadline(seed))) == 0)
            add(&s->sent, (int64_t)value);
        CHECK(is_expected(result));
        break;
    default:
        if ((result = weft_chan_recv_until(ch, &got, some_deadline(seed))) == 0)
            add(&s->received, (int64_t)got);
        CHECK(is_expected(result));
    }
}

static void use_sem(struct storm *s, uint32_t *seed)
{
    if (random_of(seed) % 2 == 0) {
        CHECK_INT(weft_sem_post(&s->sem), 0);
        add(&s->posted, 1);
    } else {
        int result = weft_sem_wait_until(&s->sem, some_deadline(seed));
        CHECK(is_expected(result));
        add(&s->taken, result == 0);
    }
}

static void use_mutex(struct storm *s, uint32_t *seed)
{
    int result = weft_mutex_lock_until(&s->mutex, some_deadline(seed));
    if (result != 0) {
        CHECK(is_expected(result));
        return;
    }
    CHECK_INT(s->inside++, 0);
    s->guarded++;
    add(&s->locked, 1);
    switch (random_of(seed) % 4) {
    case 0:
        weft_yield();
        break;
    case 1:
        CHECK_INT(weft_cond_broadcast(&s->cond), 0);
        break;
    case 2:
        s->inside--;
        CHECK(is_expected(weft_cond_wait_until(&s->cond, &s->mutex, some_deadline(seed))));
        CHECK_INT(s->inside++, 0);
        break;
    default:
        break;
    }
    CHECK_INT(--s->inside, 0);
    CHECK_INT(weft_mutex_unlock(&s->mutex), 0);
}

static void be_child(struct storm *s, uint32_t *seed)
{
    switch (random_of(seed) % 4) {
    case 0:
        use_channel(s, seed);
        break;
    case 1:
        use_sem(s, seed);
        break;
    case 2:
        use_mutex(s, seed);
        break;
    default:
        weft_sleep((int64_t)(random_of(seed) % 300) * WEFT_MICROSECOND);
    }
}

static uint32_t fresh_seed(struct storm *s)
{
    return wf_fetch_add_relaxed(&s->seed, 2654435761u); /* relaxed: a number each */
}

static void count_end(void *arg)
{
    add(&((struct storm *)arg)->ended, 1);
}

static void *child(void *arg)
{
    struct storm *s = arg;
    uint32_t seed = fresh_seed(s);
    for (int i = 0; i < 5; i++)
        be_child(s, &seed);
    return NULL;
}

/* Some children, some of them killed, all joined: at once, one by one, or whichever ends first. */
static void have_children(struct storm *s, uint32_t *seed)
{
    weft_spawn_options options = {.cleanup = count_end};
    weft_t *ts[CHILDREN];
    int left = (int)(random_of(seed) % CHILDREN) + 1;
    CHECK_INT(weft_shield_begin(), 0); /* our own kill must not leave children behind */
    for (int i = 0; i < left; i++) {
        options.start_after = random_of(seed) % 4 == 0 ? random_of(seed) % 100000 : 0;
        CHECK((ts[i] = weft_spawn_opt(&options, child, s)) != NULL);
    }
    add(&s->children, left);
    for (int i = 0; i < left; i++)
        if (random_of(seed) % 3 == 0)
            CHECK_INT(weft_kill(ts[i]), 0);
    if (random_of(seed) % 2 == 0) {
        while (weft_joinall_until(ts, (size_t)left, some_deadline(seed)) == -ETIMEDOUT)
            weft_yield();
    } else {
        while (left > 0) {
            int i = weft_wait_any_until(ts, (size_t)left, some_deadline(seed));
            if (i < 0) {
                CHECK_INT(i, -ETIMEDOUT);
                continue;
            }
            CHECK_INT(weft_join(ts[i], NULL), 0);
            ts[i] = ts[--left];
        }
    }
    CHECK_INT(weft_shield_end(), 0);
}

static void *act(void *arg)
{
    struct storm *s = arg;
    uint32_t seed = fresh_seed(s);
    while (weft_now() < s->end && weft_checkpoint() == 0) {
        weft_timeout timeout;
        bool bounded = random_of(&seed) % 4 == 0;
        if (bounded)
            CHECK_INT(weft_timeout_start(&timeout, (int64_t)(random_of(&seed) % 500) * WEFT_MICROSECOND), 0);
        if (random_of(&seed) % 8 == 0)
            have_children(s, &seed);
        else
            be_child(s, &seed);
        if (bounded)
            CHECK_INT(weft_timeout_stop(&timeout), 0);
    }
    return NULL;
}

/* Kills actors and has new ones take their place. */
static void *reap(void *arg)
{
    struct storm *s = arg;
    weft_t *actors[ACTORS];
    uint32_t seed = fresh_seed(s);
    for (int i = 0; i < ACTORS; i++)
        CHECK((actors[i] = weft_spawn(act, s)) != NULL);
    while (weft_now() < s->end) {
        int i = (int)(random_of(&seed) % ACTORS);
        CHECK_INT(weft_kill(actors[i]), 0);
        CHECK_INT(weft_join(actors[i], NULL), 0);
        CHECK((actors[i] = weft_spawn(act, s)) != NULL);
        weft_sleep(200 * WEFT_MICROSECOND);
    }
    for (int i = 0; i < ACTORS; i++)
        CHECK_INT(weft_join(actors[i], NULL), 0);
    return NULL;
}

static void balance(struct storm *s)
{
    uint64_t value;
    int64_t received = total(&s->received);
    for (int i = 0; i < CHANNELS; i++) {
        while (weft_chan_try_recv(s->channels[i], &value) == 0)
            received += (int64_t)value;
        CHECK_INT(weft_chan_free(s->channels[i]), 0);
    }
    CHECK_INT(received, total(&s->sent));
    CHECK_INT(total(&s->taken) + weft_sem_value(&s->sem), total(&s->posted));
    CHECK_INT(s->guarded, total(&s->locked));
    CHECK_INT(total(&s->ended), total(&s->children));
    CHECK_INT(weft_mutex_fini(&s->mutex), 0);
    CHECK_INT(weft_cond_fini(&s->cond), 0);
    CHECK_INT(weft_sem_fini(&s->sem), 0);
    CHECK(total(&s->sent) > 0 && total(&s->taken) > 0 && s->guarded > 0 && total(&s->children) > 0);
}

static void storm(unsigned workers, int64_t ms)
{
    struct storm s = {.end = weft_after(ms * WEFT_MILLISECOND)};
    wt_thread *threads[THREADS];
    for (int i = 0; i < CHANNELS; i++)
        CHECK((s.channels[i] = weft_chan_new(8, (size_t)i * i)) != NULL);
    wt_start(workers);
    for (int i = 0; i < THREADS; i++)
        threads[i] = wt_thread_start(act, &s);
    CHECK_INT(weft_run(reap, &s, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        wt_thread_join(threads[i]);
    balance(&s);
    wt_stop();
    wt_finish();
}

static void test_stress_ledgers_balance_after_the_storm(void **state)
{
    const char *text = getenv("STRESS_MS");
    int64_t ms = text != NULL ? atoi(text) : 1000;
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2)
        storm(workers, ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stress_ledgers_balance_after_the_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
