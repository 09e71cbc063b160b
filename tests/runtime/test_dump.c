/* weft_dump: names every coroutine, what it waits for, and where; while others run and change; and on a signal. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "runtime.h"
#include "sched/dump.h"

enum { BUSY = 40, DUMPS = 30 };

static char *dumped(void)
{
    int file = wt_memory_file();
    CHECK_INT(weft_dump(file), 0);
    return wt_memory_file_text(file);
}

/* The part of a dump that is about one coroutine: from its line to the next coroutine's. The caller frees it. */
static char *section_of(const char *dump, uint64_t id)
{
    char start[64], text[WF_CORO_ID_TEXT];
    snprintf(start, sizeof(start), "\ncoroutine %s ", wf_coro_format_id(id, text));
    const char *at = strstr(dump, start);
    if (at == NULL)
        return strdup("");
    const char *end = at + 1;
    do {
        end = strchr(end, '\n') + 1;
    } while (*end == ' ');
    return strndup(at + 1, (size_t)(end - at - 1));
}

static bool check_has(const char *text, const char *part)
{
    bool has = strstr(text, part) != NULL;
    if (!CHECK(has))
        fprintf(stderr, "\"%s\" is not in:\n%s\n", part, text);
    return has;
}

static void check_lacks(const char *text, const char *part)
{
    if (!CHECK(strstr(text, part) == NULL))
        fprintf(stderr, "\"%s\" is in:\n%s\n", part, text);
}

/* ---- ids ---- */

static void test_dump_an_id_is_block_and_generation(void **state)
{
    (void)state;
    char text[WF_CORO_ID_TEXT];
    assert_string_equal(wf_coro_format_id(UINT64_C(5) << 28 | 3, text), "3.5");
    assert_string_equal(wf_coro_format_id(0, text), "0.0");
    assert_string_equal(wf_coro_format_id(UINT64_MAX, text), "268435455.68719476735");
}

static void test_dump_without_a_runtime_fails(void **state)
{
    (void)state;
    assert_int_equal(weft_dump(STDERR_FILENO), -ESRCH);
}

/* ---- what they wait for ---- */

static weft_mutex mutex = WEFT_MUTEX_INIT;
static weft_event event = WEFT_EVENT_INIT;
static weft_chan *channel;
static weft_t *sleeper;

/* Named functions, deep enough for a backtrace that can be recognised. */
__attribute__((noinline)) static int wait_in_a_helper(void)
{
    int result = weft_event_wait(&event);
    __asm__ volatile(""); /* not a tail call, which would leave no frame */
    return result;
}

static void *wait_for_event(void *arg)
{
    CHECK_INT(wait_in_a_helper(), 0);
    return arg;
}

static void *wait_for_mutex(void *arg)
{
    CHECK_INT(weft_mutex_lock(&mutex), 0);
    CHECK_INT(weft_mutex_unlock(&mutex), 0);
    return arg;
}

static void *wait_for_channel(void *arg)
{
    int value;
    CHECK_INT(weft_chan_recv(channel, &value), 0);
    return arg;
}

static void *sleep_long(void *arg)
{
    CHECK_INT(weft_sleep(3600 * WEFT_SECOND), -ECANCELED);
    return arg;
}

static void *join_sleeper(void *arg)
{
    CHECK_INT(weft_join(sleeper, NULL), 0);
    return arg;
}

static weft_select_case nothing;

static void *select_nothing(void *arg)
{
    CHECK_INT(weft_select(&nothing, 1, WEFT_NEVER), -ECANCELED);
    return arg;
}

/* Spawn it, wait until it waits, and find in its section of a dump what is expected. */
static weft_t *spawn_and_find(weft_fn *fn, enum wf_wait_kind kind, const char *expected)
{
    weft_t *t = weft_spawn(fn, NULL);
    if (!CHECK(t != NULL))
        return NULL;
    wt_until_waiting(t, kind);
    char *dump = dumped();
    char *section = section_of(dump, weft_id(t));
    check_has(section, expected);
    check_has(section, " since ");
    check_has(section, " ms\n");
    check_has(section, "\n    #0 ");
    free(section);
    free(dump);
    return t;
}

