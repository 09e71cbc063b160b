/* The configuration: defaults, what the environment may say and what not, what a program may write, and how it is printed. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "runtime.h"
#include "sched/config.h"

static const char *const variables[] = {
    "WEFT_THREADS",      "WEFT_STACK_SIZE",      "WEFT_IO",         "WEFT_PIN",         "WEFT_SPIN_US",
    "WEFT_RING_ENTRIES", "WEFT_OFFLOAD_THREADS", "WEFT_MONITOR_MS", "WEFT_STACK_GUARD", "WEFT_LOG",
    "WEFT_PRINT_CONFIG", "WEFT_DUMP_SIGNAL",     "WEFT_DEADLOCK",
};

enum { VARIABLES = sizeof(variables) / sizeof(variables[0]) };

static int clear_environment(void **state)
{
    (void)state;
    for (int i = 0; i < VARIABLES; i++)
        unsetenv(variables[i]);
    return 0;
}

/* One variable set, all others not. Returns the result; `complaint` what was said on stderr, or NULL not to have it. */
static int parse_one(const char *variable, const char *value, weft_config *config, char **complaint)
{
    wt_capture capture;
    setenv(variable, value, 1);
    wt_capture_begin(&capture);
    int result = weft_config_from_env(config);
    char *text = wt_capture_end(&capture);
    unsetenv(variable);
    if (complaint != NULL)
        *complaint = text;
    else
        free(text);
    return result;
}

static void test_config_default_is_as_documented(void **state)
{
    (void)state;
    weft_config config;
    memset(&config, 0xff, sizeof(config));
    assert_int_equal(weft_config_default(&config), 0);
    assert_int_equal(config.threads, 0);
    assert_int_equal(config.stack_size, 256 << 10);
    assert_int_equal(config.io, WEFT_IO_AUTO);
    assert_int_equal(config.pin, WEFT_PIN_NONE);
    assert_int_equal(config.spin_us, 50);
    assert_int_equal(config.ring_entries, 256);
    assert_int_equal(config.offload_threads, 64);
    assert_int_equal(config.monitor_ms, 10);
    assert_int_equal(config.stack_guard, WEFT_GUARD_AUTO);
    assert_int_equal(config.log, WEFT_LOG_OFF);
    assert_false(config.print_config);
    assert_int_equal(config.dump_signal, 0);
    assert_int_equal(config.deadlock, WEFT_DEADLOCK_ERROR);
    assert_int_equal(wf_config_check(&config), 0);
}

static void test_config_null_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weft_config_default(NULL), -EINVAL);
    assert_int_equal(weft_config_from_env(NULL), -EINVAL);
}

static void test_config_from_env_with_nothing_set_is_the_default(void **state)
{
    (void)state;
    weft_config usual, config;
    assert_int_equal(weft_config_default(&usual), 0);
    assert_int_equal(weft_config_from_env(&config), 0);
    assert_memory_equal(&config, &usual, sizeof(config));
}

static void test_config_each_variable_sets_its_field(void **state)
{
    (void)state;
    weft_config config;
    assert_int_equal(parse_one("WEFT_THREADS", "1024", &config, NULL), 0);
    assert_int_equal(config.threads, 1024);
    assert_int_equal(parse_one("WEFT_STACK_SIZE", "16384", &config, NULL), 0);
    assert_int_equal(config.stack_size, 16384);
    assert_int_equal(parse_one("WEFT_STACK_SIZE", "64K", &config, NULL), 0);
    assert_int_equal(config.stack_size, 64 << 10);
    assert_int_equal(parse_one("WEFT_STACK_SIZE", "8M", &config, NULL), 0);
    assert_int_equal(config.stack_size, 8 << 20);
    assert_int_equal(parse_one("WEFT_IO", "epoll", &config, NULL), 0);
    assert_int_equal(config.io, WEFT_IO_EPOLL);
    assert_int_equal(parse_one("WEFT_PIN", "core", &config, NULL), 0);
    assert_int_equal(config.pin, WEFT_PIN_CORE);
    assert_int_equal(parse_one("WEFT_SPIN_US", "0", &config, NULL), 0);
    assert_int_equal(config.spin_us, 0);
    assert_int_equal(parse_one("WEFT_RING_ENTRIES", "32768", &config, NULL), 0);
    assert_int_equal(config.ring_entries, 32768);
    assert_int_equal(parse_one("WEFT_OFFLOAD_THREADS", "4096", &config, NULL), 0);
    assert_int_equal(config.offload_threads, 4096);
    assert_int_equal(parse_one("WEFT_MONITOR_MS", "0", &config, NULL), 0);
    assert_int_equal(config.monitor_ms, 0);
    assert_int_equal(parse_one("WEFT_STACK_GUARD", "mprotect", &config, NULL), 0);
    assert_int_equal(config.stack_guard, WEFT_GUARD_MPROTECT);
    assert_int_equal(parse_one("WEFT_LOG", "debug", &config, NULL), 0);
    assert_int_equal(config.log, WEFT_LOG_DEBUG);
    assert_int_equal(parse_one("WEFT_DEADLOCK", "report", &config, NULL), 0);
    assert_int_equal(config.deadlock, WEFT_DEADLOCK_REPORT);
    assert_int_equal(parse_one("WEFT_DEADLOCK", "off", &config, NULL), 0);
    assert_int_equal(config.deadlock, WEFT_DEADLOCK_OFF);
    assert_int_equal(parse_one("WEFT_PRINT_CONFIG", "1", &config, NULL), 0);
    assert_true(config.print_config);
}

