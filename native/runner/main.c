/* farm-runner: runs one attempt of a program, or says what it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attempt.h"
#include "identity.h"
#include "limits.h"
#include "order.h"
#include "program.h"
#include "streams.h"
#include "supervise.h"
#include "wasm.h"

enum { EXIT_DONE = 0, EXIT_USAGE = 2, EXIT_BROKEN = 3 };

static int
cannot(const char *what, const char *path)
{
    fprintf(stderr, "farm-runner: cannot %s%s%s: %s\n", what, path ? " " : "", path ? path : "", strerror(errno));
    return EXIT_BROKEN;
}

/* The lock is the agent's proof that this attempt lives: it stays open here and nowhere else. */
static bool
keep_lock(const struct order *order)
{
    return order->lock_fd < 0 || fcntl(order->lock_fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool
empty_stderr_file(const struct order *order)
{
    int fd = open(order->stderr_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    return fd >= 0 && close(fd) == 0;
}

static int
measure(const struct order *order)
{
    struct attempt attempt = { .order = order };
    attempt.events_fd = open(order->events_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (attempt.events_fd < 0)
        return cannot("open", order->events_path);
    if (!keep_lock(order))
        return cannot("keep the lock", NULL);
    if (!empty_stderr_file(order))
        return cannot("open", order->stderr_path);
    if (!supervise_begin(&attempt))
        return cannot("become the supervisor", NULL);
    if (!streams_redirect_own(order))
        return cannot("open", order->messages_path);
    limits_keep_off(order);
    attempt_start(&attempt);
    if (order->mode == MODE_RUN)
        wasm_measure(&attempt);
    else
        program_measure(&attempt);
    attempt_usage(&attempt);
    attempt_end(&attempt);
    return attempt.broken ? EXIT_BROKEN : EXIT_DONE;
}

int
main(int argc, char **argv)
{
    struct order order;
    const char *command = argc > 1 ? argv[1] : "";
    bool run = strcmp(command, "run") == 0;
    if (strcmp(command, "info") == 0 && argc == 2)
        return identity_print();
    if (!run && strcmp(command, "exec") != 0) {
        fputs("farm-runner: say info, run or exec\n", stderr);
        return EXIT_USAGE;
    }
    if (!order_parse(&order, run ? MODE_RUN : MODE_EXEC, argc - 2, argv + 2))
        return EXIT_USAGE;
    return measure(&order);
}
