#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "launch.h"
#include "limits.h"
#include "process.h"
#include "streams.h"
#include "supervise.h"
#include "trace.h"

/* What the child says on its exec pipe: when it was about to become the program, or why it could not. */
struct departure {
    uint64_t at_ns;
    uint64_t waited_ns; /* for a core, before that */
    int error;
    bool refused; /* by the kernel, which cannot execute it: the program's own fault */
    char what[64];
};

/* One repeat. The watch comes first: its drain() gets from there to the rest. */
struct repeat {
    struct watch watch;
    uint32_t index;
    int go[2];    /* closed by the supervisor when all is ready for the child to start */
    int exec[2];  /* a departure, then nothing more once the program runs */
    int bench[2]; /* bench.h's lines */
    struct counters counters;
    uint64_t region_ns;
    char text[64]; /* an unfinished line */
    size_t length;
};

static void
take_line(struct repeat *repeat)
{
    static const char head[] = "region ";
    repeat->text[repeat->length] = '\0';
    repeat->length = 0;
    if (strncmp(repeat->text, head, sizeof(head) - 1) == 0)
        repeat->region_ns += strtoull(repeat->text + sizeof(head) - 1, NULL, 10);
}

static void
drain_bench(struct watch *watch)
{
    struct repeat *repeat = (struct repeat *)watch;
    char block[512];
    ssize_t length;
    while ((length = read(repeat->bench[0], block, sizeof(block))) > 0)
        for (ssize_t i = 0; i < length; i++) {
            if (block[i] == '\n')
                take_line(repeat);
            else if (repeat->length + 1 < sizeof(repeat->text))
                repeat->text[repeat->length++] = block[i];
        }
}

static void
close_pair(int *pair)
{
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
        pair[i] = -1;
    }
}

static void
leave(struct repeat *repeat, const char *what, bool refused)
{
    struct departure departure = { .error = errno, .refused = refused };
    snprintf(departure.what, sizeof(departure.what), "%s", what);
    if (write(repeat->exec[1], &departure, sizeof(departure)) < 0)
        _exit(126);
    _exit(127);
}

static void
give_up(struct repeat *repeat, const char *what)
{
    leave(repeat, what, false);
}

/* Is it for the program's sake that execve failed? It is no ELF for this machine, is damaged, names a loader that is
   not here (ENOENT), or its arguments are longer than the kernel takes. A launcher that cannot start is not. */
static bool
is_unfit(const struct order *order, int error)
{
    if (error == E2BIG)
        return true;
    if (order->launcher)
        return false;
    if (error == ENOENT)
        return access(order->program, F_OK) == 0;
    return error == ENOEXEC || error == ELIBBAD || error == EINVAL;
}

static void
set_streams(struct repeat *repeat, const struct order *order)
{
    struct streams streams;
    char path[4096];
    if (!streams_open(&streams, order, repeat->index, path, sizeof(path)))
        give_up(repeat, "cannot open the program's streams");
    if (dup2(streams.in, 0) < 0 || dup2(streams.out, 1) < 0 || dup2(streams.err, 2) < 0
        || dup2(repeat->bench[1], LAUNCH_BENCH_FD) < 0)
        give_up(repeat, "cannot set the program's streams");
}

/* The child: everything set, it waits for the word, then becomes the program. Never returns. */
static void
become_program(struct repeat *repeat, const struct order *order, pid_t supervisor)
{
    char **environment = launch_environment(order);
    char *program = launch_path(order->launcher ? order->launcher : order->program);
    char **arguments = launch_arguments(order);
    char word;
    if (!arguments || !environment || !program)
        give_up(repeat, "no memory for the arguments");
    close(repeat->go[1]);
    if (!supervise_in_child(supervisor))
        _exit(126);
    set_streams(repeat, order);
    if (chdir(order->cwd) != 0)
        give_up(repeat, "cannot go to the working folder");
    if (!limits_pin(order))
        give_up(repeat, "cannot hold the program to its core");
    if (!limits_apply(order, 0))
        give_up(repeat, "cannot set the limits");
    while (read(repeat->go[0], &word, 1) < 0 && errno == EINTR)
        ;
    struct departure departure = { .waited_ns = process_waited_ns() };
    departure.at_ns = now_ns();
    if (write(repeat->exec[1], &departure, sizeof(departure)) < 0)
        _exit(126);
    execve(program, arguments, environment);
    leave(repeat, "cannot start the program", is_unfit(order, errno));
}

