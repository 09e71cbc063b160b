/* An exhaustive checker of C11 atomics for the shipped sources: what a model uses.
 *
 * A model is a program with a few scenarios. A scenario is a setup, two to five threads and a final check. The
 * checker runs it over and over, once for every way in which the threads can be interleaved and every store that a
 * load may read under the C11 memory model, and says so when a check fails, when two threads race on plain data, or
 * when nobody can go on. README.md describes the memory model and what it leaves out.
 *
 * The code under test reaches the checker through core/atomics.h, which includes model_atomics.h when WF_MODEL is
 * defined.
 *
 * Rules for a model:
 *   - setup puts every shared object, and every variable of the model, into its initial state
 *   - a thread is deterministic but for what it reads through wf_ names and for mc_choose
 *   - data that a protocol protects is accessed with wf_plain_read and wf_plain_write, so that races are seen
 *   - counters of the model itself are plain variables: only one thread runs at a time
 */
#ifndef WF_MODEL_CHECKER_H
#define WF_MODEL_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MC_THREADS = 5 };

struct mc_thread {
    const char *name;
    void (*run)(void);
};

struct mc_scenario {
    const char *name;
    void (*setup)(void);
    struct mc_thread threads[MC_THREADS]; /* up to the first without a name */
    void (*final)(void);                  /* after all threads have ended; sees everything; may be NULL */
    bool deep;                            /* only with --deep */
    bool bounded_spins;                   /* wf_spin_pause does nothing: the loops around it end by themselves */
    bool patient_spins;                   /* a spinner goes on when nobody else can: to have come later is the same */
    bool may_sleep;                       /* threads that wait for ever are fine if `final` finds nothing left to do */
    bool must_fail;                       /* a defect planted to see that the checker finds it */
};

/* Runs the scenarios of one program as its command line says; returns the exit status. */
int mc_main(int argc, char **argv, const char *model, const struct mc_scenario *scenarios, size_t count);

/* ---- inside a scenario ---- */

#define mc_check(condition) ((condition) ? (void)0 : mc_fail(__FILE__, __LINE__, #condition))
void mc_fail(const char *file, int line, const char *what);

/* One of 0 … count-1; every one of them is tried. */
int mc_choose(int count);

/* Index of the running thread; MC_THREADS in setup and final. */
int mc_self(void);

/* A counting semaphore, for what the modelled protocol takes for granted: a queue, another sleeping place. Post
 * releases, wait acquires and blocks while it is zero. */
typedef struct mc_semaphore {
    uint32_t word;
} mc_semaphore;

void mc_post(mc_semaphore *semaphore);
void mc_wait(mc_semaphore *semaphore);
bool mc_try_wait(mc_semaphore *semaphore);

/* A lock in as few steps as can be: for models in which the lock is not what is looked at. 0 is free. */
void mc_lock(volatile uint32_t *word);
void mc_unlock(volatile uint32_t *word);

/* From now on nobody may touch this atomically; one object in an execution. (Plain memory that goes away is written to
 * instead: whoever touches it later races.) */
void mc_free(const volatile void *address, size_t size);

/* In setup: operations on this are no steps at which others may run. For what one thread alone uses, or one after the other;
 * anything else is found, as a race. */
void mc_quiet(const volatile void *address, size_t size);

/* ---- what model_atomics.h and model_futex.h are made of ---- */

enum mc_order { MC_RELAXED, MC_ACQUIRE, MC_RELEASE, MC_ACQ_REL, MC_SEQ_CST };
enum mc_kind { MC_LOAD, MC_STORE, MC_RMW, MC_CAS, MC_FENCE, MC_PLAIN, MC_PAUSE, MC_FUTEX };
enum mc_rmw { MC_EXCHANGE, MC_ADD, MC_SUB, MC_OR, MC_AND };

/* One operation in the source. Static, one for each expansion of a wf_ name; registered when it is first executed. */
struct mc_site {
    const char *file;
    const char *function;
    const char *operation; /* "wf_load_acquire" */
    const char *operand;   /* as written: "&q->head" */
    int line;
    enum mc_kind kind;
    enum mc_order order;   /* as written; the mutation run weakens it for a while */
    enum mc_order failure; /* of a compare-and-swap */
    bool dropped;          /* a fence that the mutation run has taken away */
    bool known;
    struct mc_site *next;
};

#define MC_SITE_IN(function_, operation_, operand_, kind_, order_, failure_) \
    __extension__({ \
        static struct mc_site mc_here = {__FILE__, function_, operation_, operand_, __LINE__, kind_, \
                                         order_,   failure_,  false,      false,    NULL}; \
        &mc_here; \
    })
#define MC_SITE(operation_, operand_, kind_, order_, failure_) \
    MC_SITE_IN(__func__, operation_, operand_, kind_, order_, failure_)

uint64_t mc_load(struct mc_site *site, const volatile void *address, size_t size);
void mc_store(struct mc_site *site, volatile void *address, size_t size, uint64_t value);
uint64_t mc_rmw(struct mc_site *site, volatile void *address, size_t size, enum mc_rmw what, uint64_t value);
bool mc_cas(struct mc_site *site, volatile void *address, size_t size, void *expected, uint64_t desired);
void mc_fence(struct mc_site *site);
void mc_light_fence(struct mc_site *site);
void mc_heavy_fence(struct mc_site *site);
void mc_plain(struct mc_site *site, const volatile void *address, bool write);
void mc_pause(struct mc_site *site);

/* The kernel's futex: compare and sleep in one step, wake up to `count` of the sleepers. */
bool mc_futex_wait(struct mc_site *site, volatile void *address, uint32_t expected);
void mc_futex_wake(struct mc_site *site, volatile void *address, int count);

/* ---- exploring without mc_main (the litmus tests) ---- */

struct mc_result {
    bool violated;
    unsigned long executions; /* complete ones */
    unsigned long pruned;     /* given up because an equivalent one was run */
    unsigned long steps;
    char what[256]; /* of the violation */
};

/* Every execution of one scenario, or up to the first violation; limit 0: no limit. */
struct mc_result mc_explore(const struct mc_scenario *scenario, unsigned long limit);

/* Run the execution that mc_explore ended with once more and print its steps. */
void mc_print_trace(const struct mc_scenario *scenario);

/* All sites executed so far. */
struct mc_site *mc_sites(void);

#endif
