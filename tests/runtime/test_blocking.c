/* Every call that waits for another coroutine or thread, ended in every way that there is: let through, by its own deadline, by an
 * enclosing timeout, by a kill before it and a kill while it waits, and not ended by a kill under a shield; by coroutines, and what
 * applies by plain threads. Afterwards nobody is left waiting on anything. The calls that wait for descriptors are in
 * tests/io/test_cancel.c. */
#include "runtime.h"

/* What the calls wait on, all of it so that they have to wait. */
struct world {
    weft_mutex held, guard; /* held: by the test itself; guard: free, for the condition */
    weft_cond cond;
    weft_sem sem;
    weft_event event, end;
    weft_group group;
    weft_chan *empty, *full;
    weft_t *running[2]; /* until `end` is set */
    _Atomic(int) ended; /* of those that weft_run started */
    int begun;
};

/* ---- the calls ---- */

static int lock(struct world *w, int64_t deadline)
{
    int result = deadline == WEFT_NEVER ? weft_mutex_lock(&w->held) : weft_mutex_lock_until(&w->held, deadline);
    if (result == 0)
        CHECK_INT(weft_mutex_unlock(&w->held), 0);
    return result;
}

static void pass_lock(struct world *w)
{
    CHECK_INT(weft_mutex_unlock(&w->held), 0);
}

static int wait_cond(struct world *w, int64_t deadline)
{
    CHECK_INT(weft_mutex_trylock(&w->guard), 0); /* also when killed */
    int result = deadline == WEFT_NEVER ? weft_cond_wait(&w->cond, &w->guard)
                                        : weft_cond_wait_until(&w->cond, &w->guard, deadline);
    CHECK_INT(weft_mutex_unlock(&w->guard), 0); /* it is held again, however the wait ended */
    return result;
}

static void pass_cond(struct world *w)
{
    CHECK_INT(weft_cond_signal(&w->cond), 0);
}

static int wait_sem(struct world *w, int64_t deadline)
{
    return deadline == WEFT_NEVER ? weft_sem_wait(&w->sem) : weft_sem_wait_until(&w->sem, deadline);
}

static void pass_sem(struct world *w)
{
    CHECK_INT(weft_sem_post(&w->sem), 0);
}

static int wait_event(struct world *w, int64_t deadline)
{
    return deadline == WEFT_NEVER ? weft_event_wait(&w->event) : weft_event_wait_until(&w->event, deadline);
}

static void pass_event(struct world *w)
{
    CHECK_INT(weft_event_set(&w->event), 0);
}

static int wait_group(struct world *w, int64_t deadline)
{
    return deadline == WEFT_NEVER ? weft_group_wait(&w->group) : weft_group_wait_until(&w->group, deadline);
}

static void pass_group(struct world *w)
{
    CHECK_INT(weft_group_done(&w->group), 0);
}

static int send_one(struct world *w, int64_t deadline)
{
    int value = 2;
    return deadline == WEFT_NEVER ? weft_chan_send(w->full, &value) : weft_chan_send_until(w->full, &value, deadline);
}

static void pass_send(struct world *w)
{
    CHECK_INT(weft_chan_recv(w->full, NULL), 0);
}

static int receive(struct world *w, int64_t deadline)
{
    int value;
    return deadline == WEFT_NEVER ? weft_chan_recv(w->empty, &value) : weft_chan_recv_until(w->empty, &value, deadline);
}

static void pass_receive(struct world *w)
{
    int value = 3;
    CHECK_INT(weft_chan_send(w->empty, &value), 0);
}

/* A reference for the join to give back; the test keeps its own. */
static int join(struct world *w, int64_t deadline)
{
    weft_t *t = weft_ref(w->running[0]);
    int result = deadline == WEFT_NEVER ? weft_join(t, NULL) : weft_join_until(t, NULL, deadline);
    if (result != 0)
        CHECK_INT(weft_unref(t), 0);
    return result;
}

static int join_all(struct world *w, int64_t deadline)
{
    weft_t *ts[2] = {weft_ref(w->running[0]), weft_ref(w->running[1])};
    int result = deadline == WEFT_NEVER ? weft_joinall(ts, 2) : weft_joinall_until(ts, 2, deadline);
    for (int i = 0; i < 2 && result != 0; i++)
        CHECK_INT(weft_unref(ts[i]), 0);
    return result;
}

static int wait_any(struct world *w, int64_t deadline)
{
    int result = deadline == WEFT_NEVER ? weft_wait_any(w->running, 2) : weft_wait_any_until(w->running, 2, deadline);
    return result > 0 ? 0 : result;
}

