/* The report of a stack overflow: a fault in the guard of a coroutine's stack is caught on an alternate signal stack, named on
 * stderr, with its backtrace, and then dealt with as if weft were not there.
 *
 * Everything else that raises SIGSEGV or SIGBUS goes to whoever had the signal before.
 */
#ifndef WF_CORE_FAULT_H
#define WF_CORE_FAULT_H

#include <signal.h>
#include <stddef.h>

/* Write the name of the coroutine that owns the stack (such as `17 "reader", entry 0x4711`) into the buffer, with its
 * terminating zero. Runs in the signal handler: async-signal-safe calls only. */
typedef void wf_fault_describe(const void *fault_address, char *buffer, size_t size);

/* Catch SIGSEGV and SIGBUS from now on; `describe` may be NULL. Further calls only change `describe`. 0, or -errno. */
int wf_fault_install(wf_fault_describe *describe);

/* Alternate signal stack of one thread. Without one an overflow on that thread kills the process unnamed. */
typedef struct wf_fault_stack {
    void *mapping; /* NULL: none */
    size_t size;
    stack_t previous;
} wf_fault_stack;

/* Give the calling thread an alternate signal stack. 0, -ENOMEM, or -EPERM on an alternate stack. Each enter has its leave, on
 * the same thread, which puts back what was there before. Leaving what was not entered (all zero) does nothing. */
int wf_fault_thread_enter(wf_fault_stack *stack);
void wf_fault_thread_leave(wf_fault_stack *stack);

#endif
