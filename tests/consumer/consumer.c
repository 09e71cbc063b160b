/* A program as a user would write one: a child sends what it was told to over a channel, and is joined. */
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

int main(void)
{
    int sum = 0;
    void *result = NULL;
    int error = weft_run(consume, &sum, &result);
    if (error != 0 || result != &sum) {
        fprintf(stderr, "weft_run: %s\n", strerror(-error));
        return 1;
    }
    error = weft_stop(WEFT_NEVER);
    printf("weft %s: sum %d, stop %d\n", weft_version(), sum, error);
    return sum == 55 && error == 0 ? 0 : 1;
}