static void test_config_dump_signal_is_a_name_or_a_number(void **state)
{
    (void)state;
    weft_config config;
    assert_int_equal(parse_one("WEFT_DUMP_SIGNAL", "USR1", &config, NULL), 0);
    assert_int_equal(config.dump_signal, SIGUSR1);
    assert_int_equal(parse_one("WEFT_DUMP_SIGNAL", "SIGUSR2", &config, NULL), 0);
    assert_int_equal(config.dump_signal, SIGUSR2);
    assert_int_equal(parse_one("WEFT_DUMP_SIGNAL", "12", &config, NULL), 0);
    assert_int_equal(config.dump_signal, 12);
    assert_int_equal(parse_one("WEFT_DUMP_SIGNAL", "0", &config, NULL), 0);
    assert_int_equal(config.dump_signal, 0);
}

/* Each of these is a mistake. */
static const struct {
    const char *variable;
    const char *value;
} mistakes[] = {
    {"WEFT_THREADS", ""},
    {"WEFT_THREADS", "0"},
    {"WEFT_THREADS", "1025"},
    {"WEFT_THREADS", "-1"},
    {"WEFT_THREADS", "+1"},
    {"WEFT_THREADS", " 1"},
    {"WEFT_THREADS", "1 "},
    {"WEFT_THREADS", "0x10"},
    {"WEFT_THREADS", "4K"},
    {"WEFT_THREADS", "abc"},
    {"WEFT_THREADS", "2.5"},
    {"WEFT_THREADS", "99999999999999999999"},
    {"WEFT_STACK_SIZE", ""},
    {"WEFT_STACK_SIZE", "K"},
    {"WEFT_STACK_SIZE", "16383"},
    {"WEFT_STACK_SIZE", "9M"},
    {"WEFT_STACK_SIZE", "64KB"},
    {"WEFT_STACK_SIZE", "1G"},
    {"WEFT_STACK_SIZE", "64 K"},
    {"WEFT_STACK_SIZE", "-64K"},
    {"WEFT_STACK_SIZE", "9223372036854775807M"},
    {"WEFT_IO", ""},
    {"WEFT_IO", "URING"},
    {"WEFT_IO", "io_uring"},
    {"WEFT_PIN", "cores"},
    {"WEFT_SPIN_US", "10001"},
    {"WEFT_RING_ENTRIES", "0"},
    {"WEFT_RING_ENTRIES", "4"},
    {"WEFT_RING_ENTRIES", "100"},
    {"WEFT_RING_ENTRIES", "65536"},
    {"WEFT_OFFLOAD_THREADS", "0"},
    {"WEFT_MONITOR_MS", "60001"},
    {"WEFT_STACK_GUARD", "yes"},
    {"WEFT_LOG", "3"},
    {"WEFT_DEADLOCK", "1"},
    {"WEFT_PRINT_CONFIG", "yes"},
    {"WEFT_PRINT_CONFIG", "2"},
    {"WEFT_DUMP_SIGNAL", "9"},
    {"WEFT_DUMP_SIGNAL", "KILL"},
    {"WEFT_DUMP_SIGNAL", "SIGSEGV"},
    {"WEFT_DUMP_SIGNAL", "SIG"},
    {"WEFT_DUMP_SIGNAL", "32"},
    {"WEFT_DUMP_SIGNAL", "1000"},
};

