/* The memory model of the checker: what a load may read, what a store does to what others may read. Private to
 * checker*.c.
 *
 * Every location has its stores in modification order, each with a time. Every thread has a view: for each location
 * the oldest store that it may still read. A store carries the view that whoever reads it with acquire inherits.
 * README.md says more.
 */
#ifndef WF_MODEL_CHECKER_MEMORY_H
#define WF_MODEL_CHECKER_MEMORY_H

#include "checker.h"

enum { MC_LOCATIONS = 40, MC_STORES = 60, MC_PLAINS = 64, MC_CONTROLLER = MC_THREADS };

void mc_memory_forget(void);      /* new scenario: no addresses are known */
void mc_memory_reset(void);       /* new execution: addresses stay, values and views are gone */
void mc_memory_start(int thread); /* the thread begins with what the controller has done */
void mc_memory_end(int thread);   /* the controller sees what the thread has done */
void mc_memory_tick(int thread);  /* after each operation: what follows is later than what it published */

int mc_locate(const volatile void *address, size_t size, const char *name);
const char *mc_location_name(int location);
uint64_t mc_newest(int location);

/* `stale`: set when an older store was read. `newest`: may read nothing else. */
uint64_t mc_memory_load(int thread, int location, enum mc_order order, bool newest, bool *stale);
void mc_memory_store(int thread, int location, uint64_t value, enum mc_order order);
uint64_t mc_memory_rmw(int thread, int location, enum mc_rmw what, uint64_t value, enum mc_order order);
bool mc_memory_cas(int thread, int location, uint64_t *expected, uint64_t desired, enum mc_order order,
                   enum mc_order failure, bool newest, bool *stale);
void mc_memory_fence(int thread);
void mc_memory_light_fence(int thread);
void mc_memory_heavy_begin(int thread); /* two steps: others may run between */
void mc_memory_heavy_end(int thread);

/* NULL, or what it races with. */
const char *mc_memory_plain(int thread, const volatile void *address, bool write);

/* checker.c: one of 0 … count-1, all of which are explored. */
int mc_pick(int count);
/* checker.c: ends the execution with a violation or, for the checker's own limits, the program. */
_Noreturn void mc_limit(const char *what);

#endif
