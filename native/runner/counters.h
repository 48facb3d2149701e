/* Cycles and instructions of a child, where kernel and hardware allow it. */
#ifndef FARM_COUNTERS_H
#define FARM_COUNTERS_H

#include <sys/types.h>

#include "attempt.h"

struct counters {
    int cycles_fd; /* -1: not counted */
    int instructions_fd;
};

/* Counts the child and all it starts, in user space. */
void
counters_open(struct counters *counters, pid_t pid);

/* Adds what was counted to the attempt and closes. */
void
counters_close(struct counters *counters, struct attempt *attempt);

#endif
