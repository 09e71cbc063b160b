/* What the system refuses, and what must not come back: no more guards, memory or descriptors; a stack that overflows; exit and
 * pthread_exit in a coroutine. Each in a child: the outcome is its exit status and what it said. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "core/stack.h"
#include "runtime.h"

enum { NOT_POSSIBLE = 77, FAILED = 1, CROWD = 100, SAID = 4000 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif
#else
static const bool sanitized = false;
#endif

/* In the child: leave with a number that the parent prints, unless this holds. */
#define NEED(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "child: line %d: %s\n", __LINE__, #condition); \
            _exit(FAILED); \
        } \
    } while (0)

static int start(unsigned workers, enum weft_guard guard)
{
    weft_config config;
    NEED(weft_config_from_env(&config) == 0);
    config.threads = workers;
    config.stack_guard = guard;
    config.log = WEFT_LOG_WARN;
    return weft_start(&config);
}

static void run_child(int (*fn)(void), char *said)
{
    int status = wt_in_child(fn, said, SAID);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_POSSIBLE) {
        print_message("%s\n", said);
        skip();
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with status %#x and said: %s", (unsigned)status, said);
}

/* ---- no more guards ---- */

static _Atomic(int) begun, ended;

/* Until the time at `arg`, or for a moment. */
static void *nap(void *arg)
{
    wf_fetch_add_relaxed(&begun, 1); /* relaxed, as all below: counters */
    if (weft_sleep_until(arg != NULL ? *(int64_t *)arg : weft_after(20 * WEFT_MILLISECOND)) == 0)
        wf_fetch_add_relaxed(&ended, 1);
    return NULL;
}

/* How many coroutines are more than there can be guards; 0 when that would be too many to try. */
static int too_many_for_guards(void)
{
    int most = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file == NULL || fscanf(file, "%d", &most) != 1 || most > 200000)
        most = 0;
    if (file != NULL)
        fclose(file);
    return most / 2 + most / 8;
}

static int exhaust_guards(void)
{
    int n = too_many_for_guards();
    if (n == 0) {
        fprintf(stderr, "vm.max_map_count is over 200000 or cannot be read");
        return NOT_POSSIBLE;
    }
    int64_t until = weft_after(2 * WEFT_SECOND);
    NEED(start(2, WEFT_GUARD_MPROTECT) == 0);
    for (int i = 0; i < n; i++)
        NEED(weft_go(nap, &until) == 0);
    NEED(weft_stop(WEFT_NEVER) == 0);
    NEED(wf_load_relaxed(&begun) == n && wf_load_relaxed(&ended) == n);
    NEED(wf_stack_live() == 0);
    NEED(start(1, WEFT_GUARD_AUTO) == 0);
    NEED(weft_stop(0) == 0);
    return 0;
}

static void test_faults_more_coroutines_than_guards_wait_for_their_turn(void **state)
{
    char said[SAID];
    (void)state;
    if (sanitized) {
        print_message("a sanitizer needs mappings of its own\n");
        skip();
    }
    run_child(exhaust_guards, said);
    assert_non_null(strstr(said, "vm.max_map_count")); /* else it was not enough */
}

/* ---- no more memory ---- */

/* From here on these system calls fail with ENOMEM in every thread. */
static int bar_memory(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0 ? 0 : -errno;
}

static int run_out_of_memory(void)
{
    enum { MORE = 5000 };
    weft_t *ts[CROWD];
    int spawned = 0;
    NEED(start(2, WEFT_GUARD_AUTO) == 0);
    for (int i = 0; i < CROWD; i++)
        NEED((ts[i] = weft_spawn(nap, NULL)) != NULL);
    while (wf_load_relaxed(&begun) < CROWD)
        sched_yield(); /* they have stacks, which the others then get */
    if (bar_memory() < 0) {
        fprintf(stderr, "cannot install a seccomp filter here");
        return NOT_POSSIBLE;
    }
    while (spawned < MORE && weft_go(nap, NULL) == 0)
        spawned++;
    NEED(spawned < MORE && spawned > 0);
    NEED(weft_go(nap, NULL) == -ENOMEM);
    NEED(weft_joinall(ts, CROWD) == 0);
    NEED(weft_stop(WEFT_NEVER) == 0);
    NEED(wf_load_relaxed(&ended) >= CROWD + spawned);
    return 0;
}

static void test_faults_without_memory_spawns_fail_and_others_go_on(void **state)
{
    char said[SAID];
    (void)state;
    if (sanitized) {
        print_message("a sanitizer needs memory of its own\n");
        skip();
    }
    run_child(run_out_of_memory, said);
}

/* ---- no more descriptors ---- */

