/* A ring of objects, each with a method of its own behind a pointer, that pass a number round and round.
   Stresses: indirect calls. Methods are a few instructions long and follow one another in an order without a pattern,
   so that a call costs what a runtime adds to it: finding the function, checking its type, entering and leaving.
   Every method is x -> a x + b modulo 2^64, so the whole ring is, and what must come out can be had without walking. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct size {
    const char *name;
    uint32_t objects, rounds;
};

static const struct size sizes[] = {
    { "small", 256, 2000 },
    { "real", 1024, 40000 },
};

struct object {
    uint64_t (*method)(const struct object *, uint64_t);
    uint64_t own;
};

static uint64_t
add(const struct object *self, uint64_t x)
{
    return x + self->own;
}

static uint64_t
subtract(const struct object *self, uint64_t x)
{
    return x - self->own;
}

static uint64_t
subtract_from(const struct object *self, uint64_t x)
{
    return self->own - x;
}

static uint64_t
multiply(const struct object *self, uint64_t x)
{
    return x * (self->own | 1);
}

static uint64_t
invert(const struct object *self, uint64_t x)
{
    return ~x + (self->own >> 32);
}

static uint64_t
shift(const struct object *self, uint64_t x)
{
    return (x << 7) + x + self->own;
}

static uint64_t
twice(const struct object *self, uint64_t x)
{
    return x + 2 * (x + self->own);
}

static uint64_t
triple_from(const struct object *self, uint64_t x)
{
    return self->own - 3 * x;
}

static uint64_t (*const methods[])(const struct object *, uint64_t)
    = { add, subtract, subtract_from, multiply, invert, shift, twice, triple_from };

/* Methods and numbers by a linear congruential generator (Knuth's MMIX constants). */
static void
fill(struct object *ring, uint32_t count)
{
    uint64_t seed = 1;
    for (uint32_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ring[i].method = methods[seed >> 61];
        ring[i].own = seed;
    }
}

static uint64_t
walk(const struct object *ring, const struct size *size)
{
    uint64_t x = 1;
    for (uint32_t round = 0; round < size->rounds; round++)
        for (uint32_t i = 0; i < size->objects; i++)
            x = ring[i].method(&ring[i], x);
    return x;
}

static const struct size *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    fprintf(stderr, "dispatch: no size %s; there are small and real\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    const struct size *size = find(argc > 1 ? argv[1] : "small");
    struct object *ring = malloc(size->objects * sizeof(*ring));
    uint64_t x;
    if (!ring) {
        fputs("dispatch: no memory\n", stderr);
        return 1;
    }
    fill(ring, size->objects);
    bench_start();
    x = walk(ring, size);
    bench_end();
    printf("dispatch %s %lux%lu %016llx\n", size->name, (unsigned long)size->rounds, (unsigned long)size->objects,
           (unsigned long long)x);
    free(ring);
    return 0;
}
