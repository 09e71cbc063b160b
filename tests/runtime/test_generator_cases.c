/* The cases that CPython tries its generators with, as far as they mean something in C: tree walks, sieves, backtracking
 * and other programs made of many generators; errors thrown into bodies that handle, re-raise and refuse them; closing and
 * finalising. */
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

#include "core/stack.h"

#define NUMBER(n) ((void *)(intptr_t)(n))

static int number(void *value)
{
    return (int)(intptr_t)value;
}

static weft_gen *make(weft_fn *fn, void *arg)
{
    weft_gen *g = weft_gen_new(fn, arg);
    CHECK(g != NULL);
    return g;
}

static void drop(weft_gen *g)
{
    CHECK_INT(weft_gen_free(g), 0);
}

/* Yield; true when the body is to end. */
static bool yield_or_end(void *value)
{
    weft_gen_yield(value);
    return weft_gen_error() != 0;
}

/* The next n values of g are these. */
static void expect(weft_gen *g, int n, const int *values)
{
    for (int i = 0; i < n; i++) {
        void *value = NULL;
        CHECK_INT(weft_gen_next(g, &value), 1);
        CHECK_INT(number(value), values[i]);
    }
}

#define EXPECT(g, ...) expect(g, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)), (const int[]){__VA_ARGS__})

static void expect_end(weft_gen *g)
{
    CHECK_INT(weft_gen_next(g, NULL), 0);
    CHECK_INT(weft_gen_next(g, NULL), 0); /* once stopped, it stays so */
}

/* ---- the tutorial ---- */

static void *two_and_return(void *arg)
{
    weft_gen_yield(NUMBER(1));
    if (arg != NULL)
        return NULL;
    weft_gen_yield(NUMBER(2));
    return NULL;
}

static void *count_up(void *arg)
{
    for (intptr_t i = 0; i < (intptr_t)arg; i++) {
        if (yield_or_end(NUMBER(i)))
            break;
    }
    return NULL;
}

static weft_gen *create_and_use_one(void)
{
    weft_gen *g = make(count_up, NUMBER(5));
    EXPECT(g, 0);
    return g;
}

/* One generator runs through another by a loop. */
static void *loop_over(void *arg)
{
    WEFT_GEN_FOREACH (value, arg) {
        if (yield_or_end(value))
            break;
    }
    return NULL;
}

static void *tutorial(void *arg)
{
    (void)arg;
    weft_gen *g = make(two_and_return, NULL);
    EXPECT(g, 1, 2);
    expect_end(g);
    drop(g);
    g = make(two_and_return, g);
    EXPECT(g, 1);
    expect_end(g);
    drop(g);
    g = create_and_use_one(); /* it returns to the most recent caller */
    EXPECT(g, 1, 2, 3, 4);
    expect_end(g);
    drop(g);
    weft_gen *inner = make(count_up, NUMBER(5));
    g = make(loop_over, inner);
    EXPECT(g, 0, 1, 2, 3, 4);
    expect_end(g);
    drop(g);
    drop(inner);
    return NULL;
}

static void test_generator_cases_end_by_falling_off_and_by_return(void **state)
{
    (void)state;
    wt_over_few_workers(tutorial, NULL);
}

/* ---- already executing ---- */

static weft_gen *me;

static void *resume_oneself(void *arg)
{
    (void)arg;
    int error = weft_gen_next(me, NULL);
    if (error < 0)
        weft_gen_set_error(error); /* as an exception would go on */
    return NULL;
}

static void *reenter(void *arg)
{
    (void)arg;
    me = make(resume_oneself, NULL);
    CHECK_INT(weft_gen_next(me, NULL), -EDEADLK);
    expect_end(me);
    drop(me);
    return NULL;
}

static void test_generator_cases_cannot_be_resumed_while_running(void **state)
{
    (void)state;
    wt_over_few_workers(reenter, NULL);
}

/* ---- errors of a body ---- */

static void *fail_at_once(void *arg)
{
    (void)arg;
    weft_gen_set_error(-EDOM);
    return NULL;
}

