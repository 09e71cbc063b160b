/* The handler of SIGSEGV and SIGBUS.
 *
 *   fault in a guard      say so with write(2), with the backtrace, restore the previous disposition, return: the instruction
 *                         faults again and the process dies, or is dealt with, as it would have been
 *   anything else         call the previous handler with its own mask, on our alternate stack. Where there was none, restore
 *                         the default and return; a signal that somebody sent is sent again, since it does not recur
 *
 * A guard may also be hit from outside: by a wild pointer, or by a frame so large that it jumps over the guard. The stack
 * pointer tells which it was, and the message does not call it an overflow then.
 */
#include "core/fault.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/atomics.h"
#include "core/fault_context.h"
#include "core/fault_frames.h"
#include "core/lock.h"
#include "core/stack.h"
#include "core/syscall.h"
#include "core/text.h"
#include "core/write.h"

enum {
    HANDLER_STACK =
        32 << 10, /* the unwinder wants some 6 KiB of it; beyond what the kernel needs for the frame of a signal */
    LINE = 640,
    NAME = 256,
    GUARD_PAGE_LEAST = 4096,
};

static wf_lock install_lock;
static bool installed;                 /* lock install_lock */
static struct sigaction previous_segv; /* written before the handler can run */
static struct sigaction previous_bus;
static _Atomic(wf_fault_describe *) describe_coroutine;

/* ---- the report ---- */

static void report(const void *address, uintptr_t sp, const char *base, size_t size, size_t guard)
{
    char name[NAME] = "(unknown)";
    /* ORDER(fault): pairs with wf_fault_install. */
    wf_fault_describe *describe = wf_load_acquire(&describe_coroutine);
    if (describe != NULL)
        describe(address, name, sizeof name);
    name[NAME - 1] = 0;

    char line[LINE];
    wf_text out = wf_text_in(line, sizeof line);
    bool overflow = sp - (uintptr_t)base < size;
    wf_text_put(&out,
                overflow ? "weft: stack overflow in coroutine " : "weft: access to the stack guard of coroutine ");
    wf_text_put(&out, name);
    wf_text_put(&out, overflow ? ": its stack of " : ", which has a stack of ");
    wf_text_put_decimal(&out, size);
    wf_text_put(&out, " bytes (usable ");
    wf_text_put_decimal(&out, size - guard);
    wf_text_put(&out, overflow ? ") is exhausted at address " : "), at address ");
    wf_text_put_hex(&out, (uintptr_t)address);
    if (overflow) {
        wf_text_put(&out,
                    "; raise stack_size in weft_spawn_opt (or weft_gen_new_opt, weft_co_new_opt) or WEFT_STACK_SIZE\n");
    } else {
        wf_text_put(&out, " while the stack pointer is ");
        wf_text_put_hex(&out, sp);
        wf_text_put(&out,
                    ": a wild pointer, or a frame larger than the guard (compile with -fstack-clash-protection)\n");
    }
    wf_write_all(STDERR_FILENO, out.start, (size_t)(out.at - out.start));
}

static bool report_guard_hit(const siginfo_t *info, const void *context)
{
    char *base;
    size_t size;
    /* si_code > 0: the kernel raised it, so that si_addr means something. */
    if (info->si_code <= 0 || !wf_stack_guard_hit(info->si_addr, &base, &size))
        return false;
    size_t guard = 0;
    while (guard < size && wf_stack_guard_hit(base + guard, NULL, NULL))
        guard += GUARD_PAGE_LEAST;
    report(info->si_addr, wf_fault_sp(context), base, size, guard);
    wf_fault_frames(wf_fault_pc(context));
    return true;
}

/* ---- the previous disposition ---- */

static const struct sigaction *previous_of(int number)
{
    return number == SIGSEGV ? &previous_segv : &previous_bus;
}

