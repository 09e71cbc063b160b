/* core/inbox: order, and that nothing is lost between senders and the receiver. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/inbox.h"

enum { SENDERS = 3, EACH = 200000 };

typedef struct letter {
    wf_inbox_node node; /* first, so that the node's address is the letter's */
    int sender;
    int number;
} letter;

static wf_inbox box;
static letter *letters;
static _Atomic(int) first_ones; /* sends that found it empty */

static void test_inbox_arrives_in_the_order_of_sending(void **state)
{
    (void)state;
    wf_inbox one = {NULL};
    letter mail[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    assert_true(wf_inbox_is_empty(&one));
    assert_null(wf_inbox_take(&one));
    assert_true(wf_inbox_send(&one, &mail[0].node));
    assert_false(wf_inbox_send(&one, &mail[1].node));
    assert_false(wf_inbox_send(&one, &mail[2].node));
    assert_false(wf_inbox_is_empty(&one));
    wf_inbox_node *node = wf_inbox_take(&one);
    for (int i = 0; i < 3; i++, node = node->next)
        assert_ptr_equal(node, &mail[i].node);
    assert_null(node);
    assert_true(wf_inbox_is_empty(&one));
    assert_true(wf_inbox_send(&one, &mail[0].node));
}

static void *send_all(void *arg)
{
    int sender = (int)(intptr_t)arg;
    for (int i = 0; i < EACH; i++) {
        letter *mail = &letters[sender * EACH + i];
        mail->sender = sender;
        mail->number = i;
        if (wf_inbox_send(&box, &mail->node))
            wf_fetch_add_relaxed(&first_ones, 1);
    }
    return NULL;
}

static void test_inbox_senders_lose_nothing_and_keep_their_order(void **state)
{
    (void)state;
    letters = calloc(SENDERS * EACH, sizeof *letters);
    assert_non_null(letters);
    pthread_t threads[SENDERS];
    for (intptr_t i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, (void *)i), 0);
    int next[SENDERS] = {0};
    int received = 0;
    int batches = 0;
    bool in_order = true;
    while (received < SENDERS * EACH) {
        wf_inbox_node *node = wf_inbox_take(&box);
        batches += node != NULL;
        for (; node != NULL; received++) {
            letter *mail = (letter *)node;
            node = node->next;
            in_order = in_order && mail->number == next[mail->sender]++;
        }
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(in_order);
    assert_null(wf_inbox_take(&box));
    /* Each batch had exactly one send that was told to wake the receiver. */
    assert_int_equal(first_ones, batches);
    free(letters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inbox_arrives_in_the_order_of_sending),
        cmocka_unit_test(test_inbox_senders_lose_nothing_and_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