static void *raise_done(void *arg)
{
    if (arg != NULL)
        weft_gen_yield(NUMBER(1));
    weft_gen_set_error(WEFT_GEN_DONE);
    return NULL;
}

static void *change_ones_mind(void *arg)
{
    (void)arg;
    weft_gen_set_error(-EDOM);
    weft_gen_set_error(0);
    return NUMBER(5);
}

static void *fail_about(void *arg)
{
    void *result = NULL;
    (void)arg;
    weft_gen *g = make(fail_at_once, NULL);
    CHECK_INT(weft_gen_next(g, NULL), -EDOM); /* it propagates, */
    expect_end(g);                            /* and the generator cannot be resumed */
    drop(g);
    g = make(raise_done, NULL);
    CHECK_INT(weft_gen_next(g, NULL), -EPROTO);
    drop(g);
    g = make(raise_done, g);
    EXPECT(g, 1);
    CHECK_INT(weft_gen_next(g, NULL), -EPROTO);
    drop(g);
    g = make(change_ones_mind, NULL);
    CHECK_INT(weft_gen_next(g, NULL), 0);
    CHECK_INT(weft_gen_result(g, &result), 0);
    CHECK_INT(number(result), 5);
    drop(g);
    return NULL;
}

static void test_generator_cases_errors_of_the_body_come_out_once(void **state)
{
    (void)state;
    wt_over_few_workers(fail_about, NULL);
}

/* ---- throw ---- */

/* Goes on behind -EDOM, which is counted in *arg; ends with any other error. */
static void *catch_domain(void *arg)
{
    int *caught = arg;
    for (;;) {
        void *sent = weft_gen_yield(NUMBER(*caught));
        int error = weft_gen_error();
        if (error == -EDOM)
            ++*caught;
        else if (error != 0 && error != -ECANCELED)
            return weft_gen_set_error(error), NULL;
        else if (error != 0)
            return NULL;
        else if (sent != NULL)
            *caught += 100 * number(sent);
    }
}

static void *throw_about(void *arg)
{
    int caught = 0;
    void *value = NULL;
    (void)arg;
    weft_gen *g = make(catch_domain, &caught);
    EXPECT(g, 0);
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), 1);
    CHECK_INT(weft_gen_throw(g, -EDOM, &value), 1);
    CHECK_INT(number(value), 2);
    CHECK_INT(weft_gen_throw(g, 0, NULL), -EINVAL); /* not something to be thrown */
    CHECK_INT(weft_gen_throw(g, 5, NULL), -EINVAL);
    CHECK_INT(weft_gen_send(g, NUMBER(1), &value), 1);
    CHECK_INT(number(value), 102);
    CHECK_INT(weft_gen_throw(g, -ERANGE, NULL), -ERANGE); /* terminates it */
    CHECK_INT(weft_gen_send(g, NUMBER(2), NULL), 0);
    CHECK_INT(weft_gen_throw(g, -EDOM, NULL), -EDOM); /* on a finished one */
    drop(g);
    g = make(catch_domain, &caught);
    CHECK_INT(weft_gen_throw(g, -EDOM, NULL), -EDOM); /* on one just opened */
    expect_end(g);
    drop(g);
    return NULL;
}

static void test_generator_cases_throw_is_caught_or_terminates(void **state)
{
    (void)state;
    wt_over_few_workers(throw_about, NULL);
}

/* Keeps the error that was thrown over further yields, and raises it again in the end. */
static void *keep_and_raise(void *arg)
{
    (void)arg;
    weft_gen_yield(NULL);
    int error = weft_gen_error();
    weft_gen_yield(NULL);
    CHECK_INT(weft_gen_error(), 0);
    weft_gen_yield(NULL);
    weft_gen_set_error(error);
    return NULL;
}

/* Handles one error by failing with another. */
static void *replace_error(void *arg)
{
    (void)arg;
    weft_gen_yield(NULL);
    if (weft_gen_error() != 0)
        weft_gen_set_error(-ERANGE);
    return NULL;
}

