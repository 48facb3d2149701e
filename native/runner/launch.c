#include "launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The runner's own settings of qemu-user (QEMU_CPU, ..) go to the launcher, and it keeps them from the program. */
static void
add_launcher(const struct order *order, char **out)
{
    extern char **environ;
    static char name[512], hidden[1024] = "QEMU_UNSET_ENV=QEMU_ARGV0,QEMU_UNSET_ENV";
    size_t count = 0;
    snprintf(name, sizeof(name), "QEMU_ARGV0=%s", order->name);
    out[count++] = name;
    for (char **item = environ; *item; item++) {
        size_t length = strcspn(*item, "=");
        if (strncmp(*item, "QEMU_", 5) != 0 || strncmp(*item, "QEMU_ARGV0=", 11) == 0
            || strncmp(*item, "QEMU_UNSET_ENV=", 15) == 0 || strlen(hidden) + length + 2 > sizeof(hidden) || count > 30)
            continue;
        out[count++] = *item;
        snprintf(hidden + strlen(hidden), sizeof(hidden) - strlen(hidden), ",%.*s", (int)length, *item);
    }
    out[count] = hidden;
}

char **
launch_environment(const struct order *order)
{
    static char bench[32], token[160];
    char **out = calloc(order->env.count + 40, sizeof(*out));
    size_t count = 0;
    if (!out)
        return NULL;
    for (size_t i = 0; i < order->env.count; i++)
        out[count++] = (char *)order->env.items[i];
    snprintf(bench, sizeof(bench), "FARM_BENCH_FD=%d", LAUNCH_BENCH_FD);
    out[count++] = bench;
    if (order->token) {
        snprintf(token, sizeof(token), "FARM_ATTEMPT=%s", order->token);
        out[count++] = token;
    }
    if (order->launcher)
        add_launcher(order, out + count);
    return out;
}

char *
launch_path(const char *path)
{
    char *whole = realpath(path, NULL);
    return whole ? whole : strdup(path);
}

char **
launch_arguments(const struct order *order)
{
    char **out = calloc(order->args.count + 3, sizeof(*out));
    size_t count = 0;
    if (!out)
        return NULL;
    if (order->launcher)
        out[count++] = (char *)order->launcher;
    out[count++] = order->launcher ? launch_path(order->program) : (char *)order->name;
    for (size_t i = 0; i < order->args.count; i++)
        out[count++] = (char *)order->args.items[i];
    return out;
}