static void *run_until_end(void *arg)
{
    struct world *w = arg;
    CHECK_INT(weft_event_wait(&w->end), 0);
    w->ended++;
    return NULL;
}

static int run(struct world *w, int64_t deadline)
{
    (void)deadline;
    w->begun++;
    return weft_run(run_until_end, w, NULL);
}

static void pass_end(struct world *w)
{
    CHECK_INT(weft_event_set(&w->end), 0);
}

static int sleep_long(struct world *w, int64_t deadline)
{
    (void)w;
    return deadline == WEFT_NEVER ? weft_sleep(WEFT_NEVER) : weft_sleep_until(deadline);
}

static const struct blocking {
    const char *name;
    int (*call)(struct world *w, int64_t deadline); /* WEFT_NEVER: the form that has none */
    void (*pass)(struct world *w);                  /* let it through; NULL: only time does */
    enum wf_wait_kind kind;
    bool no_until;   /* has no form with a deadline */
    int at_deadline; /* what that form returns when it passes */
} calls[] = {
    {"mutex_lock", lock, pass_lock, WF_WAIT_MUTEX, false, -ETIMEDOUT},
    {"cond_wait", wait_cond, pass_cond, WF_WAIT_COND, false, -ETIMEDOUT},
    {"sem_wait", wait_sem, pass_sem, WF_WAIT_SEM, false, -ETIMEDOUT},
    {"event_wait", wait_event, pass_event, WF_WAIT_EVENT, false, -ETIMEDOUT},
    {"group_wait", wait_group, pass_group, WF_WAIT_GROUP, false, -ETIMEDOUT},
    {"chan_send", send_one, pass_send, WF_WAIT_CHAN_SEND, false, -ETIMEDOUT},
    {"chan_recv", receive, pass_receive, WF_WAIT_CHAN_RECV, false, -ETIMEDOUT},
    {"join", join, pass_end, WF_WAIT_NONE, false, -ETIMEDOUT},
    {"joinall", join_all, pass_end, WF_WAIT_NONE, false, -ETIMEDOUT},
    {"wait_any", wait_any, pass_end, WF_WAIT_ANY, false, -ETIMEDOUT},
    {"run", run, pass_end, WF_WAIT_JOIN, true, 0},
    {"sleep", sleep_long, NULL, WF_WAIT_SLEEP, false, 0},
};

/* ---- the world ---- */

static void *wait_for_end(void *arg)
{
    struct world *w = arg;
    CHECK_INT(weft_event_wait(&w->end), 0);
    return NULL;
}

static void open_world(struct world *w)
{
    int value = 1;
    *w = (struct world){.begun = 0};
    CHECK_INT(weft_mutex_lock(&w->held), 0);
    CHECK_INT(weft_group_add(&w->group, 1), 0);
    w->empty = weft_chan_new(sizeof value, 0);
    w->full = weft_chan_new(sizeof value, 1);
    CHECK_INT(weft_chan_send(w->full, &value), 0);
    for (int i = 0; i < 2; i++)
        w->running[i] = weft_spawn(wait_for_end, w);
}

static bool have_ended(void *arg)
{
    struct world *w = arg;
    return w->ended == w->begun;
}

/* Nobody is left on anything: each fini would refuse. */
static void close_world(struct world *w, bool unlocked)
{
    CHECK_INT(weft_event_set(&w->end), 0);
    CHECK_INT(weft_joinall(w->running, 2), 0);
    wt_until(have_ended, w);
    if (!unlocked)
        CHECK_INT(weft_mutex_unlock(&w->held), 0);
    CHECK_INT(weft_mutex_fini(&w->held), 0);
    CHECK_INT(weft_mutex_fini(&w->guard), 0);
    CHECK_INT(weft_cond_fini(&w->cond), 0);
    CHECK_INT(weft_sem_fini(&w->sem), 0);
    CHECK_INT(weft_event_fini(&w->event), 0);
    CHECK_INT(weft_event_fini(&w->end), 0);
    CHECK_INT(weft_group_fini(&w->group), 0);
    CHECK_INT(weft_chan_free(w->empty), 0);
    CHECK_INT(weft_chan_free(w->full), 0);
}

/* ---- the ways ---- */

struct caller {
    const struct blocking *blocking;
    struct world *world;
    bool shielded, kill_first;
    int result;
};