static bool
open_pipes(struct repeat *repeat)
{
    for (int i = 0; i < 2; i++)
        repeat->go[i] = repeat->exec[i] = repeat->bench[i] = -1;
    return pipe2(repeat->go, O_CLOEXEC) == 0 && pipe2(repeat->exec, O_CLOEXEC) == 0
           && pipe2(repeat->bench, O_CLOEXEC) == 0 && fcntl(repeat->bench[0], F_SETFL, O_NONBLOCK) == 0;
}

static bool
start(struct repeat *repeat, struct attempt *attempt)
{
    pid_t supervisor = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become_program(repeat, attempt->order, supervisor);
    if (pid < 0)
        return false;
    close(repeat->exec[1]);
    close(repeat->bench[1]);
    repeat->exec[1] = repeat->bench[1] = -1;
    repeat->watch.attempt = attempt;
    repeat->watch.pid = pid;
    repeat->watch.pipe_fd = repeat->bench[0];
    repeat->watch.drain = drain_bench;
    repeat->watch.exec_fd = repeat->exec[0];
    repeat->watch.traced = trace_seize(pid);
    counters_open(&repeat->counters, pid);
    close_pair(repeat->go);
    return true;
}

/* Did the program come to run at all? If so, when did it begin, and how long had it waited till then. */
static bool
departed(struct repeat *repeat, struct attempt *attempt, uint64_t *at_ns, uint64_t *waited_ns)
{
    struct departure departure;
    *at_ns = 0;
    while (read(repeat->exec[0], &departure, sizeof(departure)) == (ssize_t)sizeof(departure)) {
        if (departure.error) {
            attempt->stage = departure.refused ? STAGE_LOAD : STAGE_START;
            attempt_break(attempt, departure.what, departure.error);
            return false;
        }
        *at_ns = departure.at_ns;
        *waited_ns = departure.waited_ns;
    }
    return *at_ns != 0;
}

/* A program that failed while its data memory was nearly used up is taken to have failed for want of it: a refused
   allocation leaves no other trace. */
static bool
ran_out_of_memory(const struct attempt *attempt)
{
    uint64_t limit = attempt->order->memory_bytes;
    return limit && attempt->peak_memory_bytes > limit - limit / 8;
}

/* How long the program itself waited, where its exit was seen. What it did itself beside its first thread is taken off
   the whole, so that may have become less than what was before. */
static uint64_t
waited(const struct watch *watch, uint64_t before_ns)
{
    if (watch->waited_ns == WAITED_UNKNOWN || before_ns == WAITED_UNKNOWN)
        return WAITED_UNKNOWN;
    return watch->waited_ns > before_ns ? watch->waited_ns - before_ns : 0;
}

static void
judge(struct repeat *repeat, struct attempt *attempt)
{
    uint64_t began_ns, waited_before_ns;
    if (!departed(repeat, attempt, &began_ns, &waited_before_ns)) {
        if (attempt->limit == LIMIT_NONE)
            attempt_break(attempt, "the program did not come to start", 0);
        return;
    }
    int status = repeat->watch.status;
    if (WIFSIGNALED(status))
        attempt_signal(attempt, WTERMSIG(status), "killed");
    else
        attempt->exit_code = WEXITSTATUS(status);
    attempt->failed |= attempt->exit_code != 0;
    if (attempt->failed && ran_out_of_memory(attempt))
        attempt_limit(attempt, LIMIT_MEMORY);
    if (attempt->failed)
        return;
    uint64_t ns = repeat->watch.ended_ns - began_ns;
    attempt_phase(attempt, STAGE_EXECUTE, repeat->index, ns);
    attempt_repeat(attempt, repeat->index, ns, repeat->region_ns, 0, waited(&repeat->watch, waited_before_ns));
}

static void
measure_once(struct attempt *attempt, uint32_t index)
{
    struct repeat repeat = { .index = index, .watch.waited_ns = WAITED_UNKNOWN };
    attempt->stage = STAGE_EXECUTE;
    if (!open_pipes(&repeat) || !start(&repeat, attempt)) {
        attempt_break(attempt, "cannot start a process", errno);
    } else {
        supervise(&repeat.watch);
        counters_close(&repeat.counters, attempt);
        judge(&repeat, attempt);
    }
    close_pair(repeat.go);
    close_pair(repeat.exec);
    close_pair(repeat.bench);
}

void
program_measure(struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->order->warmups + attempt->order->repeats && !attempt->failed; i++)
        measure_once(attempt, i);
    if (!attempt->failed)
        attempt->stage = STAGE_DONE;
}