static void *raise_again(void *arg)
{
    (void)arg;
    weft_gen *g = make(keep_and_raise, NULL);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_throw(g, -EDOM, NULL), 1);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_next(g, NULL), -EDOM);
    expect_end(g);
    drop(g);
    g = make(replace_error, NULL);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_throw(g, -EDOM, NULL), -ERANGE);
    drop(g);
    return NULL;
}

static void test_generator_cases_error_is_kept_raised_again_and_replaced(void **state)
{
    (void)state;
    wt_over_few_workers(raise_again, NULL);
}

/* ---- send ---- */

static void *return_sent(void *arg)
{
    (void)arg;
    return weft_gen_yield(NUMBER(1));
}

static void *return_sent_to_sub(void *arg)
{
    void *result = NULL;
    CHECK_INT(weft_gen_from(arg, &result), 0);
    return result;
}

static void check_returns_what_is_sent(weft_gen *g)
{
    void *result = NULL;
    EXPECT(g, 1);
    CHECK_INT(weft_gen_send(g, NUMBER(2), NULL), 0);
    CHECK_INT(weft_gen_result(g, &result), 0);
    CHECK_INT(number(result), 2);
    drop(g);
}

static void *sum_until_200(void *arg)
{
    int *seen = arg;
    for (int sum = 0, i = 0; sum < 200; i++)
        seen[i] = sum += number(weft_gen_yield(NULL));
    return NULL;
}

/* Stores what it is sent under what it was sent before. */
static void *store_at(void *arg)
{
    int *data = arg;
    int second = number(weft_gen_yield(NUMBER('a')));
    data[second] = 27;
    second = number(weft_gen_yield(NUMBER('b')));
    data[second] = 27;
    return NULL;
}

static void *send_about(void *arg)
{
    int seen[8] = {0}, data[2] = {1, 2};
    void *value = NULL;
    (void)arg;
    check_returns_what_is_sent(make(return_sent, NULL));
    weft_gen *sub = make(return_sent, NULL);
    check_returns_what_is_sent(make(return_sent_to_sub, sub));
    drop(sub);
    weft_gen *g = make(sum_until_200, seen);
    CHECK_INT(weft_gen_send(g, g, NULL), -EINVAL); /* just started: nobody is there to receive */
    CHECK_INT(weft_gen_next(g, NULL), 1);
    for (int i = 1; i <= 3; i++) {
        CHECK_INT(weft_gen_send(g, NUMBER(10), NULL), 1);
        CHECK_INT(seen[i - 1], 10 * i);
    }
    CHECK_INT(weft_gen_send(g, NUMBER(200), NULL), 0);
    drop(g);
    g = make(store_at, data);
    CHECK_INT(weft_gen_send(g, NULL, &value), 1);
    CHECK_INT(number(value), 'a');
    CHECK_INT(data[0], 1);
    CHECK_INT(weft_gen_send(g, NUMBER(0), &value), 1);
    CHECK_INT(number(value), 'b');
    CHECK_INT(data[0], 27);
    CHECK_INT(weft_gen_send(g, NUMBER(1), &value), 0);
    CHECK_INT(data[1], 27);
    drop(g);
    return NULL;
}

static void test_generator_cases_yield_is_an_expression(void **state)
{
    (void)state;
    wt_over_few_workers(send_about, NULL);
}

/* ---- close and finalisation ---- */

static void *note_exit(void *arg)
{
    weft_gen_yield(NULL);
    *(int *)arg += weft_gen_error() == -ECANCELED;
    return NULL;
}

static void *just_yield(void *arg)
{
    weft_gen_yield(arg);
    return NULL;
}

static void *yield_at_exit(void *arg)
{
    weft_gen_yield(NULL);
    if (weft_gen_error() == -ECANCELED)
        weft_gen_yield(NUMBER(7));
    return arg;
}

static void *fail_at_exit(void *arg)
{
    weft_gen_yield(NULL);
    if (weft_gen_error() == -ECANCELED)
        weft_gen_set_error(-EDOM);
    return arg;
}

