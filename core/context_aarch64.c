/* New contexts of aarch64. See core/context.h. Empty on other architectures, so that one list of sources serves all. */
#if defined(__aarch64__)

#include "core/context.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "core/context_aarch64.h"

void wf_context_prepare(void *context, void *top); /* core/switch_aarch64.S */

typedef struct saved {
    void *x19, *x20, *x21, *x22, *x23, *x24, *x25, *x26, *x27, *x28, *x29, *x30;
    double d8, d9, d10, d11, d12, d13, d14, d15;
} saved;

static_assert(offsetof(saved, x19) == WF_CONTEXT_X19, "offsets shared with the assembly");
static_assert(offsetof(saved, x21) == WF_CONTEXT_X21, "offsets shared with the assembly");
static_assert(offsetof(saved, x23) == WF_CONTEXT_X23, "offsets shared with the assembly");
static_assert(offsetof(saved, x25) == WF_CONTEXT_X25, "offsets shared with the assembly");
static_assert(offsetof(saved, x27) == WF_CONTEXT_X27, "offsets shared with the assembly");
static_assert(offsetof(saved, x29) == WF_CONTEXT_X29, "offsets shared with the assembly");
static_assert(offsetof(saved, d8) == WF_CONTEXT_D8, "offsets shared with the assembly");
static_assert(offsetof(saved, d10) == WF_CONTEXT_D10, "offsets shared with the assembly");
static_assert(offsetof(saved, d12) == WF_CONTEXT_D12, "offsets shared with the assembly");
static_assert(offsetof(saved, d14) == WF_CONTEXT_D14, "offsets shared with the assembly");
static_assert(sizeof(saved) == WF_CONTEXT_SIZE, "offsets shared with the assembly");

void *wf_context_make(void *top, void (*entry)(void *arg, void *value), void *arg)
{
    saved *context = (saved *)((char *)top - sizeof(saved));
    memset(context, 0, sizeof(*context));
    context->x19 = (void *)(uintptr_t)entry;
    context->x20 = arg;
    wf_context_prepare(context, top);
    return context;
}

const void *wf_context_strip(const void *return_address)
{
    /* xpaclri, a no-op on older processors: how many bits the signature has depends on the kernel. It works on x30 only. */
    register const void *x30 __asm__("x30") = return_address;
    __asm__("hint #7" : "+r"(x30));
    return x30;
}

wf_context_frame wf_context_top_frame(const void *sp)
{
    const saved *context = sp;
    return (wf_context_frame){.frame = context->x29, .return_address = wf_context_strip(context->x30)};
}

void wf_fpenv_save(uint32_t *words)
{
    uint64_t fpcr, fpsr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
    words[0] = (uint32_t)fpcr;
    words[1] = (uint32_t)fpsr;
}

void wf_fpenv_load(const uint32_t *words)
{
    uint64_t fpcr = words[0], fpsr = words[1];
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
    __asm__ volatile("msr fpsr, %0" : : "r"(fpsr));
}

#endif
