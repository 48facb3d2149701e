/* bench_start() and bench_end(): the region of a program that is timed, the same in every mode.
 *
 * A module imports `bench.start` and `bench.end`, as Sightglass' programs do.
 * A native program reads the clock itself and writes one line for each region, "region NANOSECONDS", to the descriptor
 * that FARM_BENCH_FD names; without it, so outside the farm, the marks do nothing.
 * Several regions add up. A region is at least 1 ns long, since 0 stands for "marks none": the timer of a Raspberry Pi
 * ticks every 18 ns. `bench_start` twice starts over; an end without a start, and a start without an end, mark nothing.
 * The marks belong on one thread.
 */
#ifndef FARM_BENCH_H
#define FARM_BENCH_H

#ifdef __wasm__

__attribute__((import_module("bench"), import_name("start"))) void bench_start(void);
__attribute__((import_module("bench"), import_name("end"))) void bench_end(void);

#else

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Weak, so that all files of a program that include this share one. */
__attribute__((weak)) uint64_t farm_bench_started_ns;

static inline uint64_t
farm_bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void
bench_start(void)
{
    farm_bench_started_ns = farm_bench_now_ns();
}

static inline void
bench_end(void)
{
    uint64_t ended_ns = farm_bench_now_ns();
    const char *descriptor = getenv("FARM_BENCH_FD");
    char text[48];
    if (farm_bench_started_ns && descriptor) {
        uint64_t ns = ended_ns > farm_bench_started_ns ? ended_ns - farm_bench_started_ns : 1;
        int length = snprintf(text, sizeof(text), "region %llu\n", (unsigned long long)ns);
        if (write(atoi(descriptor), text, (size_t)length) != length)
            abort(); /* a region that got lost would pass for another measurement */
    }
    farm_bench_started_ns = 0;
}

#endif

#endif
