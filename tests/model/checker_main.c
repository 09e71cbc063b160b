/* The command line of every model: run its scenarios, or weaken each memory order in turn and see whether that is
 * noticed. */
#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
    bool deep;
    bool mutate;
    unsigned long limit;
    const char *only;
};

struct program {
    const char *model;
    const struct mc_scenario *scenarios;
    size_t count;
    struct options options;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool is_wanted(const struct program *program, const struct mc_scenario *scenario)
{
    if (program->options.only != NULL)
        return strcmp(program->options.only, scenario->name) == 0;
    return program->options.deep || !scenario->deep;
}

/* ---- checking ---- */

static bool run_scenario(const struct program *program, const struct mc_scenario *scenario)
{
    double start = seconds();
    struct mc_result result = mc_explore(scenario, program->options.limit);
    bool good = result.violated == scenario->must_fail;
    const char *verdict = !good ? "FAILED" : result.violated ? "found, as it must be" : "ok";
    printf("%s/%s: %lu executions, %lu pruned, %.1f M steps, %.1f s: %s\n", program->model, scenario->name,
           result.executions, result.pruned, (double)result.steps / 1e6, seconds() - start, verdict);
    if (!good && result.violated) {
        printf("  %s\n", result.what);
        mc_print_trace(scenario);
    }
    fflush(stdout);
    return good;
}

static int run_all(const struct program *program)
{
    int failed = 0;
    for (size_t i = 0; i < program->count; i++)
        if (is_wanted(program, &program->scenarios[i]))
            failed += !run_scenario(program, &program->scenarios[i]);
    return failed == 0 ? 0 : 1;
}

/* ---- mutation ---- */

/* One order of one site made one step weaker. A read-modify-write loses either half alone. */
struct mutant {
    const char *label;
    enum mc_order from;
    enum mc_order to;
};

static const struct mutant load_mutants[] = {{"acquire->relaxed", MC_ACQUIRE, MC_RELAXED},
                                             {"seq_cst->acquire", MC_SEQ_CST, MC_ACQUIRE}};
static const struct mutant store_mutants[] = {{"release->relaxed", MC_RELEASE, MC_RELAXED},
                                              {"seq_cst->release", MC_SEQ_CST, MC_RELEASE}};
static const struct mutant rmw_mutants[] = {{"acquire->relaxed", MC_ACQUIRE, MC_RELAXED},
                                            {"release->relaxed", MC_RELEASE, MC_RELAXED},
                                            {"acq_rel->acquire", MC_ACQ_REL, MC_ACQUIRE},
                                            {"acq_rel->release", MC_ACQ_REL, MC_RELEASE},
                                            {"seq_cst->acq_rel", MC_SEQ_CST, MC_ACQ_REL}};
static const struct mutant failure_mutants[] = {{"failure acquire->relaxed", MC_ACQUIRE, MC_RELAXED},
                                                {"failure seq_cst->acquire", MC_SEQ_CST, MC_ACQUIRE}};

/* The last two components of a path: sites are named the same wherever the tree lies. */
static const char *short_path(const char *path)
{
    const char *tail = path;
    int slashes = 0;
    for (const char *p = path + strlen(path); p > path && slashes < 2; p--)
        if (p[-1] == '/' && ++slashes == 2)
            tail = p;
    return tail;
}

/* The files that the model is named after. Of what else it runs another model is the judge; and its own operations stand
 * for something else. */
static bool is_judged(const struct program *program, const struct mc_site *site)
{
    const char *path = short_path(site->file);
    const char *slash = strchr(path, '/');
    return strncmp(path, "model/", 6) != 0 && slash != NULL &&
           strncmp(slash + 1, program->model, strlen(program->model)) == 0;
}

/* The first scenario that notices, NULL if none does. */
static const char *find_catcher(const struct program *program, unsigned long *executions)
{
    *executions = 0;
    for (size_t i = 0; i < program->count; i++) {
        const struct mc_scenario *scenario = &program->scenarios[i];
        if (scenario->must_fail || !is_wanted(program, scenario))
            continue;
        struct mc_result result = mc_explore(scenario, program->options.limit);
        *executions += result.executions;
        if (result.violated)
            return scenario->name;
    }
    return NULL;
}

/* One line for mutate.sh: verdict, mutant, line (0: a whole function), by whom; separated by tabs. */
static void report(const struct program *program, const char *mutant, int line)
{
    unsigned long executions;
    const char *catcher = find_catcher(program, &executions);
    printf("%s\t%s\t%d\t%s%s%s, %lu executions\n", catcher != NULL ? "caught" : "survives", mutant, line,
           program->model, catcher != NULL ? "/" : "", catcher != NULL ? catcher : "", executions);
    fflush(stdout);
}

static void report_site(const struct program *program, const struct mc_site *site, const char *label)
{
    char mutant[512];
    snprintf(mutant, sizeof mutant, "%s %s %s(%s) %s", short_path(site->file), site->function, site->operation,
             site->operand, label);
    report(program, mutant, site->line);
}

static void try_mutants(const struct program *program, struct mc_site *site, enum mc_order *order,
                        const struct mutant *mutants, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (*order != mutants[i].from)
            continue;
        enum mc_order written = *order;
        *order = mutants[i].to;
        report_site(program, site, mutants[i].label);
        *order = written;
    }
}

