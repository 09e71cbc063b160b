/* New contexts of x86-64. See core/context.h. Empty on other architectures, so that one list of sources serves all. */
#if defined(__x86_64__)

#include "core/context.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "core/context_x86_64.h"

void wf_context_start(void); /* core/switch_x86_64.S */

typedef struct saved {
    void *r15, *r14, *r13, *r12, *rbx, *rbp, *rip;
} saved;

static_assert(offsetof(saved, r13) == WF_CONTEXT_R13, "offsets shared with the assembly");
static_assert(offsetof(saved, r12) == WF_CONTEXT_R12, "offsets shared with the assembly");
static_assert(offsetof(saved, rbp) == WF_CONTEXT_RBP, "offsets shared with the assembly");
static_assert(offsetof(saved, rip) == WF_CONTEXT_RIP, "offsets shared with the assembly");
static_assert(sizeof(saved) == WF_CONTEXT_SIZE, "offsets shared with the assembly");

void *wf_context_make(void *top, void (*entry)(void *arg, void *value), void *arg)
{
    /* wf_context_start begins with rsp = top, and its call leaves entry with the alignment the ABI asks for. */
    saved *context = (saved *)((char *)top - sizeof(saved));
    memset(context, 0, sizeof(*context));
    context->r12 = (void *)(uintptr_t)entry;
    context->r13 = arg;
    context->rip = (void *)(uintptr_t)wf_context_start;
    return context;
}

const void *wf_context_strip(const void *return_address)
{
    return return_address;
}

wf_context_frame wf_context_top_frame(const void *sp)
{
    const saved *context = sp;
    return (wf_context_frame){.frame = context->rbp, .return_address = context->rip};
}

void wf_fpenv_save(uint32_t *words)
{
    uint16_t x87;
    __asm__ volatile("stmxcsr %0" : "=m"(words[0]));
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    words[1] = x87;
}

void wf_fpenv_load(const uint32_t *words)
{
    uint16_t x87 = (uint16_t)words[1];
    __asm__ volatile("ldmxcsr %0" : : "m"(words[0]));
    __asm__ volatile("fldcw %0" : : "m"(x87));
}

#endif
