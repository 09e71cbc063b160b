/* A program as a user would write one: a child sends what it was told to over a channel, and is joined; another sum is made by
 * fork and sync, whose inline parts refer to the library's thread-local variable. */
#include <stdio.h>
#include <string.h>

#include <weft.h>

static void *produce(void *arg)
{
    weft_chan *numbers = arg;
    for (int i = 1; i <= 10; i++) {
        int error = weft_chan_send(numbers, &i);
        if (error != 0)
            fprintf(stderr, "send: %s\n", strerror(-error));
    }
    weft_chan_close(numbers);
    return NULL;
}

static void *consume(void *arg)
{
    int *sum = arg;
    weft_chan *numbers = weft_chan_new(sizeof(int), 0);
    if (numbers == NULL)
        return NULL;
    weft_t *producer = weft_spawn(produce, numbers);
    if (producer != NULL) {
        int number;
        while (weft_chan_recv(numbers, &number) == 0)
            *sum += number;
        weft_join(producer, NULL);
    }
    weft_chan_free(numbers);
    return sum;
}

struct range {
    int from, to, sum;
};

static void *add_up(void *arg)
{
    struct range *r = arg;
    if (r->to - r->from == 1) {
        r->sum = r->from;
        return NULL;
    }
    struct range lower = {r->from, (r->from + r->to) / 2, 0}, upper = {lower.to, r->to, 0};
    weft_task task;
    if (weft_fork(&task, add_up, &upper) != 0)
        return NULL;
    add_up(&lower);
    if (weft_sync(&task) == 0)
        r->sum = lower.sum + upper.sum;
    return r;
}

int main(void)
{
    struct range range = {0, 1000, 0};
    int sum = 0;
    void *result = NULL;
    int error = weft_run(consume, &sum, &result);
    if (error != 0 || result != &sum) {
        fprintf(stderr, "weft_run: %s\n", strerror(-error));
        return 1;
    }
    error = weft_run(add_up, &range, &result);
    if (error != 0 || result != &range) {
        fprintf(stderr, "weft_run: %s\n", strerror(-error));
        return 1;
    }
    error = weft_stop(WEFT_NEVER);
    printf("weft %s: sums %d and %d, stop %d\n", weft_version(), sum, range.sum, error);
    return sum == 55 && range.sum == 499500 && error == 0 ? 0 : 1;
}
