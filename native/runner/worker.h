/* The process that runs a module: loads it once, then each repeat is a fresh instance on a thread with a stack of the
   size that was ordered. */
#ifndef FARM_WORKER_H
#define FARM_WORKER_H

#include <sys/types.h>

#include "order.h"

/* Runs in the child after fork. Says all that happens on `note_fd` and never returns. */
void
worker_main(const struct order *order, int note_fd, pid_t supervisor) __attribute__((noreturn));

#endif