static void *close_about(void *arg)
{
    int exits = 0;
    (void)arg;
    weft_gen *g = make(note_exit, &exits);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_close(g), 0);
    CHECK_INT(exits, 1);
    CHECK_INT(weft_gen_close(g), 0); /* nothing is left to do */
    CHECK_INT(exits, 1);
    drop(g);
    g = make(note_exit, &exits);
    CHECK_INT(weft_gen_close(g), 0); /* just opened */
    expect_end(g);
    drop(g);
    g = make(just_yield, NULL);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_close(g), 0);
    drop(g);
    g = make(yield_at_exit, NULL); /* ill-behaved */
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_close(g), -EBUSY);
    CHECK_INT(weft_gen_close(g), 0);
    drop(g);
    g = make(yield_at_exit, NULL); /* when it is finalised, too */
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_free(g), -EBUSY);
    CHECK_INT(weft_gen_free(g), 0);
    g = make(fail_at_exit, NULL);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_close(g), -EDOM); /* errors while it is closed come out, */
    drop(g);
    g = make(fail_at_exit, NULL);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    drop(g); /* and nowhere when it is finalised */
    g = make(note_exit, &exits);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    drop(g);
    CHECK_INT(exits, 2);
    return NULL;
}

static void test_generator_cases_close_and_finalise(void **state)
{
    (void)state;
    wt_over_few_workers(close_about, NULL);
}

/* One that was given itself is finalised all the same. */
static void *hold_oneself(void *arg)
{
    weft_gen *held = weft_gen_yield(NULL);
    CHECK(held == me);
    weft_gen_yield(NUMBER(1));
    *(int *)arg = weft_gen_error();
    return NULL;
}

static void *hold_cycle(void *arg)
{
    int ended = 0;
    (void)arg;
    me = make(hold_oneself, &ended);
    CHECK_INT(weft_gen_next(me, NULL), 1);
    CHECK_INT(weft_gen_send(me, me, NULL), 1);
    CHECK_INT(ended, 0);
    drop(me);
    CHECK_INT(ended, -ECANCELED);
    return NULL;
}

static void test_generator_cases_one_that_holds_itself_is_finalised(void **state)
{
    (void)state;
    wt_over_few_workers(hold_cycle, NULL);
}

/* An error that arrives at the outer generator is raised in the innermost one. */
static void *pass_if_interrupted(void *arg)
{
    (void)arg;
    weft_gen_yield(NULL);
    return NUMBER(weft_gen_error() == -EINTR ? 'P' : 'F');
}

static void *interrupt(void *arg)
{
    void *result = NULL;
    (void)arg;
    weft_gen *sub = make(pass_if_interrupted, NULL), *g = make(return_sent_to_sub, sub);
    CHECK_INT(weft_gen_next(g, NULL), 1);
    CHECK_INT(weft_gen_throw(g, -EINTR, NULL), 0);
    CHECK_INT(weft_gen_result(g, &result), 0);
    CHECK_INT(number(result), 'P');
    drop(g);
    drop(sub);
    return NULL;
}

static void test_generator_cases_error_goes_to_the_innermost(void **state)
{
    (void)state;
    wt_over_few_workers(interrupt, NULL);
}

/* ---- trees ---- */

typedef struct tree {
    int label;
    struct tree *left, *right;
} tree;

static tree *grow(tree *nodes, int from, int to)
{
    if (from >= to)
        return NULL;
    int middle = from + (to - from) / 2;
    nodes[middle] = (tree){middle, grow(nodes, from, middle), grow(nodes, middle + 1, to)};
    return &nodes[middle];
}

/* By a generator for each subtree, through loops. */
static void *in_order(void *arg)
{
    tree *node = arg;
    if (node == NULL)
        return NULL;
    for (int side = 0; side < 2; side++) {
        weft_gen *below = make(in_order, side == 0 ? node->left : node->right);
        WEFT_GEN_FOREACH (label, below)
            weft_gen_yield(label);
        drop(below);
        if (side == 0)
            weft_gen_yield(NUMBER(node->label));
    }
    return NULL;
}

