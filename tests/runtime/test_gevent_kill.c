/* The cases of gevent's tests of kill, killall and of sets of greenlets, in terms of weft; each over 1, 2 and 4 workers. */
#include "runtime.h"

/* ---- one that is killed, before and while it runs ---- */

struct victim {
    _Atomic(int) ran;
    _Atomic(int) links;
    weft_event linked;
};

static void *note_run(void *arg)
{
    wf_fetch_add_relaxed(&((struct victim *)arg)->ran, 1); /* relaxed: joined before it is read */
    return NULL;
}

static void *sleep_then_run(void *arg)
{
    int result = weft_sleep(WEFT_SECOND * 1000);
    return result == 0 ? note_run(arg) : (void *)(intptr_t)result;
}

static void note_link(weft_t *t, void *arg)
{
    struct victim *v = arg;
    CHECK_INT(weft_ready(t), 1);
    CHECK_INT(weft_error(t), 0);        /* killed counts as successful */
    wf_fetch_add_relaxed(&v->links, 1); /* relaxed: the event publishes it */
    CHECK_INT(weft_event_set(&v->linked), 0);
}

enum start { SCHEDULED, LATER, RUNNING };

static weft_t *start(enum start how, struct victim *v)
{
    weft_spawn_options later = {.start_after = WEFT_SECOND * 1000};
    weft_t *t = how == LATER ? weft_spawn_opt(&later, note_run, v)
                             : weft_spawn(how == SCHEDULED ? note_run : sleep_then_run, v);
    CHECK_INT(weft_link(t, note_link, v), 0);
    if (how == RUNNING)
        wt_until_waiting(t, WF_WAIT_SLEEP);
    return t;
}

static void kill_in_every_way(enum start how, bool block, bool all)
{
    struct victim v = {.ran = 0};
    weft_t *t = start(how, &v);
    CHECK(weft_ref(t) == t);
    for (int i = 0; i < 2; i++) { /* a second time does not hurt */
        if (block)
            CHECK_INT(i > 0 ? 0 : all ? weft_killall_join(&t, 1, WEFT_NEVER) : weft_kill_join(t, NULL, WEFT_NEVER), 0);
        else
            CHECK_INT(all ? weft_killall(&t, 1) : weft_kill(t), 0);
    }
    if (!block)
        CHECK_INT(weft_join(t, NULL), 0);
    CHECK_INT(weft_ready(t), 1);
    CHECK_INT(weft_state(t), WEFT_STATE_ENDED);
    CHECK_INT(weft_error(t), 0);
    CHECK_INT(weft_kill(t), 0); /* of one that has ended */
    CHECK_INT(weft_event_wait(&v.linked), 0);
    CHECK_INT(wf_load_relaxed(&v.links), 1);   /* relaxed: the event ordered it */
    if (how != SCHEDULED || wt_workers() == 1) /* over several another may have been faster than the kill */
        CHECK_INT(wf_load_relaxed(&v.ran), 0); /* relaxed: it has ended */
    CHECK_INT(weft_unref(t), 0);
}

static void *kill_matrix(void *arg)
{
    (void)arg;
    for (int how = SCHEDULED; how <= RUNNING; how++)
        for (int way = 0; way < 4; way++)
            kill_in_every_way(how, way & 1, way & 2);
    return NULL;
}

WT_CASE(test_kill_blocking_or_not_one_or_all_before_and_while_it_runs, kill_matrix)

static void *return_arg(void *arg)
{
    return arg;
}

static void *killall_ended(void *arg)
{
    (void)arg;
    weft_t *ts[] = {weft_spawn(return_arg, NULL), weft_spawn(return_arg, NULL)};
    CHECK_INT(weft_joinall_some(ts, 2, 2, 0, NULL, WEFT_NEVER), 2);
    CHECK_INT(weft_killall(ts, 2), 0);
    CHECK_INT(weft_killall_join(ts, 2, WEFT_NEVER), 0);
    CHECK_INT(weft_killall(NULL, 0), 0);
    return NULL;
}

WT_CASE(test_killall_of_those_that_have_ended, killall_ended)

/* A detached one has no handle, but it may be told of by itself. */
static void *tell_and_sleep(void *arg)
{
    weft_t *self = weft_self();
    CHECK_INT(weft_chan_send(arg, &self), 0);
    CHECK_INT(weft_sleep(WEFT_NEVER), -ECANCELED);
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_chan_send(arg, &self), 0);
    CHECK_INT(weft_shield_end(), 0);
    return NULL;
}

static void *killall_raw(void *arg)
{
    weft_t *t = NULL;
    (void)arg;
    weft_chan *channel = weft_chan_new(sizeof t, 0);
    CHECK_INT(weft_go(tell_and_sleep, channel), 0);
    CHECK_INT(weft_chan_recv(channel, &t), 0);
    CHECK_INT(weft_killall(&t, 1), 0);
    CHECK_INT(weft_chan_recv(channel, &t), 0);
    weft_chan_free(channel);
    return NULL;
}

WT_CASE(test_killall_raw, killall_raw)

/* ---- sets ---- */

static void *sleep_until_killed(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)weft_sleep(WEFT_NEVER);
}

static void *sleep_for(void *arg)
{
    return (void *)(intptr_t)weft_sleep((intptr_t)arg);
}

static void *wait_all(void *arg)
{
    (void)arg;
    weft_t *ts[] = {weft_spawn(sleep_for, (void *)(intptr_t)WEFT_MILLISECOND),
                    weft_spawn(sleep_for, (void *)(intptr_t)(2 * WEFT_MILLISECOND))};
    CHECK_INT(weft_joinall_some(ts, 2, 2, WEFT_JOIN_FIRST_ERROR, NULL, WEFT_NEVER), 2);
    CHECK_INT(weft_joinall(ts, 2), 0);
    return NULL;
}