static void *names_waits(void *arg)
{
    char expected[128], id[WF_CORO_ID_TEXT];
    int value = 17;
    (void)arg;
    channel = weft_chan_new(sizeof(value), 0);
    CHECK_INT(weft_event_clear(&event), 0);
    CHECK_INT(weft_mutex_lock(&mutex), 0);

    snprintf(expected, sizeof(expected), " waits for event %p since ", (void *)&event);
    weft_t *a = spawn_and_find(wait_for_event, WF_WAIT_EVENT, expected);
    snprintf(expected, sizeof(expected), " waits for mutex %p since ", (void *)&mutex);
    weft_t *b = spawn_and_find(wait_for_mutex, WF_WAIT_MUTEX, expected);
    snprintf(expected, sizeof(expected), " waits for an element of channel %p since ", (void *)channel);
    weft_t *c = spawn_and_find(wait_for_channel, WF_WAIT_CHAN_RECV, expected);
    sleeper = spawn_and_find(sleep_long, WF_WAIT_SLEEP, " waits for the end of a sleep since ");
    snprintf(expected, sizeof(expected), " waits for the end of coroutine %s since ",
             wf_coro_format_id(weft_id(sleeper), id));
    weft_t *d = spawn_and_find(join_sleeper, WF_WAIT_JOIN, expected);
    snprintf(expected, sizeof(expected), " waits for the first of the cases at %p since ", (void *)&nothing);
    weft_t *e = spawn_and_find(select_nothing, WF_WAIT_SELECT, expected);

    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_mutex_unlock(&mutex), 0);
    CHECK_INT(weft_chan_send(channel, &value), 0);
    CHECK_INT(weft_kill(sleeper), 0);
    CHECK_INT(weft_kill(e), 0);
    CHECK_INT(weft_joinall((weft_t *[]){a, b, c, d, e}, 5), 0);
    CHECK_INT(weft_chan_free(channel), 0);
    return NULL;
}

static void test_dump_names_what_coroutines_wait_for(void **state)
{
    (void)state;
    wt_over_workers(names_waits, NULL);
}

static void *names_functions(void *arg)
{
    (void)arg;
    weft_spawn_options options = {.name = "a \"reader\""};
    CHECK_INT(weft_event_clear(&event), 0);
    weft_t *t = weft_spawn_opt(&options, wait_for_event, NULL);
    wt_until_waiting(t, WF_WAIT_EVENT);
    char *dump = dumped();
    char *section = section_of(dump, weft_id(t));
    check_has(section, " \"a ?reader?\" waits for ");
    check_has(section, "\n    runs wait_for_event (test_dump), spawned at names_functions+0x");
    check_has(section, " wait_in_a_helper+0x");
    check_has(section, " wait_for_event+0x");
    check_has(section, " (test_dump)\n");
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    free(section);
    free(dump);
    return NULL;
}

static void test_dump_names_entry_spawn_site_and_frames(void **state)
{
    (void)state;
    wt_over_workers(names_functions, NULL);
}

/* ---- plain threads ---- */

/* The part of a dump that is about the thread of this name; "" when it is not there. The caller frees it. */
static char *thread_section(const char *dump, const char *name)
{
    char quoted[32];
    snprintf(quoted, sizeof(quoted), " \"%s\" ", name);
    const char *at = strstr(dump, quoted);
    if (at == NULL)
        return strdup("");
    while (at[-1] != '\n')
        at--;
    const char *end = at;
    do {
        end = strchr(end, '\n') + 1;
    } while (*end == ' ');
    return strndup(at, (size_t)(end - at));
}

struct waiter {
    weft_fn *wait;
    int fds[2];
};

static void *wait_on_thread(void *arg)
{
    struct waiter *w = arg;
    pthread_setname_np(pthread_self(), "my \"thread");
    void *result = w->wait(w);
    __asm__ volatile(""); /* not a tail call */
    return result;
}

static void *receive_byte(void *arg)
{
    struct waiter *w = arg;
    char byte;
    CHECK_INT(weft_recv(w->fds[0], &byte, 1, 0), 1);
    return NULL;
}

static bool shows_thread(void *arg)
{
    char *dump = dumped();
    char *section = thread_section(dump, "my ?thread");
    bool shown = strstr(section, arg) != NULL && strstr(section, "wait_on_thread+0x") != NULL;
    free(section);
    free(dump);
    return shown;
}

