/* Offsets in a saved context of x86-64, shared by C and assembly. In bytes from the saved stack pointer. */
#ifndef WF_CORE_CONTEXT_X86_64_H
#define WF_CORE_CONTEXT_X86_64_H

#define WF_CONTEXT_R13 16
#define WF_CONTEXT_R12 24
#define WF_CONTEXT_RBP 40
#define WF_CONTEXT_RIP 48
#define WF_CONTEXT_SIZE 56

#endif
