/* Reading a thread-local pointer where the thread may change in between.
 *
 * A compiler takes the address of a thread-local variable for a constant of the function, and keeps it over calls. A coroutine
 * that suspends in such a call may be on another thread afterwards, and would read the variable of the one that it left. So the
 * library reads its thread-local pointers with wf_tls_read(symbol): two instructions in assembly, which address the variable and
 * read it in one go, anew each time (volatile: they are neither merged nor moved over calls). It takes the variable's name in
 * the object file: a global with hidden visibility and tls_model("initial-exec").
 */
#ifndef WF_CORE_TLS_H
#define WF_CORE_TLS_H

#if defined(__x86_64__)
#include "core/tls_x86_64.h"
#elif defined(__aarch64__)
#include "core/tls_aarch64.h"
#else
#error "weft runs on x86-64 and aarch64"
#endif

#endif
