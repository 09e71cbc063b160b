#include "examples/crawl/save.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "weft.h"

enum {
    LONGEST = 200, /* leaves room below the 255 bytes of most file systems for the hash */
};

/* FNV-1a */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

void save_name(const struct url *url, char name[SAVE_NAME_SIZE])
{
    size_t length = 0;
    for (const char *p = url->text + URL_HOST; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (length > LONGEST) {
            snprintf(name + length, SAVE_NAME_SIZE - length, "+%016llx", (unsigned long long)hash_of(url->text));
            return;
        }
        if (c == '/')
            name[length++] = '+';
        else if (c < 0x80 && (isalnum(c) || strchr(".-_", c)) && (length > 0 || c != '.'))
            name[length++] = (char)c;
        else
            length += (size_t)snprintf(name + length, SAVE_NAME_SIZE - length, "%%%02X", c);
    }
    name[length] = '\0';
}

static __attribute__((noinline)) int make_folder(const char *path)
{
    return mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
}

int save_open_folder(const char *path)
{
    int error = make_folder(path);
    return error ? error : weft_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

int save_page(int folder, const struct url *url, const struct buffer *body)
{
    char name[SAVE_NAME_SIZE];
    save_name(url, name);
    int fd = weft_openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return fd;
    ssize_t written = weft_write_full(fd, body->data, body->length);
    int error = weft_close(fd);
    return written < 0 ? (int)written : error;
}
