/* The configuration: defaults, environment, check and print, all from one table of settings.
 *
 * Parsing is strict: a number is digits and nothing else, a word is one of those listed. What cannot be understood is never
 * guessed at, it is described on stderr with what was expected, and the start ends with -EINVAL. All mistakes are reported at once.
 *
 * Each field has a source (default or environment) from when it was filled in. A program changes fields without telling, so a
 * field counts as the program's when its value is not the one that its source gave; what the environment gave is kept for that.
 */
#include "sched/config.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lock.h"
#include "core/stack.h"
#include "core/write.h"
#include "sched/worker.h"

enum kind { NUMBER, POWER_OF_TWO, SIZE, WORD, SWITCH, SIGNAL };

/* Values of weft_config.source. A program that fills in a configuration without weft_config_default leaves FROM_PROGRAM. */
enum { FROM_PROGRAM, FROM_DEFAULT, FROM_ENVIRONMENT };

typedef struct setting {
    const char *name;     /* of the field */
    const char *variable; /* of the environment */
    size_t offset;        /* of the field */
    enum kind kind;
    int64_t least, most;      /* NUMBER, POWER_OF_TWO, SIZE, WORD (index of the last one) */
    int64_t usual;            /* the default */
    const char *const *words; /* WORD: by value */
    const char *what;         /* "is not …": what the value should be */
    const char *expected;     /* "expected …" */
    const char *automatic;    /* what 0 stands for where that is outside the bounds, or NULL */
} setting;

static const char *const io_words[] = {"auto", "uring", "epoll"};
static const char *const pin_words[] = {"none", "core"};
static const char *const guard_words[] = {"auto", "madvise", "mprotect", "none"};
static const char *const deadlock_words[] = {"error", "report", "off"};
static const char *const log_words[] = {"off", "error", "warn", "info", "debug"};

#define FIELD(field) .name = #field, .offset = offsetof(weft_config, field)
#define WORDS(list) .kind = WORD, .words = (list), .most = sizeof(list) / sizeof(*(list)) - 1

/* In the order of weft_config; the place in this table is the place in weft_config.source. */
static const setting settings[] = {
    {FIELD(threads), .variable = "WEFT_THREADS", .kind = NUMBER, .least = 1, .most = WF_WORKERS_MAX, .usual = 0,
     .what = "a number of workers", .expected = "1 to 1024", .automatic = "one per CPU"},
    {FIELD(stack_size), .variable = "WEFT_STACK_SIZE", .kind = SIZE, .least = 16 << 10, .most = 8 << 20,
     .usual = 256 << 10, .what = "a stack size", .expected = "16K to 8M, with K, M or no suffix"},
    {FIELD(io), .variable = "WEFT_IO", WORDS(io_words), .usual = WEFT_IO_AUTO, .what = "a kind of event source",
     .expected = "auto, uring or epoll"},
    {FIELD(pin), .variable = "WEFT_PIN", WORDS(pin_words), .usual = WEFT_PIN_NONE, .what = "a way to pin workers",
     .expected = "none or core"},
    {FIELD(spin_us), .variable = "WEFT_SPIN_US", .kind = NUMBER, .least = 0, .most = 10000, .usual = 50,
     .what = "a spin time in microseconds", .expected = "0 to 10000"},
    {FIELD(ring_entries), .variable = "WEFT_RING_ENTRIES", .kind = POWER_OF_TWO, .least = 8, .most = 32768,
     .usual = 256, .what = "a number of ring entries", .expected = "a power of two, 8 to 32768"},
    {FIELD(offload_threads), .variable = "WEFT_OFFLOAD_THREADS", .kind = NUMBER, .least = 1, .most = 4096, .usual = 64,
     .what = "a number of offload threads", .expected = "1 to 4096"},
    {FIELD(monitor_ms), .variable = "WEFT_MONITOR_MS", .kind = NUMBER, .least = 0, .most = 60000, .usual = 10,
     .what = "a time in milliseconds for the monitor", .expected = "1 to 60000, or 0 for none"},
    {FIELD(stack_guard), .variable = "WEFT_STACK_GUARD", WORDS(guard_words), .usual = WEFT_GUARD_AUTO,
     .what = "a kind of stack guard", .expected = "auto, madvise, mprotect or none"},
    {FIELD(log), .variable = "WEFT_LOG", WORDS(log_words), .usual = WEFT_LOG_OFF, .what = "a log level",
     .expected = "off, error, warn, info or debug"},
    {FIELD(print_config), .variable = "WEFT_PRINT_CONFIG", .kind = SWITCH, .least = 0, .most = 1, .usual = 0,
     .what = "yes or no", .expected = "1 or 0"},
    {FIELD(dump_signal), .variable = "WEFT_DUMP_SIGNAL", .kind = SIGNAL, .usual = 0,
     .what = "a signal that a program may use", .expected = "a name such as USR1, a number, or 0 for none"},
    {FIELD(deadlock), .variable = "WEFT_DEADLOCK", WORDS(deadlock_words), .usual = WEFT_DEADLOCK_ERROR,
     .what = "a way to treat deadlocks", .expected = "error, report or off"},
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static_assert(SETTINGS <= sizeof(((weft_config *)NULL)->source), "each setting has its place in weft_config.source");
static_assert(sizeof(enum weft_io) == sizeof(unsigned) && sizeof(int) == sizeof(unsigned),
              "read_field takes all as unsigned");

/* What weft_config_from_env returned last, to tell the environment's values from the program's. */
static struct {
    wf_lock lock;
    weft_config config; /* lock */
} from_environment;

/* ---- one field ---- */

static int64_t read_field(const weft_config *config, const setting *s)
{
    const char *field = (const char *)config + s->offset;
    unsigned value;
    size_t size;
    switch (s->kind) {
    case SIZE:
        memcpy(&size, field, sizeof(size));
        return size <= INT64_MAX ? (int64_t)size : INT64_MAX;
    case SWITCH:
        return *(const unsigned char *)field;
    case SIGNAL:
        memcpy(&value, field, sizeof(value));
        return (int)value;
    default:
        memcpy(&value, field, sizeof(value));
        return value;
    }
}

static void write_field(weft_config *config, const setting *s, int64_t value)
{
    char *field = (char *)config + s->offset;
    unsigned narrow = (unsigned)value;
    size_t size = (size_t)value;
    switch (s->kind) {
    case SIZE:
        memcpy(field, &size, sizeof(size));
        return;
    case SWITCH:
        *(bool *)field = value != 0;
        return;
    default:
        memcpy(field, &narrow, sizeof(narrow));
    }
}

/* Those that a handler may take without getting in the way of faults, of the kernel or of weft itself. */
static bool is_usable_signal(int64_t number)
{
    static const int taken[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGURG, SIGCHLD};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (number == taken[i])
            return false;
    }
    return (number >= 1 && number < 32) || (number >= SIGRTMIN && number <= SIGRTMAX);
}

