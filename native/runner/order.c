#include "order.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value_kind { TEXT, COUNT, BYTES, SECONDS, NUMBER, PAIR };

struct option {
    const char *name;
    enum value_kind kind;
    size_t offset;
    bool module_only;
    bool exec_only;
};

#define FIELD(field) offsetof(struct order, field)

static const struct option options[] = {
    { "--events", TEXT, FIELD(events_path), false, false },
    { "--stdout", TEXT, FIELD(stdout_prefix), false, false },
    { "--stderr", TEXT, FIELD(stderr_path), false, false },
    { "--messages", TEXT, FIELD(messages_path), false, false },
    { "--stdin", TEXT, FIELD(stdin_path), false, false },
    { "--name", TEXT, FIELD(name), false, false },
    { "--cwd", TEXT, FIELD(cwd), false, false },
    { "--launcher", TEXT, FIELD(launcher), false, true },
    { "--token", TEXT, FIELD(token), false, false },
    { "--dir", PAIR, FIELD(dirs), true, false },
    { "--env", PAIR, FIELD(env), false, false },
    { "--warmups", COUNT, FIELD(warmups), false, false },
    { "--repeats", COUNT, FIELD(repeats), false, false },
    { "--processes", COUNT, FIELD(processes), false, false },
    { "--timeout-s", SECONDS, FIELD(timeout_ns), false, false },
    { "--memory-bytes", BYTES, FIELD(memory_bytes), false, false },
    { "--output-bytes", BYTES, FIELD(output_bytes), false, false },
    { "--stack-bytes", BYTES, FIELD(stack_bytes), false, false },
    { "--cpu", NUMBER, FIELD(cpu), false, false },
    { "--lock-fd", NUMBER, FIELD(lock_fd), false, false },
};

static bool
complain(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("farm-runner: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    return false;
}

static bool
parse_whole(const char *text, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno || number > most)
        return false;
    *value = number;
    return true;
}

static bool
parse_seconds(const char *text, uint64_t *value_ns)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(seconds) || seconds <= 0 || seconds > 1e9)
        return false;
    *value_ns = (uint64_t)(seconds * 1e9);
    return true;
}

static bool
append(struct words *words, const char *word)
{
    const char **items = realloc(words->items, (words->count + 1) * sizeof(*items));
    if (!items)
        return complain("no memory for the arguments");
    items[words->count++] = word;
    words->items = items;
    return true;
}

static bool
store(struct order *order, const struct option *option, const char *text)
{
    void *field = (char *)order + option->offset;
    uint64_t number = 0;
    switch (option->kind) {
        case TEXT:
            *(const char **)field = text;
            return text[0] != '\0' || complain("%s is empty", option->name);
        case PAIR:
            if (text[0] == '=' || !strchr(text, '='))
                return complain("%s %s: it must be NAME=VALUE", option->name, text);
            return append(field, text);
        case SECONDS:
            return parse_seconds(text, field) || complain("%s %s: not a number of seconds", option->name, text);
        case BYTES:
            return parse_whole(text, INT64_MAX, field) || complain("%s %s: not a number", option->name, text);
        case COUNT:
            if (!parse_whole(text, 1000000000, &number))
                return complain("%s %s: not a number", option->name, text);
            *(uint32_t *)field = (uint32_t)number;
            return true;
        case NUMBER:
            if (!parse_whole(text, 1 << 20, &number))
                return complain("%s %s: not a number", option->name, text);
            *(int *)field = (int)number;
            return true;
    }
    return false;
}

static const struct option *
find_option(const char *name)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

static bool
parse_option(struct order *order, const char *name, const char *text)
{
    const struct option *option = find_option(name);
    if (!option)
        return complain("unknown option %s", name);
    if (option->module_only && order->mode != MODE_RUN)
        return complain("%s is for modules; a native program sees the folders as they are", name);
    if (option->exec_only && order->mode != MODE_EXEC)
        return complain("%s is for native programs", name);
    if (!text)
        return complain("%s needs a value", name);
    return store(order, option, text);
}

static bool
check_complete(struct order *order)
{
    if (!order->program)
        return complain("no program: end the options with -- PROGRAM [ARGS..]");
    if (!order->events_path || !order->stdout_prefix || !order->stderr_path)
        return complain("--events, --stdout and --stderr are needed");
    if (order->token && strlen(order->token) > 128)
        return complain("--token is longer than 128 characters");
    if (order->repeats == 0)
        return complain("--repeats must be at least 1");
    /* The upper bound is what WAMR is compiled for (APP_THREAD_STACK_SIZE_MAX), less the runner's own part. */
    if (order->mode == MODE_RUN && (order->stack_bytes < 128 << 10 || order->stack_bytes > 1000 << 20))
        return complain("--stack-bytes must be from 131072 to 1048576000");
    if (!order->name)
        order->name = order->program;
    return true;
}

bool
order_parse(struct order *order, enum order_mode mode, int argc, char **argv)
{
    *order = (struct order){ .mode = mode, .repeats = 1, .cpu = -1, .lock_fd = -1, .stack_bytes = 8 << 20, .cwd = "." };
    int i = 0;
    for (; i < argc && strcmp(argv[i], "--") != 0; i += 2)
        if (!parse_option(order, argv[i], i + 1 < argc ? argv[i + 1] : NULL))
            return false;
    if (i + 1 < argc)
        order->program = argv[i + 1];
    for (i += 2; i < argc; i++)
        if (!append(&order->args, argv[i]))
            return false;
    return check_complete(order);
}
