#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "process.h"
#include "trace.h"

/* The launcher's own memory (qemu-user: translated code and tables), which is none of the program's. */
#define LAUNCHER_MEMORY_BYTES (64u << 20)
#define FIRST_SAMPLE_NS 1000000u
#define SLOWEST_SAMPLE_NS 10000000u
#define COUNT_EVERY_NS 250000000u

static int signals_fd = -1;
/* "FARM_ATTEMPT=..", where it takes that to find what lost its parent; empty: this process is the subreaper. */
static char mark[160];
static uint64_t deadline_ns; /* 0: none */

static void
watched_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

bool
supervise_begin(struct attempt *attempt)
{
    sigset_t set;
    watched_signals(&set);
    if (attempt->order->timeout_ns)
        deadline_ns = now_ns() + attempt->order->timeout_ns;
    if (setsid() < 0 && errno != EPERM) /* EPERM: whoever started us has done it */
        return false;
    /* qemu-user does not know this call; then the token in the environment of all that we start has to do. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        if (!attempt->order->token)
            return false;
        snprintf(mark, sizeof(mark), "FARM_ATTEMPT=%s", attempt->order->token);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    signal(SIGPIPE, SIG_IGN);
    signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return signals_fd >= 0;
}

bool
supervise_in_child(pid_t supervisor)
{
    sigset_t set;
    watched_signals(&set);
    signal(SIGPIPE, SIG_DFL);
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == supervisor
           && sigprocmask(SIG_UNBLOCK, &set, NULL) == 0;
}

/* Takes one wait status. Of others than the watched child there is nothing to remember: their usage is in
   RUSAGE_CHILDREN once they are reaped. */
static void
child_changed(void *context, pid_t pid, int status)
{
    struct watch *watch = context;
    if (WIFSTOPPED(status)) {
        if (trace_at_exit(status) && pid == watch->pid) {
            watch->ended_ns = now_ns();
            watch->waited_ns = process_waited_for_others_ns(pid);
            attempt_memory(watch->attempt, process_status_bytes(pid, "VmHWM:"), MEMORY_EXIT_STOP);
        }
        trace_resume(pid, status);
        return;
    }
    if (pid != watch->pid)
        return;
    if (!watch->ended_ns)
        watch->ended_ns = now_ns();
    watch->ended = true;
    watch->status = status;
}

static void
reap(struct watch *watch)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
        child_changed(watch, pid, status);
}

static void
take_signals(struct watch *watch)
{
    struct signalfd_siginfo info;
    while (read(signals_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo != SIGCHLD)
            attempt_limit(watch->attempt, LIMIT_STOPPED);
    reap(watch);
}

static void
sample(struct watch *watch, uint64_t now)
{
    const struct order *order = watch->attempt->order;
    uint64_t allowed = order->memory_bytes + (order->launcher ? LAUNCHER_MEMORY_BYTES : 0);
    attempt_memory(watch->attempt, process_status_bytes(watch->pid, "VmHWM:"), MEMORY_SAMPLED);
    if (order->memory_bytes && process_status_bytes(watch->pid, "VmRSS:") > allowed)
        attempt_limit(watch->attempt, LIMIT_MEMORY);
    watch->sample_at_ns = now + watch->sample_every_ns;
    if (watch->sample_every_ns < SLOWEST_SAMPLE_NS)
        watch->sample_every_ns += FIRST_SAMPLE_NS;
}

static void
count(struct watch *watch, uint64_t now)
{
    watch->count_at_ns = now + COUNT_EVERY_NS;
    if (process_is_alone(watch->pid))
        return;
    if (process_descendants(NULL, 0) > watch->attempt->order->processes)
        attempt_limit(watch->attempt, LIMIT_PROCESSES);
}

/* The child has become its program: only now is its memory its own and not still the runner's. */
static void
program_started(struct watch *watch)
{
    uint64_t now = now_ns();
    watch->started = true;
    if (!watch->traced) {
        watch->sample_every_ns = FIRST_SAMPLE_NS;
        watch->sample_at_ns = now; /* at once, then ever less often: a short program must be seen at all */
    }
    if (watch->attempt->order->processes)
        watch->count_at_ns = now + COUNT_EVERY_NS;
}

static void
look(struct watch *watch)
{
    uint64_t now = now_ns();
    if (deadline_ns && now >= deadline_ns)
        attempt_limit(watch->attempt, LIMIT_TIME);
    if (watch->sample_at_ns && now >= watch->sample_at_ns)
        sample(watch, now);
    if (watch->count_at_ns && now >= watch->count_at_ns)
        count(watch, now);
}

/* Milliseconds till the next thing to do by the clock; -1: only news will wake us. */
static int
wait_ms(const struct watch *watch)
{
    uint64_t next = UINT64_MAX, now = now_ns();
    if (deadline_ns)
        next = deadline_ns;
    if (watch->sample_at_ns && watch->sample_at_ns < next)
        next = watch->sample_at_ns;
    if (watch->count_at_ns && watch->count_at_ns < next)
        next = watch->count_at_ns;
    if (next == UINT64_MAX)
        return -1;
    if (next <= now)
        return 0;
    uint64_t ms = (next - now + 999999u) / 1000000u;
    return ms > 60000u ? 60000 : (int)ms;
}

static void
wait_for_news(struct watch *watch)
{
    struct pollfd fds[] = {
        { .fd = signals_fd, .events = POLLIN },
        { .fd = watch->pipe_fd, .events = POLLIN },
        { .fd = watch->started ? -1 : watch->exec_fd } /* only its end is news */,
    };
    if (poll(fds, 3, wait_ms(watch)) <= 0)
        return;
    if (fds[1].revents & POLLIN)
        watch->drain(watch);
    else if (fds[1].revents & POLLHUP)
        watch->pipe_fd = -1; /* nobody is left who could write; poll would report it for ever */
    if (fds[2].revents & POLLHUP)
        program_started(watch);
    if (fds[0].revents)
        take_signals(watch);
}

void
supervise(struct watch *watch)
{
    int pipe_fd = watch->pipe_fd;
    while (!watch->ended && watch->attempt->limit == LIMIT_NONE) {
        wait_for_news(watch);
        look(watch);
    }
    if (!watch->ended && !watch->traced)
        attempt_memory(watch->attempt, process_status_bytes(watch->pid, "VmHWM:"), MEMORY_SAMPLED);
    process_end_tree(mark[0] ? mark : NULL, child_changed, watch);
    watch->pipe_fd = pipe_fd;
    watch->drain(watch);
}