/* By delegation. */
static void *in_order_from(void *arg)
{
    tree *node = arg;
    if (node == NULL)
        return NULL;
    for (int side = 0; side < 2; side++) {
        weft_gen *below = make(in_order_from, side == 0 ? node->left : node->right);
        CHECK_INT(weft_gen_from(below, NULL), 0);
        drop(below);
        if (side == 0)
            weft_gen_yield(NUMBER(node->label));
    }
    return NULL;
}

/* By plain recursion in one body: a stack of its own is what a generator has. */
static void walk(const tree *node)
{
    if (node == NULL)
        return;
    walk(node->left);
    weft_gen_yield(NUMBER(node->label));
    walk(node->right);
}

static void *in_order_deep(void *arg)
{
    walk(arg);
    return NULL;
}

static void *climb_trees(void *arg)
{
    static weft_fn *const walks[] = {in_order, in_order_from, in_order_deep};
    enum { LABELS = 26 };
    tree nodes[LABELS];
    tree *root = grow(nodes, 0, LABELS);
    (void)arg;
    for (int i = 0; i < 3; i++) {
        weft_gen *g = make(walks[i], root);
        for (int label = 0; label < LABELS; label++)
            EXPECT(g, label);
        expect_end(g);
        drop(g);
    }
    return NULL;
}

static void test_generator_cases_trees_in_order(void **state)
{
    (void)state;
    wt_over_few_workers(climb_trees, NULL);
}

/* ---- combinations ---- */

typedef struct combination {
    int from, n, k; /* k of from … n - 1 */
} combination;

/* As sets of bits. */
static void *combine(void *arg)
{
    combination c = *(combination *)arg;
    if (c.k > c.n - c.from)
        return NULL;
    if (c.k == 0) {
        weft_gen_yield(NUMBER(0));
        return NULL;
    }
    for (int with = 1; with >= 0; with--) {
        combination rest = {c.from + 1, c.n, c.k - with};
        weft_gen *others = make(combine, &rest);
        WEFT_GEN_FOREACH (set, others)
            weft_gen_yield(NUMBER(number(set) | with << c.from));
        drop(others);
    }
    return NULL;
}

static void *count_combinations(void *arg)
{
    static const int expected[] = {1, 4, 6, 4, 1, 0};
    (void)arg;
    for (int k = 0; k <= 5; k++) {
        combination c = {0, 4, k};
        int count = 0;
        weft_gen *g = make(combine, &c);
        WEFT_GEN_FOREACH (set, g) {
            CHECK_INT(__builtin_popcount((unsigned)number(set)), k);
            count++;
        }
        CHECK_INT(count, expected[k]);
        drop(g);
    }
    combination c = {0, 4, 2};
    weft_gen *g = make(combine, &c);
    EXPECT(g, 3, 5, 9, 6, 10, 12);
    expect_end(g);
    drop(g);
    return NULL;
}

static void test_generator_cases_combinations(void **state)
{
    (void)state;
    wt_over_few_workers(count_combinations, NULL);
}

/* ---- disjoint sets: each element has a generator of its representative ---- */

typedef struct element {
    struct element *parent;
    weft_gen *generator;
} element;

static void *generate_root(void *arg)
{
    element *e = arg;
    while (e->parent == NULL) {
        if (yield_or_end(e))
            return NULL;
    }
    for (;;) {
        void *root = NULL;
        if (weft_gen_next(e->parent->generator, &root) != 1 || yield_or_end(root))
            return NULL;
    }
}

static element *find(element *e)
{
    void *root = NULL;
    CHECK_INT(weft_gen_next(e->generator, &root), 1);
    return root;
}

