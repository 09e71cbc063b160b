/* Two functions that switch to each other in their middle: prints 12, 56, 34, 78. */
#include <stdio.h>
#include <weft.h>

static weft_co *first, *second;

static void *test1(void *arg)
{
    puts("12");
    weft_co_switch(second, NULL);
    puts("34");
    weft_co_switch(second, NULL);
    return arg;
}

static void *test2(void *arg)
{
    puts("56");
    weft_co_switch(first, NULL);
    puts("78");
    return arg; /* its parent goes on: main */
}

int main(void)
{
    first = weft_co_new(test1, NULL);
    second = weft_co_new(test2, NULL);
    if (first == NULL || second == NULL)
        return 1;
    weft_co_switch(first, NULL);
    /* The first one stands in its second switch still; it is told to end. */
    return weft_co_free(first) == 0 && weft_co_free(second) == 0 ? 0 : 1;
}
