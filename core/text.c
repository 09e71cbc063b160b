/* Text put together in a buffer. See core/text.h. */
#include "core/text.h"

wf_text wf_text_in(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (wf_text){buffer, buffer, buffer + size - 1};
}

void wf_text_put(wf_text *text, const char *string)
{
    while (*string != '\0' && text->at < text->end)
        *text->at++ = *string++;
    *text->at = '\0';
}

static void put_number(wf_text *text, uint64_t number, unsigned base)
{
    char digits[21];
    char *at = digits + sizeof digits;
    *--at = '\0';
    do {
        *--at = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    wf_text_put(text, at);
}

void wf_text_put_decimal(wf_text *text, uint64_t number)
{
    put_number(text, number, 10);
}

void wf_text_put_hex(wf_text *text, uint64_t number)
{
    wf_text_put(text, "0x");
    put_number(text, number, 16);
}