static int start_with_few_descriptors(void)
{
    struct rlimit limit;
    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlim_t enough = limit.rlim_cur;
    limit.rlim_cur = 16;
    NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int before = dup(0);
    close(before);
    NEED(start(64, WEFT_GUARD_AUTO) == -EMFILE); /* the first workers got theirs */
    int after = dup(0);
    close(after);
    NEED(after == before); /* and gave them back */
    NEED(weft_stop(0) == -ESRCH);
    limit.rlim_cur = enough;
    NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    NEED(start(4, WEFT_GUARD_AUTO) == 0);
    NEED(weft_run(nap, NULL, NULL) == 0);
    NEED(weft_stop(WEFT_NEVER) == 0);
    return 0;
}

static void test_faults_descriptors_that_run_out_halfway_fail_the_start(void **state)
{
    char said[SAID];
    (void)state;
    run_child(start_with_few_descriptors, said);
    assert_non_null(strstr(said, "RLIMIT_NOFILE"));
}

/* ---- ends of the process ---- */

static weft_fn *fatal;

static void *sleep_long(void *arg)
{
    weft_sleep(1000 * WEFT_SECOND);
    return arg;
}

/* The fatal one among many that sleep. */
static int run_fatal(void)
{
    NEED(start(2, WEFT_GUARD_AUTO) == 0);
    for (int i = 0; i < CROWD; i++)
        NEED(weft_go(sleep_long, NULL) == 0);
    weft_run(fatal, NULL, NULL);
    return FAILED;
}

static int status_of(weft_fn *fn, char *said)
{
    fatal = fn;
    return wt_in_child(run_fatal, said, SAID);
}

static void say_goodbye(void)
{
    static const char text[] = "atexit ran";
    NEED(write(2, text, sizeof text - 1) > 0);
}

static void *exit_inside(void *arg)
{
    atexit(say_goodbye);
    exit(7);
    return arg;
}

static void test_faults_exit_in_a_coroutine_ends_the_process(void **state)
{
    char said[SAID];
    (void)state;
    int status = status_of(exit_inside, said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_non_null(strstr(said, "atexit ran"));
}

static void *exit_after_a_wait(void *arg)
{
    weft_sleep(WEFT_MILLISECOND);
    return exit_inside(arg);
}

static void test_faults_exit_after_a_wait_ends_the_process(void **state)
{
    char said[SAID];
    (void)state;
    int status = status_of(exit_after_a_wait, said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void *pthread_exit_inside(void *arg)
{
    weft_set_name("leaver");
    pthread_exit(arg);
    return arg;
}

static void test_faults_pthread_exit_in_a_coroutine_aborts_and_names_it(void **state)
{
    char said[SAID];
    (void)state;
    if (sanitized) {
        print_message("a sanitizer takes a thread that ends on a coroutine's stack for a mistake of its own kind\n");
        skip();
    }
    int status = status_of(pthread_exit_inside, said);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "pthread_exit"));
    assert_non_null(strstr(said, "leaver"));
}

static int __attribute__((noinline)) dig(int depth)
{
    char room[512];
    memset(room, depth, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
    return depth < 0 ? 0 : dig(depth + 1) + room[depth & 511];
}

static void *overflow_inside(void *arg)
{
    weft_set_name("digger");
    weft_sleep(WEFT_MILLISECOND);
    dig(0);
    return arg;
}

static void test_faults_stack_overflow_dies_by_sigsegv_and_names_the_coroutine(void **state)
{
    char said[SAID];
    (void)state;
    if (sanitized) {
        print_message("a sanitizer has a handler of its own\n");
        skip();
    }
    int status = status_of(overflow_inside, said);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_non_null(strstr(said, " \"digger\", entry overflow_inside (test_faults): its stack of "));
    assert_non_null(strstr(said, "\n    #0  dig"));
    assert_non_null(strstr(said, " overflow_inside+0x"));
    assert_non_null(strstr(said, " wf_coro_run+0x"));
}

static int return_while_they_sleep(void)
{
    fatal = exit_inside;
    NEED(start(2, WEFT_GUARD_AUTO) == 0);
    for (int i = 0; i < CROWD; i++)
        NEED(weft_go(sleep_long, NULL) == 0);
    exit(0);
}

static void test_faults_main_may_return_while_coroutines_live(void **state)
{
    char said[SAID];
    (void)state;
    run_child(return_while_they_sleep, said);
    assert_string_equal(said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_more_coroutines_than_guards_wait_for_their_turn),
        cmocka_unit_test(test_faults_without_memory_spawns_fail_and_others_go_on),
        cmocka_unit_test(test_faults_descriptors_that_run_out_halfway_fail_the_start),
        cmocka_unit_test(test_faults_exit_in_a_coroutine_ends_the_process),
        cmocka_unit_test(test_faults_exit_after_a_wait_ends_the_process),
        cmocka_unit_test(test_faults_pthread_exit_in_a_coroutine_aborts_and_names_it),
        cmocka_unit_test(test_faults_stack_overflow_dies_by_sigsegv_and_names_the_coroutine),
        cmocka_unit_test(test_faults_main_may_return_while_coroutines_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
