/* Running something in a forked child: what must end the process, or what cannot be taken back. */
#ifndef WT_CHILD_H
#define WT_CHILD_H

#include <stddef.h>

/* Run fn in a child, which then ends with what fn returned by _exit; one that hangs is ended by SIGALRM after a minute. Returns
 * its wait status; `said` gets what it wrote to stderr, cut to fit and terminated. Call it before the runtime was ever started in
 * this process, or where it is off. */
int wt_in_child(int (*fn)(void), char *said, size_t size);

#endif
