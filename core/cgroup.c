/* Finding the CPU quota.
 *
 * /proc/self/cgroup says which group of each hierarchy the process is in: `0::/path` for version 2, `4:cpu,cpuacct:/path`
 * for version 1. /proc/self/mountinfo says where that hierarchy is mounted, and which group of it lies at the mount point:
 * not always the top one, since a container may see only its own part. From the process's folder up to the mount point,
 * each group's quota holds for all below, so the least one counts. What cannot be read sets no limit.
 *
 * Both versions may be mounted at once, each with controllers of its own (hybrid); both are looked at.
 */
#include "core/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

typedef struct hierarchy {
    bool version2;
    char path[PATH_MAX];   /* group of the process, from /proc/self/cgroup; "": not in one */
    char mount[PATH_MAX];  /* mount point; "": not mounted */
    char hidden[PATH_MAX]; /* the group at the mount point: the part of `path` that the mount leaves out */
} hierarchy;

/* ---- reading ---- */

static FILE *open_file(const char *root, const char *folder, const char *name)
{
    char path[3 * PATH_MAX];
    int length = snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    return length > 0 && (size_t)length < sizeof path ? fopen(path, "re") : NULL;
}

/* The first words of a file, split at blanks; how many there were (0: no such file). */
static int read_words(const char *root, const char *folder, const char *name, char *first, char *second)
{
    FILE *file = open_file(root, folder, name);
    if (file == NULL)
        return 0;
    int words = fscanf(file, "%31s %31s", first, second);
    fclose(file);
    return words < 0 ? 0 : words;
}

/* Is `word` among the words of a list separated by commas? */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == 0))
            return true;
    }
    return false;
}

/* Copy a path of mountinfo, where blanks and the like stand as \040. Too long: "". */
static void copy_path(char *to, const char *from)
{
    size_t length = 0;
    for (; *from != 0 && length < PATH_MAX - 1; length++) {
        unsigned octal;
        if (from[0] == '\\' && sscanf(from + 1, "%3o", &octal) == 1) {
            to[length] = (char)octal;
            from += 4;
        } else {
            to[length] = *from++;
        }
    }
    to[*from == 0 ? length : 0] = 0;
}

/* ---- where the group is ---- */

/* `hierarchy-ID:controller-list:path`; the list is empty for version 2. */
static void parse_group(hierarchy *found, char *text)
{
    char *controllers = strchr(text, ':');
    char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL)
        return;
    *controllers++ = 0;
    *path++ = 0;
    bool match = found->version2 ? controllers[0] == 0 : has_word(controllers, "cpu");
    if (match && strlen(path) < sizeof found->path)
        strcpy(found->path, path);
}

/* `id parent dev root mount-point options optional… - type source super-options`. The first mount counts. */
static void parse_mount(hierarchy *found, char *text)
{
    char *words[6];
    char *rest = text;
    for (int i = 0; i < 6; i++)
        if ((words[i] = strsep(&rest, " ")) == NULL)
            return;
    char *tail = rest == NULL ? NULL : strncmp(rest, "- ", 2) == 0 ? rest + 2 : strstr(rest, " - ");
    if (tail == NULL)
        return;
    tail += *tail == ' ' ? 3 : 0;
    const char *type = strsep(&tail, " ");
    strsep(&tail, " "); /* source */
    bool match = found->version2 ? strcmp(type, "cgroup2") == 0
                                 : strcmp(type, "cgroup") == 0 && tail != NULL && has_word(tail, "cpu");
    if (!match || found->mount[0] != 0)
        return;
    copy_path(found->hidden, words[3]);
    copy_path(found->mount, words[4]);
}

static void each_line(hierarchy *found, const char *root, const char *name, void (*parse)(hierarchy *, char *))
{
    FILE *file = open_file(root, "/proc/self", name);
    if (file == NULL)
        return;
    char *text = NULL;
    size_t room = 0;
    while (getline(&text, &room, file) > 0) {
        text[strcspn(text, "\n")] = 0;
        parse(found, text);
    }
    free(text);
    fclose(file);
}

/* The part of the group's path below the mount point; "" when the mount does not show the group (another namespace's). */
static const char *visible_path(const hierarchy *found)
{
    size_t length = strlen(found->hidden);
    if (strcmp(found->hidden, "/") == 0)
        length = 0;
    bool below =
        strncmp(found->path, found->hidden, length) == 0 && (found->path[length] == '/' || found->path[length] == 0);
    bool outside = strncmp(found->path, "/..", 3) == 0;
    return below && !outside ? found->path + length : "";
}

/* ---- quotas ---- */

static double quota_of(const hierarchy *found, const char *root, const char *folder)
{
    char quota[32] = "";
    char period[32] = "";
    if (found->version2) {
        if (read_words(root, folder, "cpu.max", quota, period) < 2) /* "max 100000" or "150000 100000" */
            return 0;
    } else if (read_words(root, folder, "cpu.cfs_quota_us", quota, period) < 1 || /* -1: none */
               read_words(root, folder, "cpu.cfs_period_us", period, (char[32]){0}) < 1) {
        return 0;
    }
    double of = strtod(period, NULL);
    double time = quota[0] >= '0' && quota[0] <= '9' ? strtod(quota, NULL) : 0;
    return of > 0 && time > 0 ? time / of : 0;
}

/* Cut the last part of a folder off. False: it is the mount point already. */
static bool go_up(char *folder, size_t mount_length)
{
    char *slash = strrchr(folder + mount_length, '/');
    if (slash == NULL)
        return false;
    *slash = 0;
    return true;
}

static double least_quota(hierarchy *found, const char *root)
{
    each_line(found, root, "cgroup", parse_group);
    each_line(found, root, "mountinfo", parse_mount);
    if (found->path[0] == 0 || found->mount[0] == 0)
        return 0;
    char folder[2 * PATH_MAX];
    snprintf(folder, sizeof folder, "%s%s", found->mount, visible_path(found));
    size_t mount_length = strlen(found->mount);
    double least = 0;
    do {
        double quota = quota_of(found, root, folder);
        if (quota > 0 && (least <= 0 || quota < least))
            least = quota;
    } while (go_up(folder, mount_length));
    return least;
}

unsigned wf_cgroup_cpus(const char *root)
{
    int saved = errno;
    double least = 0;
    for (int version2 = 0; version2 <= 1; version2++) {
        hierarchy *found = wf_alloc(sizeof *found);
        if (found == NULL)
            break;
        found->version2 = version2 == 1;
        double quota = least_quota(found, root);
        if (quota > 0 && (least <= 0 || quota < least))
            least = quota;
        wf_free(found);
    }
    errno = saved;
    if (least <= 0)
        return 0;
    if (least >= INT_MAX)
        return INT_MAX;
    unsigned whole = (unsigned)least;
    return whole + (least > whole);
}
