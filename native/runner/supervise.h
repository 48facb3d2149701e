/* Watching one child till it and everything it started is gone. */
#ifndef FARM_SUPERVISE_H
#define FARM_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "attempt.h"

/* A child of the supervisor: the worker that runs a module, or a native program. */
struct watch {
    struct attempt *attempt;
    pid_t pid;
    bool traced;
    int pipe_fd; /* what the child has to say; non-blocking */
    void (*drain)(struct watch *watch); /* reads all that is in it */
    int exec_fd; /* closes when the child has become its program; -1: it stays what it is */
    bool started; /* it has */
    bool ended;
    int status; /* wait status */
    uint64_t ended_ns;
    uint64_t waited_ns; /* till then, for others, since its first thread's birth; told only of a traced one */
    uint64_t sample_at_ns; /* next look at its memory; 0: none */
    uint64_t sample_every_ns;
    uint64_t count_at_ns; /* next count of its processes; 0: none */
};

/* Makes this process the one that hears of everything: a session of its own, subreaper, signals as a descriptor.
   Starts the attempt's clock. Returns false with errno set. */
bool
supervise_begin(struct attempt *attempt);

/* Undoes in a fresh child what supervise_begin set for the supervisor alone, and ties the child's life to it.
   False: the supervisor is gone already. */
bool
supervise_in_child(pid_t supervisor);

/* Blocks till the child has ended by itself, or the time is up, or it passed a limit, or SIGTERM came. Then ends all
   that it left running. Says what happened in `watch` and, for limits, in the attempt. */
void
supervise(struct watch *watch);

#endif
