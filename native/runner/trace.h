/* A stop at the very end of a program, where its memory can still be read (ptrace(2), PTRACE_EVENT_EXIT). */
#ifndef FARM_TRACE_H
#define FARM_TRACE_H

#include <stdbool.h>
#include <sys/types.h>

/* Asks for that stop; the program runs as ever until then, only signals sent to it take a detour. It also dies with us.
   False where the kernel or an emulator does not allow it. */
bool
trace_seize(pid_t pid);

/* Is this wait status that stop? */
bool
trace_at_exit(int status);

/* Lets a stopped child go on, with the signal that stopped it. */
void
trace_resume(pid_t pid, int status);

#endif