static void *names_threads(void *arg)
{
    (void)arg;
    struct waiter on_event = {.wait = wait_for_event};
    struct waiter on_socket = {.wait = receive_byte};
    char expected[64], id[WF_CORO_ID_TEXT];
    CHECK_INT(weft_event_clear(&event), 0);
    CHECK_INT(weft_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, on_socket.fds), 0);

    wt_thread *thread = wt_thread_start(wait_on_thread, &on_event);
    snprintf(expected, sizeof(expected), " waits for event %p since ", (void *)&event);
    wt_until(shows_thread, expected);
    CHECK_INT(weft_event_set(&event), 0);
    wt_thread_join(thread);
    CHECK(!shows_thread(expected));

    thread = wt_thread_start(wait_on_thread, &on_socket);
    snprintf(expected, sizeof(expected), " waits for I/O on descriptor %d since ", on_socket.fds[0]);
    wt_until(shows_thread, expected);
    char *dump = dumped();
    char *section = thread_section(dump, "test_dump"); /* it waits for this coroutine */
    snprintf(expected, sizeof(expected), " waits for the end of coroutine %s since ",
             wf_coro_format_id(weft_id(NULL), id));
    check_has(section, expected);
    check_has(section, " weft_run+0x");
    check_has(dump, " and 2 waiting threads in all\n");
    free(section);
    free(dump);
    CHECK_INT(weft_send(on_socket.fds[1], "x", 1, 0), 1);
    wt_thread_join(thread);
    CHECK_INT(weft_close(on_socket.fds[0]), 0);
    CHECK_INT(weft_close(on_socket.fds[1]), 0);
    return NULL;
}

static void test_dump_names_plain_threads_that_wait(void **state)
{
    (void)state;
    wt_over_workers(names_threads, NULL);
}

/* ---- the other states ---- */

static void *do_nothing(void *arg)
{
    return arg;
}

static void *names_states(void *arg)
{
    (void)arg;
    weft_spawn_options later = {.start_after = 3600 * WEFT_SECOND, .name = "later"};
    weft_t *ended = weft_spawn(do_nothing, NULL);
    weft_t *delayed = weft_spawn_opt(&later, do_nothing, NULL);
    while (weft_ready(ended) == 0)
        weft_yield();
    weft_t *new = weft_spawn(do_nothing, NULL); /* one worker, so it has not started */
    char *dump = dumped();
    char *section = section_of(dump, weft_id(NULL));
    check_has(section, " is running\n    runs names_states ");
    check_lacks(section, "#0");
    free(section);
    section = section_of(dump, weft_id(ended));
    check_has(section, " has ended\n");
    free(section);
    section = section_of(dump, weft_id(delayed));
    check_has(section, " \"later\" waits for the end of a sleep since ");
    check_lacks(section, "#0");
    free(section);
    section = section_of(dump, weft_id(new));
    check_has(section, " has not started\n");
    free(section);
    check_has(dump, "weft: 1 workers, event source ");
    free(dump);
    CHECK_INT(weft_kill(delayed), 0);
    CHECK_INT(weft_joinall((weft_t *[]){ended, delayed, new}, 3), 0);
    return NULL;
}

static void test_dump_names_running_ended_delayed_and_new_ones(void **state)
{
    (void)state;
    wt_run(1, names_states, NULL);
}

/* ---- while everything moves ---- */

static _Atomic(bool) enough;

/* Spawns, sleeps, waits, names itself and ends, at different depths. */
static int recurse(int depth)
{
    if (depth > 0)
        return recurse(depth - 1) + 1;
    return depth % 3 == 0 ? weft_sleep(0) : weft_yield();
}

static void *short_life(void *arg)
{
    CHECK_INT(weft_set_name("short"), 0);
    CHECK_INT(recurse((int)(intptr_t)arg % 40), (int)(intptr_t)arg % 40);
    return NULL;
}

static void *keep_busy(void *arg)
{
    while (!wf_load_relaxed(&enough)) { /* relaxed: only ends the loop */
        weft_t *t = weft_spawn(short_life, arg);
        recurse(7);
        CHECK_INT(weft_join(t, NULL), 0);
    }
    return NULL;
}

static void *dump_all_the_time(void *arg)
{
    (void)arg;
    for (int i = 0; i < wt_scaled(DUMPS); i++) {
        char *dump = dumped();
        check_has(dump, "weft: ");
        free(dump);
    }
    return NULL;
}

static void *busy(void *arg)
{
    weft_t *ts[BUSY];
    (void)arg;
    wf_store_relaxed(&enough, false); /* relaxed: the spawns publish it */
    for (intptr_t i = 0; i < BUSY; i++)
        CHECK((ts[i] = weft_spawn(keep_busy, (void *)i)) != NULL);
    wt_thread *thread = wt_thread_start(dump_all_the_time, NULL);
    dump_all_the_time(NULL);
    wt_thread_join(thread);
    wf_store_relaxed(&enough, true); /* relaxed: only ends the loops */
    CHECK_INT(weft_joinall(ts, BUSY), 0);
    return NULL;
}

static void test_dump_runs_beside_busy_workers(void **state)
{
    (void)state;
    wt_over_workers(busy, NULL);
}

