/* Log lines: silent at first, filtered by level, to stderr or to the program's function; one short line each. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "runtime.h"
#include "sched/worker.h"

static enum weft_log_level last_level;
static char last_line[2048];
static int lines;

static void remember(enum weft_log_level level, const char *line)
{
    last_level = level;
    strncpy(last_line, line, sizeof(last_line) - 1);
    lines++;
    errno = 1234; /* must not reach the caller */
}

static int begin(void **state)
{
    (void)state;
    lines = 0;
    last_line[0] = '\0';
    weft_set_log(NULL);
    wf_log_set_level(WEFT_LOG_OFF);
    return 0;
}

static char *logged(enum weft_log_level level, const char *text)
{
    wt_capture capture;
    wt_capture_begin(&capture);
    wf_log(level, "%s", text);
    return wt_capture_end(&capture);
}

static void test_log_is_silent_at_first(void **state)
{
    (void)state;
    char *text = logged(WEFT_LOG_ERROR, "nobody wants to hear it");
    assert_string_equal(text, "");
    free(text);
}

static void test_log_writes_what_the_level_lets_through(void **state)
{
    (void)state;
    wf_log_set_level(WEFT_LOG_WARN);
    char *warning = logged(WEFT_LOG_WARN, "a warning");
    char *news = logged(WEFT_LOG_INFO, "news");
    assert_string_equal(warning, "weft: a warning\n");
    assert_string_equal(news, "");
    free(warning);
    free(news);
}

static void test_log_goes_to_the_program_s_function_with_warnings_on(void **state)
{
    (void)state;
    assert_int_equal(weft_set_log(remember), 0);
    errno = 4711;
    char *warning = logged(WEFT_LOG_WARN, "a warning");
    char *news = logged(WEFT_LOG_INFO, "news");
    assert_int_equal(lines, 1);
    assert_int_equal(last_level, WEFT_LOG_WARN);
    assert_string_equal(last_line, "a warning");
    assert_string_equal(warning, "");
    assert_string_equal(news, "");
    free(warning);
    free(news);
}

static void test_log_leaves_errno_alone(void **state)
{
    (void)state;
    weft_set_log(remember);
    errno = 4711;
    wf_log(WEFT_LOG_ERROR, "%d", 1);
    assert_int_equal(errno, 4711);
}

static void test_log_a_long_text_with_newlines_stays_one_line(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    text[5] = '\n';
    wf_log_set_level(WEFT_LOG_DEBUG);
    char *line = logged(WEFT_LOG_DEBUG, text);
    size_t length = strlen(line);
    assert_true(length <= 1024);
    assert_ptr_equal(strchr(line, '\n'), line + length - 1);
    assert_string_equal(line + length - strlen("x…\n"), "x…\n");
    free(line);
}

static void test_log_level_of_the_configuration_counts_while_the_runtime_runs(void **state)
{
    (void)state;
    weft_config config;
    assert_int_equal(weft_config_default(&config), 0);
    config.threads = 1;
    config.log = WEFT_LOG_ERROR;
    assert_int_equal(weft_start(&config), 0);
    char *text = logged(WEFT_LOG_ERROR, "an error");
    assert_int_equal(weft_stop(WEFT_NEVER), 0);
    assert_string_equal(text, "weft: an error\n");
    free(text);
}

static void test_log_a_complaint_is_written_whatever_the_level(void **state)
{
    (void)state;
    wt_capture capture;
    wt_capture_begin(&capture);
    wf_complain("%s %d", "number", 17);
    char *text = wt_capture_end(&capture);
    assert_string_equal(text, "weft: number 17\n");
    free(text);
}

static void test_log_die_says_why_and_aborts(void **state)
{
    (void)state;
    wt_capture capture;
    wt_capture_begin(&capture);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        wf_die("object %d is broken", 3);
    }
    int status = 0;
    pid_t ended = waitpid(child, &status, 0);
    char *text = wt_capture_end(&capture);
    assert_int_equal(ended, child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_string_equal(text, "weft: object 3 is broken\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_log_is_silent_at_first, begin),
        cmocka_unit_test_setup(test_log_writes_what_the_level_lets_through, begin),
        cmocka_unit_test_setup(test_log_goes_to_the_program_s_function_with_warnings_on, begin),
        cmocka_unit_test_setup(test_log_leaves_errno_alone, begin),
        cmocka_unit_test_setup(test_log_a_long_text_with_newlines_stays_one_line, begin),
        cmocka_unit_test_setup(test_log_level_of_the_configuration_counts_while_the_runtime_runs, begin),
        cmocka_unit_test_setup(test_log_a_complaint_is_written_whatever_the_level, begin),
        cmocka_unit_test_setup(test_log_die_says_why_and_aborts, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
