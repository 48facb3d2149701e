/* What a program may use, and where it runs: set in the child before the program starts. */
#ifndef FARM_LIMITS_H
#define FARM_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "order.h"

/* Memory that the runner itself needs beside a module's own: its heap, the code the fast interpreter makes of a
   module, threads' stacks. Data memory only. Chosen wide, not
   measured: too little would fail a module for the farm's own needs. */
#define RUNTIME_MEMORY_BYTES (64u << 20)

/* Applies the order's limits to the calling process. `extra_bytes` is allowed on top of the order's data memory.
   RLIMIT_AS is never set: WAMR reserves 8 GB of addresses for every 64-bit module. Returns false with errno set. */
bool
limits_apply(const struct order *order, uint64_t extra_bytes);

/* Holds the calling process to the order's core. Returns false with errno set where there is no such core. */
bool
limits_pin(const struct order *order);

/* Keeps the calling process off the order's core, where there is another one. */
void
limits_keep_off(const struct order *order);

#endif
