/* The bare switch, AAPCS64: x19-x30, d8-d15 and the stack pointer. */
#include "bench/context.h"

enum { FRAME_WORDS = 20, LINK_WORD = 11 };

__asm__(".text\n"
        ".p2align 6\n"
        ".globl bench_context_switch\n"
        ".type bench_context_switch, %function\n"
        "bench_context_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
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
        "    ldp x19, x20, [sp, #0]\n"
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
        "    mov x0, x2\n" /* result of the switch that is continued, or argument of the entry function */
        "    ret\n"
        ".size bench_context_switch, . - bench_context_switch\n");

void *bench_context_make(void *top, void (*entry)(uintptr_t value))
{
    uintptr_t *sp = (uintptr_t *)top - FRAME_WORDS;

    for (int i = 0; i < FRAME_WORDS; i++)
        sp[i] = 0;
    sp[LINK_WORD] = (uintptr_t)entry;
    return sp;
}
