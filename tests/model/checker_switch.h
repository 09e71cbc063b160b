/* Switching between the stacks of model threads. Own code and not that of core/: the checker must not depend on what
 * it is there to check, and has no use for anything but the callee-saved registers. Private to checker.c, which
 * includes it once.
 */
#ifndef WF_MODEL_CHECKER_SWITCH_H
#define WF_MODEL_CHECKER_SWITCH_H

#include <stdint.h>

/* Save the caller's registers and stack pointer in *from, go on where `to` was saved. */
void mc_switch(void **from, void *to);

#if defined(__x86_64__)

__asm__(".text\n"
        ".type mc_switch,@function\n"
        "mc_switch:\n"
        "    endbr64\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size mc_switch, .-mc_switch\n");

/* A stack that begins in `entry` when it is first switched to. */
static void *prepare_stack(char *top, void (*entry)(void))
{
    uint64_t *sp = (uint64_t *)(void *)top;
    *--sp = 0;                          /* where entry would return to: keeps the alignment of a call */
    *--sp = (uint64_t)(uintptr_t)entry; /* popped by ret */
    for (int i = 0; i < 6; i++)
        *--sp = 0;
    return sp;
}

#elif defined(__aarch64__)

__asm__(".text\n"
        ".type mc_switch,%function\n"
        "mc_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size mc_switch, .-mc_switch\n");

static void *prepare_stack(char *top, void (*entry)(void))
{
    uint64_t *sp = (uint64_t *)(void *)top;
    for (int i = 0; i < 20; i++)
        *--sp = 0;
    sp[11] = (uint64_t)(uintptr_t)entry; /* x30 */
    return sp;
}

#else
#error "weft runs on x86-64 and aarch64"
#endif

#endif
