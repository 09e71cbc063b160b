/* What an emulated processor without a kernel of its own (qemu-user), over a made-up event source, cannot show: those tests are
 * skipped there, with the reason.
 *
 * Linked into each test program when cross-compiling, in place of cmocka's own start (--wrap). The list stands here and not in
 * the tests, because nothing in them depends on the emulator.
 */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct unsupported {
    const char *tests; /* names, with wildcards */
    const char *why;
} unsupported;

static const unsupported list[] = {
    {"test_peek_*", "qemu-user has no process_vm_readv"},
    {"test_dump_names_what_coroutines_wait_for", "qemu-user has no process_vm_readv, so a dump has no frames"},
    {"test_dump_names_entry_spawn_site_and_frames", "qemu-user has no process_vm_readv, so a dump has no frames"},
    {"test_dump_names_plain_threads_that_wait", "qemu-user has no process_vm_readv, so a dump has no frames"},
    {"test_dump_names_running_ended_delayed_and_new_ones", "qemu-user has no process_vm_readv, so a dump has no names"},
    {"test_dump_names_the_owner_of_a_stack", "qemu-user has no process_vm_readv, so the owner is not found"},
    {"test_faults_stack_overflow_dies_by_sigsegv_*", "qemu-user has no process_vm_readv, so the owner is not found"},
    {"test_faults_pthread_exit_in_a_coroutine_*", "qemu-user has no process_vm_readv, so the owner is not found"},
    {"test_faults_descriptors_that_run_out_halfway_*", "the made-up event source opens no descriptor"},
    {"test_faults_more_coroutines_than_guards_*", "under emulation the first ones end before the last ones begin"},
    {"test_monitor_names_the_culprit_once", "under emulation others run for as long as the culprit"},
    {"test_monitor_tells_who_blocks_*", "qemu-user has no process_vm_readv, so the culprit has no name"},
    {"test_idle_process_of_readers_does_not_wake", "the made-up event source has no descriptors"},
    {"test_allocations_that_fail_*", "the made-up event source has no descriptors"},
    {"test_allocations_are_not_needed_*", "the made-up event source has no descriptors"},
    {"test_fork_*", "the made-up event source has no descriptors"},
    {"test_log_die_says_why_and_aborts", "qemu-user adds a message of its own"},
    {"test_stack_short_address_space_*", "qemu-user ignores RLIMIT_AS"},
    {"test_generator_without_a_stack_*", "qemu-user ignores RLIMIT_AS"},
    {"test_generator_overflow_names_the_body", "qemu-user has no process_vm_readv, so the owner is not found"},
    {"test_co_overflow_is_named", "qemu-user has no process_vm_readv, so the owner is not found"},
    {"test_dump_goes_on_from_a_body_*", "qemu-user has no process_vm_readv, so a dump has no frames"},
    {"test_forks_without_memory_*", "qemu-user ignores RLIMIT_DATA"},
    {"test_topology_of_this_machine_keeps_to_the_affinity",
     "qemu-user has a thread of its own, which keeps its affinity"},
    {"test_fault_wild_pointer_*", "qemu-user adds a message of its own"},
    {"test_fault_bus_error_dies_by_sigbus", "qemu-user adds a message of its own"},
    {"test_fault_signal_that_was_sent_kills", "qemu-user adds a message of its own"},
    {"test_fault_one_shot_handler_is_called_once", "qemu-user adds a message of its own"},
};

enum { MOST_TESTS = 256 };

int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction set_up, CMFixtureFunction tear_down);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction set_up, CMFixtureFunction tear_down);

static const char *reason_against(const char *test)
{
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        if (fnmatch(list[i].tests, test, 0) == 0)
            return list[i].why;
    }
    return NULL;
}

static void skip_it(void **state)
{
    print_message("SKIP: %s\n", (const char *)*state);
    skip();
}

int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
    static struct CMUnitTest ours[MOST_TESTS];
    if (count > MOST_TESTS)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const char *why = reason_against(tests[i].name);
        ours[i] = tests[i];
        if (why != NULL)
            ours[i] = (struct CMUnitTest){
                .name = tests[i].name, .test_func = skip_it, .initial_state = (void *)(uintptr_t)why};
    }
    return __real__cmocka_run_group_tests(name, ours, count, set_up, tear_down);
}
