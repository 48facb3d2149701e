/* The runner's one clock. */
#ifndef FARM_CLOCK_H
#define FARM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of a clock. */
static inline uint64_t
clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Everything measured is measured on CLOCK_MONOTONIC: it does not run while a laptop sleeps, so a suspended attempt
   neither times out nor gets a long repeat. */
static inline uint64_t
now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

#endif