static void mutate_site(const struct program *program, struct mc_site *site)
{
    switch (site->kind) {
    case MC_LOAD:
        try_mutants(program, site, &site->order, load_mutants, 2);
        break;
    case MC_STORE:
        try_mutants(program, site, &site->order, store_mutants, 2);
        break;
    case MC_RMW:
        try_mutants(program, site, &site->order, rmw_mutants, 5);
        break;
    case MC_CAS:
        try_mutants(program, site, &site->order, rmw_mutants, 5);
        try_mutants(program, site, &site->failure, failure_mutants, 2);
        break;
    case MC_FENCE:
        site->dropped = true;
        report_site(program, site, "dropped");
        site->dropped = false;
        break;
    default:
        break;
    }
}

/* ---- whole functions: orders that cover for each other survive one by one, and must not together ---- */

enum { MOST_SITES = 64 };

static enum mc_order without_acquire(enum mc_order order)
{
    return order == MC_ACQUIRE ? MC_RELAXED : order == MC_ACQ_REL || order == MC_SEQ_CST ? MC_RELEASE : order;
}

static enum mc_order without_release(enum mc_order order)
{
    return order == MC_RELEASE ? MC_RELAXED : order == MC_ACQ_REL || order == MC_SEQ_CST ? MC_ACQUIRE : order;
}

/* Returns how many orders of the site became weaker. */
static int weaken(struct mc_site *site, bool acquire)
{
    enum mc_order order = site->order, failure = site->failure;
    if (acquire && site->kind != MC_STORE) {
        site->order = site->kind == MC_LOAD ? MC_RELAXED : without_acquire(order);
        site->failure = MC_RELAXED;
    }
    if (!acquire && site->kind != MC_LOAD)
        site->order = site->kind == MC_STORE ? MC_RELAXED : without_release(order);
    return (site->order != order) + (site->failure != failure);
}

static void mutate_function(const struct program *program, const struct mc_site *first, bool acquire)
{
    struct mc_site *sites[MOST_SITES], saved[MOST_SITES];
    int count = 0, weakened = 0;
    for (struct mc_site *site = mc_sites(); site != NULL && count < MOST_SITES; site = site->next) {
        if (site->kind > MC_CAS || strcmp(site->function, first->function) != 0)
            continue;
        saved[count] = *site;
        sites[count++] = site;
        weakened += weaken(site, acquire);
    }
    char mutant[512];
    snprintf(mutant, sizeof mutant, "%s %s all %s dropped", short_path(first->file), first->function,
             acquire ? "acquires" : "releases");
    if (weakened > 1)
        report(program, mutant, 0);
    for (int i = 0; i < count; i++) {
        sites[i]->order = saved[i].order;
        sites[i]->failure = saved[i].failure;
    }
}

static bool is_first_of_function(const struct mc_site *site)
{
    for (const struct mc_site *other = mc_sites(); other != site; other = other->next)
        if (strcmp(other->function, site->function) == 0)
            return false;
    return true;
}

static int mutate_all(const struct program *program)
{
    unsigned long executions;
    if (find_catcher(program, &executions) != NULL) {
        fprintf(stderr, "%s: fails as it is; nothing to be learnt from weakening it\n", program->model);
        return 1;
    }
    for (struct mc_site *site = mc_sites(); site != NULL; site = site->next) {
        if (!is_judged(program, site))
            continue;
        mutate_site(program, site);
        if (is_first_of_function(site)) {
            mutate_function(program, site, true);
            mutate_function(program, site, false);
        }
    }
    return 0;
}

/* ---- command line ---- */

static int usage(const char *self)
{
    fprintf(stderr,
            "usage: %s [--deep] [--mutate] [--scenario NAME] [--limit EXECUTIONS]\n"
            "  --deep       the long scenarios, too\n"
            "  --mutate     weaken every memory order of the shipped source in turn; one line each\n"
            "  --scenario   this one only\n"
            "  --limit      stop each scenario after so many executions\n",
            self);
    return 2;
}

int mc_main(int argc, char **argv, const char *model, const struct mc_scenario *scenarios, size_t count)
{
    struct program program = {.model = model, .scenarios = scenarios, .count = count};
    struct options *options = &program.options;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--deep") == 0)
            options->deep = true;
        else if (strcmp(argv[i], "--mutate") == 0)
            options->mutate = true;
        else if (strcmp(argv[i], "--scenario") == 0 && i + 1 < argc)
            options->only = argv[++i];
        else if (strcmp(argv[i], "--limit") == 0 && i + 1 < argc)
            options->limit = strtoul(argv[++i], NULL, 10);
        else
            return usage(argv[0]);
    }
    return options->mutate ? mutate_all(&program) : run_all(&program);
}