static void *unite(void *arg)
{
    enum { ELEMENTS = 13 };
    element elements[ELEMENTS];
    (void)arg;
    for (int i = 0; i < ELEMENTS; i++)
        elements[i] = (element){.generator = make(generate_root, &elements[i])};
    for (int i = 1; i < ELEMENTS; i++) {
        for (int j = 0; j < ELEMENTS; j++) /* 0 … i - 1 are one set so far, with the last as its root */
            CHECK(find(&elements[j]) == &elements[j < i - 1 ? i - 1 : j]);
        elements[i - 1].parent = &elements[i];
    }
    for (int i = 0; i < ELEMENTS; i++)
        CHECK(find(&elements[i]) == &elements[ELEMENTS - 1]);
    for (int i = 0; i < ELEMENTS; i++)
        drop(elements[i].generator);
    return NULL;
}

static void test_generator_cases_disjoint_sets(void **state)
{
    (void)state;
    wt_over_few_workers(unite, NULL);
}

/* ---- the sieve: a chain that grows by one generator for each prime ---- */

static void *integers_from(void *arg)
{
    for (intptr_t i = (intptr_t)arg;; i++) {
        if (yield_or_end(NUMBER(i)))
            return NULL;
    }
}

typedef struct filter {
    int divisor;
    weft_gen *in;
} filter;

static void *exclude_multiples(void *arg)
{
    filter f = *(filter *)arg;
    WEFT_GEN_FOREACH (value, f.in) {
        if (number(value) % f.divisor != 0 && yield_or_end(value))
            break;
    }
    drop(f.in);
    return NULL;
}

static void *sieve(void *arg)
{
    weft_gen *in = arg;
    void *prime = NULL;
    CHECK_INT(weft_gen_next(in, &prime), 1);
    if (yield_or_end(prime)) {
        drop(in);
        return NULL;
    }
    filter f = {number(prime), in};
    weft_gen *rest = make(sieve, make(exclude_multiples, &f));
    WEFT_GEN_FOREACH (value, rest) {
        if (yield_or_end(value))
            break;
    }
    drop(rest);
    return NULL;
}

static void *find_primes(void *arg)
{
    (void)arg;
    weft_gen *g = make(integers_from, NUMBER(5));
    EXPECT(g, 5, 6, 7, 8, 9, 10, 11);
    drop(g);
    filter f = {3, make(integers_from, NUMBER(1))};
    g = make(exclude_multiples, &f);
    EXPECT(g, 1, 2, 4, 5, 7, 8);
    drop(g);
    g = make(sieve, make(integers_from, NUMBER(2)));
    EXPECT(g, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71);
    drop(g); /* some forty of them, from the outermost one */
    return NULL;
}

static void test_generator_cases_sieve_is_dropped_as_a_whole(void **state)
{
    (void)state;
    wt_over_few_workers(find_primes, NULL);
}

/* ---- numbers of the form 2^i 3^j 5^k: generators that feed on their own output ---- */

enum { LAZY = 128 };

typedef struct lazy {
    weft_gen *source;
    int count;
    int sofar[LAZY];
} lazy;

static int lazy_get(lazy *l, int i)
{
    while (i >= l->count) {
        void *value = NULL;
        if (!CHECK_INT(weft_gen_next(l->source, &value), 1))
            return 0;
        l->sofar[l->count++] = number(value);
    }
    return l->sofar[i];
}

/* The smallest of the multiples of what was made so far; the list grows while its source looks into it. */
static void *hamming(void *arg)
{
    lazy *own = arg;
    int at[3] = {0}, factor[3] = {2, 3, 5};
    if (yield_or_end(NUMBER(1)))
        return NULL;
    for (;;) {
        int least = 0;
        for (int i = 0; i < 3; i++) {
            int candidate = factor[i] * lazy_get(own, at[i]);
            if (least == 0 || candidate < least)
                least = candidate;
        }
        for (int i = 0; i < 3; i++)
            at[i] += factor[i] * lazy_get(own, at[i]) == least;
        if (yield_or_end(NUMBER(least)))
            return NULL;
    }
}

static void *fibonacci(void *arg)
{
    lazy *own = arg;
    if (yield_or_end(NUMBER(1)) || yield_or_end(NUMBER(2)))
        return NULL;
    for (int i = 0;; i++) {
        if (yield_or_end(NUMBER(lazy_get(own, i) + lazy_get(own, i + 1))))
            return NULL;
    }
}

