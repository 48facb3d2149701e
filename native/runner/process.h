/* What /proc says of processes, and ending a whole tree of them. */
#ifndef FARM_PROCESS_H
#define FARM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A field of /proc/PID/status that is given in kB, in bytes ("VmHWM:", "VmRSS:"); 0 where it cannot be read.
   pid 0 is the calling process. */
uint64_t
process_status_bytes(pid_t pid, const char *field);

/* Start time of a process in clock ticks since boot: with pid and boot id it names a process for ever. 0: gone. */
uint64_t
process_start_ticks(pid_t pid);

/* No kernel says how long a thread waited unless it was built with CONFIG_SCHED_INFO and counts. */
#define WAITED_UNKNOWN UINT64_MAX

/* How long the calling thread, since its birth, could have run while its core ran others; or WAITED_UNKNOWN. */
uint64_t
process_waited_ns(void);

/* The same of the first thread of another process, which stands still, for others than the process' own threads and
   children: what they used of the core is taken off. */
uint64_t
process_waited_for_others_ns(pid_t pid);

/* The kernel's id of this boot, without its newline. */
void
process_boot_id(char *out, size_t room);

/* All living descendants of the caller, zombies left out. Returns how many it found, of which `most` at the most are
   in `pids`. */
size_t
process_descendants(pid_t *pids, size_t most);

/* Kills every descendant of the caller and reaps them until none is left, also those that are born meanwhile.
   Works where the caller is the subreaper: what loses its parent becomes its child. Where it cannot be one, `mark` is
   an environment entry ("FARM_ATTEMPT=..") that all it started carry: whoever has it is killed, but for the caller
   and those it descends from. NULL: the caller is the subreaper.
   `changed` is called with every wait status: of children that ended, and of traced ones that stopped. */
void
process_end_tree(const char *mark, void (*changed)(void *context, pid_t pid, int status), void *context);

/* Is this child the only descendant of the caller, with one thread and no child? Cheap; when in doubt, false. */
bool
process_is_alone(pid_t pid);

/* How many processes and threads run under the caller's real user id. */
uint64_t
process_count_of_user(void);

#endif
