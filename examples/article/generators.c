/* Producer and consumer in one thread, as generators, in both forms: a producer that the consumer asks for values, and a
 * consumer that the producer sends values to. Each runs until it has nothing to do, and goes on where it stopped. */
#include <stdio.h>
#include <weft.h>

enum { ITEMS = 3 };

/* ---- the producer is a generator: it hands out items, one whenever it is asked ---- */

static void *produce(void *arg)
{
    (void)arg;
    for (intptr_t item = 1; item <= ITEMS; item++) {
        printf("[producer] made %td\n", item);
        weft_gen_yield((void *)item);
        if (weft_gen_error() != 0)
            return NULL;
    }
    return NULL;
}

static int ask_producer(void)
{
    weft_gen *producer = weft_gen_new(produce, NULL);
    if (producer == NULL)
        return weft_last_error();
    WEFT_GEN_FOREACH (item, producer) {
        printf("[consumer] took %td\n", (intptr_t)item);
    }
    return weft_gen_free(producer);
}

/* ---- the consumer is a generator: it is sent items, and answers each ---- */

static void *consume(void *arg)
{
    const char *answer = "ready";
    (void)arg;
    for (;;) {
        void *item = weft_gen_yield((void *)(uintptr_t)answer);
        if (weft_gen_error() != 0) {
            printf("[consumer] closed\n");
            return NULL;
        }
        printf("[consumer] consuming %td\n", (intptr_t)item);
        answer = "200 OK";
    }
}

static int send_to_consumer(void)
{
    void *answer = NULL;
    weft_gen *consumer = weft_gen_new(consume, NULL);
    if (consumer == NULL)
        return weft_last_error();
    weft_gen_next(consumer, &answer); /* to its first yield, where it can receive */
    for (intptr_t item = 1; item <= ITEMS; item++) {
        printf("[producer] producing %td\n", item);
        weft_gen_send(consumer, (void *)item, &answer);
        printf("[producer] consumer answered %s\n", (const char *)answer);
    }
    return weft_gen_free(consumer);
}

int main(void)
{
    int error = ask_producer();
    if (error == 0)
        error = send_to_consumer();
    return error == 0 ? 0 : 1;
}
