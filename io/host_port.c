/* Taking "host:port" apart, strictly: what is not understood is refused, never guessed. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/resolve.h"

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    int saved = errno;
    bool numeric = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    errno = saved;
    return numeric;
}

/* 0 … 65535 in decimal, at most five digits, nothing else. */
static int take_port(wf_host_port *result, const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length >= sizeof result->port || strspn(text, "0123456789") != length)
        return -EINVAL;
    unsigned value = 0;
    for (size_t i = 0; i < length; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    if (value > 65535)
        return -EINVAL;
    memcpy(result->port, text, length + 1);
    return 0;
}

static int take_host(wf_host_port *result, const char *text, size_t length)
{
    if (length >= sizeof result->host)
        return -EINVAL;
    memcpy(result->host, text, length);
    result->host[length] = '\0';
    result->any = length == 0 || strcmp(result->host, "*") == 0;
    result->numeric = !result->any && is_numeric(result->host);
    return 0;
}

/* "[v6]:port"; the zone of a link-local address ("%eth0") may follow inside the brackets. */
static int parse_bracketed(wf_host_port *result, const char *text)
{
    const char *end = strchr(text, ']');
    if (end == NULL || end[1] != ':' || take_host(result, text + 1, (size_t)(end - text - 1)) < 0)
        return -EINVAL;
    char plain[sizeof result->host];
    strcpy(plain, result->host);
    plain[strcspn(plain, "%")] = '\0';
    if (strchr(plain, ':') == NULL || !is_numeric(plain))
        return -EINVAL;
    result->numeric = true;
    return take_port(result, end + 2);
}

int wf_host_port_parse(wf_host_port *result, const char *text)
{
    memset(result, 0, sizeof *result);
    if (text == NULL)
        return -EINVAL;
    if (text[0] == '[')
        return parse_bracketed(result, text);
    const char *colon = strchr(text, ':');
    if (colon == NULL || strpbrk(text, " \t\r\n[]%/") != NULL)
        return -EINVAL;
    if (take_host(result, text, (size_t)(colon - text)) < 0)
        return -EINVAL;
    return take_port(result, colon + 1); /* a second colon is no digit: v6 addresses need brackets */
}
