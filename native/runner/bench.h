/* The marks bench.start and bench.end, as a module imports them. */
#ifndef FARM_RUNNER_BENCH_H
#define FARM_RUNNER_BENCH_H

#include <stdbool.h>
#include <stdint.h>

/* Registers them with WAMR. Once, before a module is loaded. */
bool
bench_register(void);

/* Forgets all regions; before a repeat. */
void
bench_reset(void);

/* Sum of the regions since then, in nanoseconds; 0: none was marked. */
uint64_t
bench_region_ns(void);

#endif