static void *bad_descriptor(void *arg)
{
    (void)arg;
    errno = 4711;
    CHECK_INT(weft_dump(-1), -EBADF);
    CHECK_INT(errno, 4711);
    return NULL;
}

static void test_dump_reports_the_error_of_the_write(void **state)
{
    (void)state;
    wt_run(1, bad_descriptor, NULL);
}

/* ---- the signal ---- */

static bool has_text(void *arg)
{
    char text[4096];
    ssize_t length = pread(*(int *)arg, text, sizeof(text) - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return strstr(text, " in all\n") != NULL;
}

static void signal_and_wait(wt_capture *capture)
{
    CHECK_INT(kill(getpid(), SIGUSR2), 0);
    wt_until(has_text, &capture->file);
}

static void test_dump_comes_to_stderr_on_the_configured_signal(void **state)
{
    (void)state;
    weft_config config;
    wt_capture capture;
    struct sigaction after;
    CHECK_INT(weft_config_default(&config), 0);
    config.threads = 2;
    config.dump_signal = SIGUSR2;
    for (int i = 0; i < 3; i++) {
        wt_capture_begin(&capture);
        CHECK_INT(weft_start(&config), 0);
        signal_and_wait(&capture);
        CHECK_INT(weft_stop(WEFT_NEVER), 0);
        char *text = wt_capture_end(&capture);
        check_has(text, "weft: 2 workers, event source ");
        free(text);
    }
    CHECK_INT(sigaction(SIGUSR2, NULL, &after), 0);
    CHECK(after.sa_handler == SIG_DFL);
    wt_finish();
}

/* ---- faults ---- */

static void *name_myself(void *arg)
{
    char text[200], expected[128], id[WF_CORO_ID_TEXT];
    (void)arg;
    CHECK_INT(weft_set_name("deep"), 0);
    wf_dump_fault(__builtin_frame_address(0), text, sizeof(text));
    snprintf(expected, sizeof(expected), "%s \"deep\", entry name_myself (test_dump)",
             wf_coro_format_id(weft_id(NULL), id));
    check_has(text, expected);
    wf_dump_fault(__builtin_frame_address(0), text, 5);
    CHECK(strlen(text) == 4);
    return NULL;
}

static void test_dump_names_the_owner_of_a_stack(void **state)
{
    (void)state;
    wt_over_workers(name_myself, NULL);
}

/* ---- bodies of generators ---- */

static void *wait_in_body(void *arg)
{
    CHECK_INT(wait_in_a_helper(), 0);
    weft_gen_yield(arg);
    return NULL;
}

static void *ask_body(void *arg)
{
    weft_gen *g = weft_gen_new(wait_in_body, arg);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_free(g), 0);
    return NULL;
}

static void *shows_callers_of_bodies(void *arg)
{
    (void)arg;
    CHECK_INT(weft_event_clear(&event), 0);
    weft_t *t = weft_spawn(ask_body, NULL);
    wt_until_waiting(t, WF_WAIT_EVENT);
    char *dump = dumped();
    char *section = section_of(dump, weft_id(t));
    char *frames = strstr(section, "\n    #0 ");
    if (CHECK(frames != NULL)) {
        check_has(frames, "wait_in_a_helper");
        check_has(frames, "wait_in_body");
        check_has(frames, "ask_body"); /* on the other stack */
        check_has(frames, "wf_coro_run");
    }
    free(section);
    free(dump);
    CHECK_INT(weft_event_set(&event), 0);
    CHECK_INT(weft_join(t, NULL), 0);
    return NULL;
}

static void test_dump_goes_on_from_a_body_to_who_resumed_it(void **state)
{
    (void)state;
    wt_over_workers(shows_callers_of_bodies, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dump_an_id_is_block_and_generation),
        cmocka_unit_test(test_dump_without_a_runtime_fails),
        cmocka_unit_test(test_dump_names_what_coroutines_wait_for),
        cmocka_unit_test(test_dump_names_entry_spawn_site_and_frames),
        cmocka_unit_test(test_dump_names_plain_threads_that_wait),
        cmocka_unit_test(test_dump_names_running_ended_delayed_and_new_ones),
        cmocka_unit_test(test_dump_runs_beside_busy_workers),
        cmocka_unit_test(test_dump_reports_the_error_of_the_write),
        cmocka_unit_test(test_dump_comes_to_stderr_on_the_configured_signal),
        cmocka_unit_test(test_dump_names_the_owner_of_a_stack),
        cmocka_unit_test(test_dump_goes_on_from_a_body_to_who_resumed_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