static void expect_lazily(weft_fn *fn, int from, int n, const int *values)
{
    lazy l = {.count = 0};
    l.source = make(fn, &l);
    for (int i = 0; i < n; i++)
        CHECK_INT(lazy_get(&l, from + i), values[i]);
    drop(l.source);
}

static void *feed_on_itself(void *arg)
{
    static const int hammings[] = {400, 405, 432, 450, 480, 486, 500, 512, 540, 576, 600, 625, 640, 648, 675};
    static const int sums[] = {1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584};
    (void)arg;
    expect_lazily(hamming, 60, 15, hammings);
    expect_lazily(fibonacci, 0, 17, sums);
    return NULL;
}

static void test_generator_cases_lists_that_feed_on_themselves(void **state)
{
    (void)state;
    wt_over_few_workers(feed_on_itself, NULL);
}

/* ---- backtracking: a generator for each level, made for the choices of those before it ---- */

enum { QUEENS = 8 };

typedef struct board {
    int row, column[QUEENS];
    unsigned columns, up, down;
} board;

/* Try all columns of this row, and for each that is free all that is below. */
static void *place(void *arg)
{
    board b = *(board *)arg;
    if (b.row == QUEENS) {
        weft_gen_yield(b.column);
        return NULL;
    }
    for (int c = 0; c < QUEENS; c++) {
        unsigned column = 1u << c, up = 1u << (b.row + c), down = 1u << (b.row - c + QUEENS);
        if ((b.columns & column) || (b.up & up) || (b.down & down))
            continue;
        board next = b;
        next.column[next.row++] = c;
        next.columns |= column, next.up |= up, next.down |= down;
        weft_gen *below = make(place, &next);
        WEFT_GEN_FOREACH (solution, below) {
            if (yield_or_end(solution))
                break;
        }
        drop(below);
        if (weft_gen_error() != 0)
            return NULL;
    }
    return NULL;
}

static void *solve(void *arg)
{
    static const int first[QUEENS] = {0, 4, 7, 5, 2, 6, 1, 3}, second[QUEENS] = {0, 5, 7, 2, 6, 3, 1, 4};
    board empty = {0};
    int count = 0;
    (void)arg;
    weft_gen *g = make(place, &empty);
    WEFT_GEN_FOREACH (solution, g) {
        count++;
        if (count <= 2)
            CHECK_INT(memcmp(solution, count == 1 ? first : second, sizeof first), 0);
    }
    CHECK_INT(count, 92);
    drop(g);
    g = make(place, &empty); /* and left in the middle */
    WEFT_GEN_FOREACH (solution, g)
        break;
    expect_end(g);
    drop(g);
    return NULL;
}

static void test_generator_cases_queens(void **state)
{
    (void)state;
    wt_over_few_workers(solve, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator_cases_end_by_falling_off_and_by_return),
        cmocka_unit_test(test_generator_cases_cannot_be_resumed_while_running),
        cmocka_unit_test(test_generator_cases_errors_of_the_body_come_out_once),
        cmocka_unit_test(test_generator_cases_throw_is_caught_or_terminates),
        cmocka_unit_test(test_generator_cases_error_is_kept_raised_again_and_replaced),
        cmocka_unit_test(test_generator_cases_yield_is_an_expression),
        cmocka_unit_test(test_generator_cases_close_and_finalise),
        cmocka_unit_test(test_generator_cases_one_that_holds_itself_is_finalised),
        cmocka_unit_test(test_generator_cases_error_goes_to_the_innermost),
        cmocka_unit_test(test_generator_cases_trees_in_order),
        cmocka_unit_test(test_generator_cases_combinations),
        cmocka_unit_test(test_generator_cases_disjoint_sets),
        cmocka_unit_test(test_generator_cases_sieve_is_dropped_as_a_whole),
        cmocka_unit_test(test_generator_cases_lists_that_feed_on_themselves),
        cmocka_unit_test(test_generator_cases_queens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