static bool is_within_bounds(const setting *s, int64_t value)
{
    if (s->kind == SIGNAL)
        return value == 0 || is_usable_signal(value);
    if (s->kind == POWER_OF_TWO && (value & (value - 1)) != 0)
        return false;
    return value >= s->least && value <= s->most;
}

/* ---- text to value ---- */

/* Digits and nothing else; `end` is where they stop. False: no digit, or too large. */
static bool parse_digits(const char *text, const char **end, int64_t *value)
{
    *value = 0;
    for (*end = text; **end >= '0' && **end <= '9'; ++*end) {
        if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, **end - '0', value))
            return false;
    }
    return *end > text;
}

static bool parse_number(const char *text, int64_t *value)
{
    const char *end;
    return parse_digits(text, &end, value) && *end == '\0';
}

static bool parse_size(const char *text, int64_t *value)
{
    const char *end;
    int64_t unit = 1;
    if (!parse_digits(text, &end, value))
        return false;
    if (*end == 'K' || *end == 'k')
        unit = 1 << 10;
    else if (*end == 'M' || *end == 'm')
        unit = 1 << 20;
    if (unit > 1)
        end++;
    return *end == '\0' && !__builtin_mul_overflow(*value, unit, value);
}

static bool parse_word(const setting *s, const char *text, int64_t *value)
{
    for (*value = 0; *value <= s->most; ++*value) {
        if (strcmp(text, s->words[*value]) == 0)
            return true;
    }
    return false;
}