static void test_config_a_mistake_is_described_and_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        weft_config config;
        char *complaint, start[128];
        int result = parse_one(mistakes[i].variable, mistakes[i].value, &config, &complaint);
        snprintf(start, sizeof(start), "weft: %s=%s is not ", mistakes[i].variable, mistakes[i].value);
        if (result != -EINVAL || strncmp(complaint, start, strlen(start)) != 0)
            fail_msg("%s=%s gave %d and \"%s\"", mistakes[i].variable, mistakes[i].value, result, complaint);
        assert_non_null(strstr(complaint, "(expected "));
        assert_ptr_equal(strchr(complaint, '\n'), complaint + strlen(complaint) - 1);
        free(complaint);
    }
}

static void test_config_the_complaint_names_the_range_and_the_way_out(void **state)
{
    (void)state;
    weft_config config;
    char *complaint;
    assert_int_equal(parse_one("WEFT_THREADS", "abc", &config, &complaint), -EINVAL);
    assert_string_equal(
        complaint,
        "weft: WEFT_THREADS=abc is not a number of workers (expected 1 to 1024, or unset for one per CPU)\n");
    free(complaint);
}

static void test_config_all_mistakes_are_reported(void **state)
{
    (void)state;
    weft_config config;
    wt_capture capture;
    setenv("WEFT_THREADS", "many", 1);
    setenv("WEFT_PIN", "core", 1);
    setenv("WEFT_IO", "kqueue", 1);
    setenv("WEFT_SPIN_US", "-5", 1);
    wt_capture_begin(&capture);
    int result = weft_config_from_env(&config);
    char *complaint = wt_capture_end(&capture);
    clear_environment(NULL);
    assert_int_equal(result, -EINVAL);
    assert_non_null(strstr(complaint, "WEFT_THREADS=many"));
    assert_non_null(strstr(complaint, "WEFT_IO=kqueue"));
    assert_non_null(strstr(complaint, "WEFT_SPIN_US=-5"));
    assert_null(strstr(complaint, "WEFT_PIN"));
    free(complaint);
}

