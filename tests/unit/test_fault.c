/* core/fault: who is named, who is called, and how the process dies. Each test in a child of its own. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/fault.h"
#include "core/stack.h"

static char output[8192]; /* what the child wrote to stderr */

static int status_of_child(void (*body)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL); /* a sanitizer may have handlers here */
        signal(SIGBUS, SIG_DFL);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t n;
    while ((n = read(ends[0], output + length, sizeof output - 1 - length)) > 0)
        length += (size_t)n;
    output[length] = 0;
    close(ends[0]);
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

static void expect_signal(int status, int number)
{
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
}

static void name_it(const void *address, char *buffer, size_t size)
{
    (void)address;
    snprintf(buffer, size, "17 \"digger\", entry 0x4711");
}

static wf_fault_stack alternate;

static void install(void)
{
    if (wf_fault_install(name_it) != 0 || wf_fault_thread_enter(&alternate) != 0)
        _exit(90);
}

/* ---- a coroutine that digs too deep; ucontext does for a switch ---- */

static ucontext_t main_context;
static ucontext_t digger_context;
static wf_stack *digger_stack;

__attribute__((noinline)) static int dig(volatile char *above, int depth)
{
    volatile char frame[512];
    frame[0] = above == NULL ? 0 : above[0];
    return depth == 0 ? 0 : dig(frame, depth - 1) + frame[0];
}

__attribute__((noinline)) static void digger(void)
{
    dig(NULL, 1 << 20);
    __asm__ volatile(""); /* not a tail call, which would leave no frame */
}

static void enter_digger(void (*body)(void))
{
    digger_stack = wf_stack_new(NULL, wf_stack_class(65536));
    getcontext(&digger_context);
    char *from = digger_stack->base + digger_stack->guard_size;
    digger_context.uc_stack.ss_sp = from;
    digger_context.uc_stack.ss_size = (size_t)(digger_stack->top - from);
    digger_context.uc_link = &main_context;
    makecontext(&digger_context, body, 0);
    swapcontext(&main_context, &digger_context);
}

static void overflow(void)
{
    install();
    enter_digger(digger);
}

static void test_fault_overflow_is_named_and_dies_by_sigsegv(void **state)
{
    (void)state;
    expect_signal(status_of_child(overflow), SIGSEGV);
    assert_non_null(
        strstr(output, "weft: stack overflow in coroutine 17 \"digger\", entry 0x4711: its stack of 65536 bytes"));
    assert_non_null(strstr(output, "(usable 49152) is exhausted at address 0x"));
    assert_non_null(strstr(
        output, "raise stack_size in weft_spawn_opt (or weft_gen_new_opt, weft_co_new_opt) or WEFT_STACK_SIZE\n"));
    assert_null(strstr(strstr(output, "weft:") + 1, "weft:")); /* said once */
}

static void test_fault_overflow_shows_what_recurs_and_how_it_began(void **state)
{
    (void)state;
    expect_signal(status_of_child(overflow), SIGSEGV);
    assert_non_null(strstr(output, "WEFT_STACK_SIZE\n    #0  dig"));
    assert_non_null(strstr(output, "\n    #11 dig"));
    const char *left_out = strstr(output, "\n    and ");
    assert_non_null(left_out);
    assert_non_null(strstr(left_out, " more, then\n    #"));
    const char *began = strstr(left_out, " digger+0x");
    assert_non_null(began);
    assert_non_null(strstr(began, " (test_fault)\n"));
}

static void overflow_unnamed(void)
{
    if (wf_fault_install(NULL) != 0 || wf_fault_thread_enter(&alternate) != 0)
        _exit(90);
    enter_digger(digger);
}

static void test_fault_overflow_without_describe_is_still_reported(void **state)
{
    (void)state;
    expect_signal(status_of_child(overflow_unnamed), SIGSEGV);
    assert_non_null(strstr(output, "stack overflow in coroutine (unknown)"));
}

static void poke_guard(void)
{
    install();
    wf_stack *stack = wf_stack_new(NULL, 4);
    *(volatile char *)(stack->base + 100) = 1;
}

static void test_fault_guard_hit_from_outside_is_not_called_an_overflow(void **state)
{
    (void)state;
    expect_signal(status_of_child(poke_guard), SIGSEGV);
    assert_null(strstr(output, "stack overflow"));
    assert_non_null(strstr(output, "weft: access to the stack guard of coroutine 17"));
    assert_non_null(strstr(output, "\n    #0  poke_guard+0x"));
}

/* ---- what is none of weft's business ---- */

static void wild_pointer(void)
{
    install();
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = 1;
}

static void test_fault_wild_pointer_dies_by_sigsegv_in_silence(void **state)
{
    (void)state;
    expect_signal(status_of_child(wild_pointer), SIGSEGV);
    assert_string_equal(output, "");
}

static void wild_pointer_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    wild_pointer();
}

static void test_fault_wild_pointer_kills_although_ignored(void **state)
{
    (void)state;
    expect_signal(status_of_child(wild_pointer_ignored), SIGSEGV);
    assert_string_equal(output, "");
}

