#include "trace.h"

#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

bool
trace_seize(pid_t pid)
{
    return ptrace(PTRACE_SEIZE, pid, 0, (void *)(uintptr_t)(PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)) == 0;
}

static int
event_of(int status)
{
    return status >> 16;
}

bool
trace_at_exit(int status)
{
    return WIFSTOPPED(status) && event_of(status) == PTRACE_EVENT_EXIT;
}

void
trace_resume(pid_t pid, int status)
{
    int signal = WSTOPSIG(status);
    if (event_of(status) == PTRACE_EVENT_STOP && signal != SIGTRAP)
        ptrace(PTRACE_LISTEN, pid, 0, 0); /* the program stopped itself; it stays so until SIGCONT */
    else
        ptrace(PTRACE_CONT, pid, 0, (void *)(uintptr_t)(event_of(status) ? 0 : signal));
}