static bool parse_signal(const char *text, int64_t *value)
{
    if (parse_number(text, value))
        return true;
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    for (*value = 1; *value < 32; ++*value) {
        const char *name = sigabbrev_np((int)*value);
        if (name != NULL && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

static bool parse(const setting *s, const char *text, int64_t *value)
{
    switch (s->kind) {
    case SIZE:
        return parse_size(text, value);
    case WORD:
        return parse_word(s, text, value);
    case SIGNAL:
        return parse_signal(text, value);
    default:
        return parse_number(text, value);
    }
}

/* ---- mistakes ---- */

/* `zero`: what one writes, where the mistake was made, to get what is automatic. */
static void complain(const char *where, const char *value, const setting *s, const char *zero)
{
    if (s->automatic != NULL)
        wf_complain("%s=%.100s is not %s (expected %s, or %s for %s)", where, value, s->what, s->expected, zero,
                    s->automatic);
    else
        wf_complain("%s=%.100s is not %s (expected %s)", where, value, s->what, s->expected);
}

static bool check_field(const weft_config *config, const setting *s)
{
    int64_t value = read_field(config, s);
    if (is_within_bounds(s, value) || (s->automatic != NULL && value == 0))
        return true;
    char where[64], text[32];
    snprintf(where, sizeof(where), "weft_config.%s", s->name);
    snprintf(text, sizeof(text), "%lld", (long long)value);
    complain(where, text, s, "0");
    return false;
}

int wf_config_check(const weft_config *config)
{
    int saved = errno, result = 0; /* snprintf may set errno */
    for (int i = 0; i < SETTINGS; i++) {
        if (!check_field(config, &settings[i]))
            result = -EINVAL;
    }
    errno = saved;
    return result;
}

/* ---- filling in ---- */

int weft_config_default(weft_config *config)
{
    if (config == NULL)
        return -EINVAL;
    memset(config, 0, sizeof(*config));
    for (int i = 0; i < SETTINGS; i++) {
        write_field(config, &settings[i], settings[i].usual);
        config->source[i] = FROM_DEFAULT;
    }
    return 0;
}

/* 0 also when the variable is not set. */
static int take_from_environment(weft_config *config, int index)
{
    const setting *s = &settings[index];
    const char *text = secure_getenv(s->variable);
    if (text == NULL)
        return 0;
    int64_t value;
    if (!parse(s, text, &value) || !is_within_bounds(s, value)) {
        complain(s->variable, text, s, "unset");
        return -EINVAL;
    }
    write_field(config, s, value);
    config->source[index] = FROM_ENVIRONMENT;
    return 0;
}

int weft_config_from_env(weft_config *config)
{
    int result = weft_config_default(config);
    if (result < 0)
        return result;
    for (int i = 0; i < SETTINGS; i++) {
        if (take_from_environment(config, i) < 0)
            result = -EINVAL;
    }
    wf_lock_take(&from_environment.lock);
    from_environment.config = *config;
    wf_unlock(&from_environment.lock);
    return result;
}

/* ---- printing ---- */

/* What "auto" came to in the running runtime. NULL: the setting has no such choice, or it has not been made. */
static const char *choice_made(const setting *s, char *buffer, size_t size)
{
    enum wf_stack_guard guard = wf_stack_guard_in_use();
    switch (s->offset) {
    case offsetof(weft_config, threads):
        snprintf(buffer, size, "%u", wf_rt.count);
        return buffer;
    case offsetof(weft_config, io):
        return wf_rt.driver != NULL ? wf_rt.driver->name : NULL;
    case offsetof(weft_config, stack_guard):
        return guard != WF_GUARD_AUTO ? guard_words[guard] : NULL;
    default:
        return NULL;
    }
}

/* A value as its variable takes it. */
static void format_value(const setting *s, int64_t value, char *buffer, size_t size)
{
    const char *name = s->kind == SIGNAL && value > 0 && value < 32 ? sigabbrev_np((int)value) : NULL;
    if (name != NULL)
        snprintf(buffer, size, "SIG%s", name);
    else if (s->kind == WORD && value >= 0 && value <= s->most)
        snprintf(buffer, size, "%s", s->words[value]);
    else if (s->automatic != NULL && value == 0)
        snprintf(buffer, size, "auto");
    else if (s->kind == SIZE && value >= 1 << 20 && value % (1 << 20) == 0)
        snprintf(buffer, size, "%lldM", (long long)value >> 20);
    else if (s->kind == SIZE && value >= 1 << 10 && value % (1 << 10) == 0)
        snprintf(buffer, size, "%lldK", (long long)value >> 10);
    else
        snprintf(buffer, size, "%lld", (long long)value);
}

static int source_of(const weft_config *config, int index)
{
    int64_t value = read_field(config, &settings[index]), given;
    switch (config->source[index]) {
    case FROM_DEFAULT:
        return value == settings[index].usual ? FROM_DEFAULT : FROM_PROGRAM;
    case FROM_ENVIRONMENT:
        wf_lock_take(&from_environment.lock);
        given = read_field(&from_environment.config, &settings[index]);
        wf_unlock(&from_environment.lock);
        return value == given ? FROM_ENVIRONMENT : FROM_PROGRAM;
    default:
        return FROM_PROGRAM;
    }
}

/* One line of the table. Returns its length. */
static size_t format_setting(const weft_config *config, int index, bool running, char *line, size_t size)
{
    const setting *s = &settings[index];
    char value[64], buffer[16];
    format_value(s, read_field(config, s), value, sizeof(value));
    const char *made = running && strcmp(value, "auto") == 0 ? choice_made(s, buffer, sizeof(buffer)) : NULL;
    if (made != NULL)
        snprintf(value, sizeof(value), "%s (auto)", made);
    int source = source_of(config, index);
    const char *from = source == FROM_DEFAULT ? "default" : source == FROM_ENVIRONMENT ? "environment " : "program";
    return (size_t)snprintf(line, size, "%-16s %-16s %s%s\n", s->name, value, from,
                            source == FROM_ENVIRONMENT ? s->variable : "");
}

static int print(const weft_config *config, bool running, int fd)
{
    int saved = errno; /* snprintf may set it */
    char text[2048];
    size_t length = (size_t)snprintf(text, sizeof(text), "%-16s %-16s %s\n", "setting", "value", "from");
    for (int i = 0; i < SETTINGS; i++)
        length += format_setting(config, i, running, text + length, sizeof(text) - length);
    errno = saved;
    return wf_write_all(fd, text, length);
}

int weft_config_print(const weft_config *config, int fd)
{
    if (config != NULL)
        return print(config, false, fd);
    /* ORDER(phase): pairs with weft_start: the configuration and the choices were written before the runtime was on. */
    return wf_load_acquire(&wf_rt.phase) < WF_RUNTIME_ON ? -ESRCH : print(&wf_rt.config, true, fd);
}