static void test_config_a_hostile_value_stays_one_short_line(void **state)
{
    (void)state;
    weft_config config;
    char *complaint, value[4000];
    memset(value, '\n', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    assert_int_equal(parse_one("WEFT_LOG", value, &config, &complaint), -EINVAL);
    assert_ptr_equal(strchr(complaint, '\n'), complaint + strlen(complaint) - 1);
    assert_true(strlen(complaint) < 300);
    free(complaint);
}

static void test_config_errno_is_left_alone(void **state)
{
    (void)state;
    weft_config config;
    errno = 4711;
    assert_int_equal(weft_config_from_env(&config), 0);
    assert_int_equal(wf_config_check(&config), 0);
    assert_int_equal(errno, 4711);
}

/* What a program wrote by hand. */
static int check_captured(const weft_config *config, char **complaint)
{
    wt_capture capture;
    wt_capture_begin(&capture);
    int result = wf_config_check(config);
    *complaint = wt_capture_end(&capture);
    return result;
}

static void test_config_a_program_s_mistakes_are_described_and_refused(void **state)
{
    (void)state;
    weft_config config;
    char *complaint;
    weft_config_default(&config);
    config.threads = 1025;
    config.stack_size = SIZE_MAX;
    config.io = (enum weft_io)17;
    config.ring_entries = 100;
    config.dump_signal = SIGKILL;
    config.spin_us = UINT_MAX;
    assert_int_equal(check_captured(&config, &complaint), -EINVAL);
    assert_non_null(strstr(complaint,
                           "weft: weft_config.threads=1025 is not a number of workers (expected 1 to 1024, or 0 for "
                           "one per CPU)\n"));
    assert_non_null(strstr(complaint, "weft_config.stack_size="));
    assert_non_null(strstr(complaint, "weft_config.io=17 "));
    assert_non_null(strstr(complaint, "weft_config.ring_entries=100 "));
    assert_non_null(strstr(complaint, "weft_config.dump_signal=9 "));
    assert_non_null(strstr(complaint, "weft_config.spin_us=4294967295 "));
    assert_null(strstr(complaint, "monitor_ms"));
    free(complaint);
}

static void test_config_start_refuses_a_bad_one(void **state)
{
    (void)state;
    weft_config config;
    wt_capture capture;
    weft_config_default(&config);
    config.offload_threads = 0;
    wt_capture_begin(&capture);
    int result = weft_start(&config);
    char *complaint = wt_capture_end(&capture);
    assert_int_equal(result, -EINVAL);
    assert_non_null(strstr(complaint, "offload_threads=0"));
    free(complaint);
    weft_stats_info stats;
    assert_int_equal(weft_stats(&stats), -ESRCH);
}

/* ---- printing ---- */

static char *printed(const weft_config *config)
{
    int file = wt_memory_file();
    assert_int_equal(weft_config_print(config, file), 0);
    return wt_memory_file_text(file);
}

/* Is there a line that begins with these three words? */
static bool has_line(const char *text, const char *name, const char *value, const char *from)
{
    char expected[128];
    snprintf(expected, sizeof(expected), "\n%-16s %-16s %s\n", name, value, from);
    return strstr(text, expected) != NULL;
}

static void test_config_print_tells_where_each_value_is_from(void **state)
{
    (void)state;
    weft_config config;
    setenv("WEFT_STACK_SIZE", "65536", 1);
    setenv("WEFT_DUMP_SIGNAL", "USR1", 1);
    setenv("WEFT_SPIN_US", "7", 1);
    assert_int_equal(weft_config_from_env(&config), 0);
    clear_environment(NULL);
    config.monitor_ms = 3; /* the environment said nothing of it */
    config.spin_us = 8;    /* it said otherwise */
    char *text = printed(&config);
    assert_true(has_line(text, "threads", "auto", "default"));
    assert_true(has_line(text, "stack_size", "64K", "environment WEFT_STACK_SIZE"));
    assert_true(has_line(text, "spin_us", "8", "program"));
    assert_true(has_line(text, "monitor_ms", "3", "program"));
    assert_true(has_line(text, "dump_signal", "SIGUSR1", "environment WEFT_DUMP_SIGNAL"));
    assert_true(has_line(text, "log", "off", "default"));
    free(text);
}

static void test_config_print_calls_a_handmade_one_the_program_s(void **state)
{
    (void)state;
    weft_config config = {.threads = 3, .stack_size = 1 << 20};
    char *text = printed(&config);
    assert_true(has_line(text, "threads", "3", "program"));
    assert_true(has_line(text, "stack_size", "1M", "program"));
    assert_null(strstr(text, "default"));
    free(text);
}

static void test_config_print_reports_the_error_of_the_write(void **state)
{
    (void)state;
    weft_config config;
    weft_config_default(&config);
    assert_int_equal(weft_config_print(&config, -1), -EBADF);
}

static void test_config_print_of_null_without_a_runtime_fails(void **state)
{
    (void)state;
    assert_int_equal(weft_config_print(NULL, STDERR_FILENO), -ESRCH);
}

static void test_config_print_of_the_runtime_shows_what_auto_came_to(void **state)
{
    (void)state;
    weft_config config;
    weft_config_default(&config);
    assert_int_equal(weft_start(&config), 0);
    char *text = printed(NULL);
    assert_int_equal(weft_stop(WEFT_NEVER), 0);
    assert_null(strstr(text, "auto "));
    int chosen = 0;
    for (const char *at = text; (at = strstr(at, "(auto)")) != NULL; at++)
        chosen++;
    assert_int_equal(chosen, 3); /* threads, io, stack_guard */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_default_is_as_documented),
        cmocka_unit_test(test_config_null_is_refused),
        cmocka_unit_test(test_config_from_env_with_nothing_set_is_the_default),
        cmocka_unit_test(test_config_each_variable_sets_its_field),
        cmocka_unit_test(test_config_dump_signal_is_a_name_or_a_number),
        cmocka_unit_test(test_config_a_mistake_is_described_and_refused),
        cmocka_unit_test(test_config_the_complaint_names_the_range_and_the_way_out),
        cmocka_unit_test(test_config_all_mistakes_are_reported),
        cmocka_unit_test(test_config_a_hostile_value_stays_one_short_line),
        cmocka_unit_test(test_config_errno_is_left_alone),
        cmocka_unit_test(test_config_a_program_s_mistakes_are_described_and_refused),
        cmocka_unit_test(test_config_start_refuses_a_bad_one),
        cmocka_unit_test(test_config_print_tells_where_each_value_is_from),
        cmocka_unit_test(test_config_print_calls_a_handmade_one_the_program_s),
        cmocka_unit_test(test_config_print_reports_the_error_of_the_write),
        cmocka_unit_test(test_config_print_of_null_without_a_runtime_fails),
        cmocka_unit_test(test_config_print_of_the_runtime_shows_what_auto_came_to),
    };
    return cmocka_run_group_tests(tests, clear_environment, NULL);
}
