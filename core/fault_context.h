/* The stack pointer and the program counter in a signal context, per architecture. Included by core/fault.c only. */
#ifndef WF_CORE_FAULT_CONTEXT_H
#define WF_CORE_FAULT_CONTEXT_H

#include <stdint.h>
#include <ucontext.h>

#if defined(__x86_64__)

static inline uintptr_t wf_fault_sp(const void *context)
{
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
}

static inline const void *wf_fault_pc(const void *context)
{
    return (const void *)(uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

#elif defined(__aarch64__)

static inline uintptr_t wf_fault_sp(const void *context)
{
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.sp;
}

static inline const void *wf_fault_pc(const void *context)
{
    return (const void *)(uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
}

#endif

#endif