WT_CASE(test_group_waitall, wait_all)

static void *kill_group(void *arg)
{
    (void)arg;
    weft_t *ts[] = {weft_spawn(sleep_until_killed, NULL), weft_spawn(sleep_until_killed, NULL)};
    CHECK_INT(weft_killall_join(ts, 2, WEFT_NEVER), 0); /* block */
    weft_t *others[] = {weft_spawn(sleep_until_killed, NULL), weft_spawn(sleep_until_killed, NULL)};
    CHECK_INT(weft_killall(others, 2), 0); /* no block: they end in their time */
    CHECK_INT(weft_joinall(others, 2), 0);
    return NULL;
}

WT_CASE(test_group_kill_blocking_or_not, kill_group)

/* One that does not die: in weft a kill stays, so each blocking call ends with it until the body returns. It is counted
 * here how often, and that a second kill adds nothing. */
struct undead {
    _Atomic(int) shots;
    weft_event let_go;
};

static void *undead(void *arg)
{
    struct undead *u = arg;
    CHECK_INT(weft_sleep(WEFT_NEVER), -ECANCELED);
    wf_fetch_add_relaxed(&u->shots, 1); /* relaxed: polled */
    CHECK_INT(weft_shield_begin(), 0);
    CHECK_INT(weft_event_wait(&u->let_go), 0);
    CHECK_INT(weft_shield_end(), 0);
    return NULL;
}

static bool is_shot(void *arg)
{
    return wf_load_relaxed(&((struct undead *)arg)->shots) == 1; /* relaxed: polled */
}

static void *kill_fires_once(void *arg)
{
    struct undead us[2] = {{.shots = 0}, {.shots = 0}};
    weft_timeout timeout;
    (void)arg;
    weft_t *ts[] = {weft_spawn(undead, &us[0]), weft_spawn(undead, &us[1])};
    wt_until_waiting(ts[0], WF_WAIT_SLEEP);
    wt_until_waiting(ts[1], WF_WAIT_SLEEP);
    CHECK_INT(weft_kill(ts[0]), 0);
    wt_until(is_shot, &us[0]);
    CHECK_INT(weft_kill(ts[0]), 0);
    CHECK_INT(weft_kill_join(ts[0], NULL, 0), -ETIMEDOUT);
    CHECK_INT(wf_load_relaxed(&us[1].shots), 0); /* relaxed: nobody has killed it */
    for (int i = 0; i < 3; i++)
        CHECK_INT(weft_killall(ts, 2), 0);
    wt_until(is_shot, &us[1]);
    CHECK_INT(weft_timeout_start(&timeout, WEFT_MILLISECOND), 0);
    CHECK_INT(weft_killall_join(ts, 2, WEFT_NEVER), -ETIMEDOUT);
    CHECK_INT(weft_timeout_stop(&timeout), 0);
    CHECK_INT(weft_timeout_fired(&timeout), 1);
    CHECK(is_shot(&us[0]) && is_shot(&us[1]));
    CHECK_INT(weft_event_set(&us[0].let_go), 0);
    CHECK_INT(weft_event_set(&us[1].let_go), 0);
    CHECK_INT(weft_joinall(ts, 2), 0);
    return NULL;
}

WT_CASE(test_group_kill_fires_once, kill_fires_once)

/* killall with a timeout: those that have not started are dead at once, those that clean up for long are not. */
static void *killall_timeout(void *arg)
{
    struct undead u = {.shots = 0};
    weft_spawn_options later = {.start_after = WEFT_SECOND * 1000};
    (void)arg;
    weft_t *unstarted[] = {weft_spawn_opt(&later, undead, &u), weft_spawn_opt(&later, undead, &u)};
    CHECK_INT(weft_killall_join(unstarted, 2, weft_after(WEFT_SECOND * 1000)), 0);
    weft_t *t = weft_spawn(undead, &u);
    wt_until_waiting(t, WF_WAIT_SLEEP);
    CHECK_INT(weft_killall_join(&t, 1, weft_after(WEFT_MILLISECOND)), -ETIMEDOUT);
    CHECK_INT(weft_ready(t), 0);
    CHECK_INT(weft_event_set(&u.let_go), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

WT_CASE(test_killall_timeout_started_and_not, killall_timeout)

/* One of the set has failed already, or does so while it is killed. */
static void *fail_at_once(void *arg)
{
    (void)arg;
    CHECK_INT(weft_set_error(-EDOM), 0);
    return NULL;
}

static void *killall_with_failed(void *arg)
{
    (void)arg;
    weft_t *ts[] = {weft_spawn(fail_at_once, NULL), weft_spawn(sleep_until_killed, NULL)};
    CHECK_INT(weft_killall_join(ts, 2, WEFT_NEVER), 0);
    return NULL;
}

WT_CASE(test_killall_with_one_that_fails, killall_with_failed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_blocking_or_not_one_or_all_before_and_while_it_runs),
        cmocka_unit_test(test_killall_of_those_that_have_ended),
        cmocka_unit_test(test_killall_raw),
        cmocka_unit_test(test_group_waitall),
        cmocka_unit_test(test_group_kill_blocking_or_not),
        cmocka_unit_test(test_group_kill_fires_once),
        cmocka_unit_test(test_killall_timeout_started_and_not),
        cmocka_unit_test(test_killall_with_one_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
