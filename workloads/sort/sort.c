/* Heapsort (Williams 1964, built bottom-up as by Floyd 1964) of 32-bit numbers.
   Stresses: memory. Each step goes to a place twice as far as the one before, and where it goes is decided by a
   comparison nobody can predict; at size real the numbers fit no first- or second-level cache. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct size {
    const char *name;
    uint32_t count;
};

static const struct size sizes[] = {
    { "small", 16384 },
    { "real", 2500000 },
};

/* Lets a value sink until no child is larger. */
static void
sink(uint32_t *heap, uint32_t at, uint32_t count, uint32_t value)
{
    uint32_t child;
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && heap[child + 1] > heap[child])
            child++;
        if (heap[child] <= value)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

static void
sort(uint32_t *values, uint32_t count)
{
    for (uint32_t at = count / 2; at-- > 0;)
        sink(values, at, count, values[at]);
    for (uint32_t left = count; left-- > 1;) {
        uint32_t last = values[left];
        values[left] = values[0];
        sink(values, 0, left, last);
    }
}

/* The high halves of a linear congruential generator (Knuth's MMIX constants). */
static void
fill(uint32_t *values, uint32_t count)
{
    uint64_t seed = 1;
    for (uint32_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        values[i] = (uint32_t)(seed >> 32);
    }
}

/* As FNV-1a, a number at a time in place of a byte: the order counts. */
static uint64_t
digest(const uint32_t *values, uint32_t count)
{
    uint64_t hash = 14695981039346656037u;
    for (uint32_t i = 0; i < count; i++)
        hash = (hash ^ values[i]) * 1099511628211u;
    return hash;
}

static const struct size *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    fprintf(stderr, "sort: no size %s; there are small and real\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    const struct size *size = find(argc > 1 ? argv[1] : "small");
    uint32_t *values = malloc(size->count * sizeof(*values));
    if (!values) {
        fputs("sort: no memory\n", stderr);
        return 1;
    }
    fill(values, size->count);
    bench_start();
    sort(values, size->count);
    bench_end();
    printf("sort %s %lu %08lx %08lx %016llx\n", size->name, (unsigned long)size->count, (unsigned long)values[0],
           (unsigned long)values[size->count - 1], (unsigned long long)digest(values, size->count));
    free(values);
    return 0;
}