static bool has_handler(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static void restore(int number, const struct sigaction *action)
{
    int saved = errno;
    sigaction(number, action, NULL);
    errno = saved;
}

/* As the kernel would have, but for the stack that it runs on. Ours was installed with the same mask and SA_NODEFER. */
static void call_handler(const struct sigaction *action, int number, siginfo_t *info, void *context)
{
    if (action->sa_flags & SA_RESETHAND)
        restore(number, &(struct sigaction){.sa_handler = SIG_DFL});
    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(number, info, context);
    else
        action->sa_handler(number);
}

/* Nobody handles it. A fault recurs on return, and then kills even if the signal is ignored; one that was sent does not. */
static void fall_through(const struct sigaction *action, int number, siginfo_t *info)
{
    bool sent = info->si_code <= 0;
    if (sent && action->sa_handler == SIG_IGN)
        return;
    restore(number, action);
    if (sent)
        wf_syscall4(SYS_rt_tgsigqueueinfo, wf_syscall3(SYS_getpid, 0, 0, 0), wf_syscall3(SYS_gettid, 0, 0, 0), number,
                    info);
}

static void handle(int number, siginfo_t *info, void *context)
{
    const struct sigaction *action = previous_of(number);
    if (report_guard_hit(info, context))
        restore(number, action);
    else if (has_handler(action))
        call_handler(action, number, info, context);
    else
        fall_through(action, number, info);
}

static int take_over(int number, struct sigaction *previous)
{
    if (sigaction(number, NULL, previous) != 0)
        return -errno;
    struct sigaction ours = {.sa_sigaction = handle, .sa_mask = previous->sa_mask};
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous->sa_flags & (SA_NODEFER | SA_RESTART));
    return sigaction(number, &ours, NULL) == 0 ? 0 : -errno;
}

int wf_fault_install(wf_fault_describe *describe)
{
    /* ORDER(fault): pairs with report, which may run as soon as the handler is there. */
    wf_store_release(&describe_coroutine, describe);
    wf_lock_take(&install_lock);
    int saved = errno;
    int result = 0;
    if (!installed) {
        result = take_over(SIGSEGV, &previous_segv);
        if (result == 0 && (result = take_over(SIGBUS, &previous_bus)) != 0)
            restore(SIGSEGV, &previous_segv);
        installed = result == 0;
    }
    errno = saved;
    wf_unlock(&install_lock);
    return result;
}

/* ---- alternate stacks ---- */

static size_t page_round(size_t size)
{
    size_t page = (size_t)getpagesize();
    return (size + page - 1) & ~(page - 1);
}

int wf_fault_thread_enter(wf_fault_stack *stack)
{
    int saved = errno;
    long least = sysconf(_SC_MINSIGSTKSZ); /* grows with the vector registers of the machine */
    errno = saved;
    size_t guard = (size_t)getpagesize();
    size_t usable = page_round(HANDLER_STACK + (size_t)(least > 0 ? least : MINSIGSTKSZ));
    stack->mapping = NULL;
    stack->size = guard + usable;
    long mapping = wf_syscall6(SYS_mmap, 0, (long)stack->size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (mapping < 0 && mapping > -4096)
        return (int)mapping;
    stack_t ours = {.ss_sp = (char *)mapping + guard, .ss_size = usable};
    long result = wf_syscall3(SYS_mprotect, mapping, guard, PROT_NONE);
    if (result == 0)
        result = wf_syscall3(SYS_sigaltstack, &ours, &stack->previous, 0);
    if (result == 0)
        stack->mapping = (void *)mapping;
    else
        wf_syscall3(SYS_munmap, mapping, stack->size, 0);
    return (int)result;
}

void wf_fault_thread_leave(wf_fault_stack *stack)
{
    if (stack->mapping == NULL)
        return;
    wf_syscall3(SYS_sigaltstack, &stack->previous, 0, 0);
    wf_syscall3(SYS_munmap, stack->mapping, stack->size, 0);
    stack->mapping = NULL;
}
