/* Names for addresses of code, for people: the function, how far into it, and the file. */
#ifndef WF_CORE_SYMBOL_H
#define WF_CORE_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>

/* Write `name+0x12 (file)`, or `file+0x1234` where no symbol covers the address, or the bare address, into the buffer (not
 * of size 0). A return address lies behind its call, maybe in the next function: is_return says so. Opens and reads the file
 * of the code, so it is slow, but async-signal-safe. May set errno. */
void wf_symbol_format(const void *address, bool is_return, char *buffer, size_t size);

/* Does the address lie in the program or in a library that it has loaded? Async-signal-safe. */
bool wf_symbol_is_code(const void *address);

#endif