static void *call_it(void *arg)
{
    struct caller *c = arg;
    if (c->kill_first)
        CHECK_INT(weft_kill(weft_self()), 0);
    if (c->shielded)
        CHECK_INT(weft_shield_begin(), 0);
    c->result = c->blocking->call(c->world, WEFT_NEVER);
    if (c->shielded)
        CHECK_INT(weft_shield_end(), 0);
    return NULL;
}

/* Says which call it was when something was wrong with it. */
static void check_result(const struct blocking *b, const char *way, int result, int expected)
{
    if (!CHECK_INT(result, expected))
        print_error("weft_%s, %s\n", b->name, way);
}

static void let_through(const struct blocking *b, bool shielded)
{
    static struct world w;
    struct caller c = {.blocking = b, .world = &w, .shielded = shielded, .result = 1};
    open_world(&w);
    weft_t *t = weft_spawn(call_it, &c);
    wt_until_waiting(t, b->kind);
    if (shielded)
        CHECK_INT(weft_kill(t), 0);
    b->pass(&w);
    CHECK_INT(weft_join(t, NULL), 0);
    check_result(b, shielded ? "killed under a shield" : "let through", c.result, 0);
    close_world(&w, b->pass == pass_lock);
}

static void kill_it(const struct blocking *b, bool before)
{
    static struct world w;
    struct caller c = {.blocking = b, .world = &w, .kill_first = before, .result = 1};
    open_world(&w);
    weft_t *t = weft_spawn(call_it, &c);
    if (!before) {
        wt_until_waiting(t, b->kind);
        CHECK_INT(weft_kill(t), 0);
    }
    CHECK_INT(weft_join(t, NULL), 0);
    check_result(b, before ? "killed before" : "killed while it waits", c.result, -ECANCELED);
    close_world(&w, false);
}

/* On the caller itself, coroutine or plain thread. */
static void *end_it_by_time(void *arg)
{
    struct caller *c = arg;
    const struct blocking *b = c->blocking;
    weft_timeout timeout = {0};
    if (!b->no_until) {
        check_result(b, "deadline in the past", b->call(c->world, 0), b->at_deadline);
        int64_t deadline = weft_after(WEFT_MILLISECOND);
        check_result(b, "deadline", b->call(c->world, deadline), b->at_deadline);
        CHECK(weft_now() >= deadline);
    }
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    check_result(b, "timeout", b->call(c->world, WEFT_NEVER), -ETIMEDOUT);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    return NULL;
}

static void end_by_time(const struct blocking *b)
{
    static struct world w;
    struct caller c = {.blocking = b, .world = &w};
    open_world(&w);
    wt_spawn_and_join(1, end_it_by_time, &c);
    wt_on_thread(end_it_by_time, &c);
    close_world(&w, false);
}

static void let_thread_through(const struct blocking *b)
{
    static struct world w;
    struct caller c = {.blocking = b, .world = &w, .result = 1};
    open_world(&w);
    wt_thread *thread = wt_thread_start(call_it, &c);
    wt_until_block_waits(wt_thread_block(thread), b->kind);
    b->pass(&w);
    wt_thread_join(thread);
    check_result(b, "let through on a thread", c.result, 0);
    close_world(&w, b->pass == pass_lock);
}

#define EACH(b) (const struct blocking *b = calls; b < calls + sizeof calls / sizeof calls[0]; b++)

static void *let_all_through(void *arg)
{
    (void)arg;
    for
        EACH(b)
        {
            if (b->pass != NULL) {
                let_through(b, false);
                let_through(b, true);
                let_thread_through(b);
            }
        }
    return NULL;
}

static void test_blocking_call_that_gets_what_it_waits_for_returns_0(void **state)
{
    (void)state;
    wt_over_workers(let_all_through, NULL);
}

static void *kill_all(void *arg)
{
    (void)arg;
    for
        EACH(b)
        {
            kill_it(b, true);
            kill_it(b, false);
        }
    return NULL;
}

static void test_blocking_call_that_is_killed_returns_ecanceled(void **state)
{
    (void)state;
    wt_over_workers(kill_all, NULL);
}

static void *end_all_by_time(void *arg)
{
    (void)arg;
    for
        EACH(b)
    end_by_time(b);
    return NULL;
}

static void test_blocking_call_ends_at_its_deadline_and_at_an_enclosing_timeout(void **state)
{
    (void)state;
    wt_over_workers(end_all_by_time, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocking_call_that_gets_what_it_waits_for_returns_0),
        cmocka_unit_test(test_blocking_call_that_is_killed_returns_ecanceled),
        cmocka_unit_test(test_blocking_call_ends_at_its_deadline_and_at_an_enclosing_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