static void past_end_of_file(void)
{
    install();
    FILE *file = tmpfile();
    char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
    (void)*(volatile char *)page;
}

static void test_fault_bus_error_dies_by_sigbus(void **state)
{
    (void)state;
    expect_signal(status_of_child(past_end_of_file), SIGBUS);
    assert_string_equal(output, "");
}

static void sent(void)
{
    install();
    kill(getpid(), SIGSEGV);
    _exit(1);
}

static void test_fault_signal_that_was_sent_kills(void **state)
{
    (void)state;
    expect_signal(status_of_child(sent), SIGSEGV);
    assert_string_equal(output, "");
}

static void sent_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    install();
    kill(getpid(), SIGSEGV);
    kill(getpid(), SIGSEGV);
    _exit(42);
}

static void test_fault_signal_that_was_sent_stays_ignored(void **state)
{
    (void)state;
    int status = status_of_child(sent_ignored);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

/* ---- previous handlers ---- */

static void *volatile expected_address;

static void previous_with_info(int number, siginfo_t *info, void *context)
{
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    bool right = number == SIGSEGV && info->si_addr == expected_address && context != NULL &&
                 sigismember(&mask, SIGUSR2) == 1 && sigismember(&mask, SIGSEGV) == 1;
    _exit(right ? 43 : 44);
}

static void wild_with_handler(void)
{
    struct sigaction action = {.sa_sigaction = previous_with_info, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGSEGV, &action, NULL);
    install();
    expected_address = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)expected_address = 1;
}

static void test_fault_previous_handler_gets_its_arguments_and_mask(void **state)
{
    (void)state;
    int status = status_of_child(wild_with_handler);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 43);
    assert_string_equal(output, "");
}

static void previous_that_mends(int number)
{
    (void)number;
    mprotect(expected_address, 4096, PROT_READ | PROT_WRITE);
}

static void wild_that_is_mended(void)
{
    signal(SIGSEGV, previous_that_mends);
    install();
    for (int i = 0; i < 3; i++) { /* our handler stays in place between them */
        expected_address = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *(volatile char *)expected_address = 1;
    }
    enter_digger(digger);
}

static void test_fault_overflow_goes_on_to_the_previous_handler(void **state)
{
    (void)state;
    /* It runs on the exhausted stack, as it would have without weft, so the kernel kills; what matters is that the pointers
     * before were mended and that the overflow was named. */
    expect_signal(status_of_child(wild_that_is_mended), SIGSEGV);
    assert_non_null(strstr(output, "weft: stack overflow in coroutine 17"));
}

static void reset_handler(int number)
{
    (void)number;
    static const char text[] = "once\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
}

static void wild_with_one_shot_handler(void)
{
    sigaction(SIGSEGV, &(struct sigaction){.sa_handler = reset_handler, .sa_flags = (int)SA_RESETHAND}, NULL);
    wild_pointer();
}

static void test_fault_one_shot_handler_is_called_once(void **state)
{
    (void)state;
    expect_signal(status_of_child(wild_with_one_shot_handler), SIGSEGV);
    assert_string_equal(output, "once\n");
}

/* ---- alternate stacks ---- */

static void test_fault_thread_enter_and_leave_restore_the_alternate_stack(void **state)
{
    (void)state;
    stack_t before;
    stack_t within;
    stack_t after;
    wf_fault_stack stack = {0};
    sigaltstack(NULL, &before);
    assert_int_equal(wf_fault_thread_enter(&stack), 0);
    sigaltstack(NULL, &within);
    assert_true(within.ss_size >= 32768);
    assert_int_equal(within.ss_flags, 0);
    wf_fault_thread_leave(&stack);
    wf_fault_thread_leave(&stack);
    sigaltstack(NULL, &after);
    assert_ptr_equal(before.ss_sp, after.ss_sp);
    assert_int_equal(before.ss_flags, after.ss_flags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_overflow_is_named_and_dies_by_sigsegv),
        cmocka_unit_test(test_fault_overflow_shows_what_recurs_and_how_it_began),
        cmocka_unit_test(test_fault_overflow_without_describe_is_still_reported),
        cmocka_unit_test(test_fault_guard_hit_from_outside_is_not_called_an_overflow),
        cmocka_unit_test(test_fault_wild_pointer_dies_by_sigsegv_in_silence),
        cmocka_unit_test(test_fault_wild_pointer_kills_although_ignored),
        cmocka_unit_test(test_fault_bus_error_dies_by_sigbus),
        cmocka_unit_test(test_fault_signal_that_was_sent_kills),
        cmocka_unit_test(test_fault_signal_that_was_sent_stays_ignored),
        cmocka_unit_test(test_fault_previous_handler_gets_its_arguments_and_mask),
        cmocka_unit_test(test_fault_overflow_goes_on_to_the_previous_handler),
        cmocka_unit_test(test_fault_one_shot_handler_is_called_once),
        cmocka_unit_test(test_fault_thread_enter_and_leave_restore_the_alternate_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
