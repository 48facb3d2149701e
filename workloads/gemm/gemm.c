/* One matrix product of the shape that a convolution becomes, with small integers in its floats: every sum is exact, so
   the result is the same in whatever order, width or contraction it was computed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "kernels.h"

struct shape {
    const char *name;
    int m, n, k;
};

/* layer: layer 6 of YOLOv3-tiny at 416 x 416 is 128 filters of 64 x 3 x 3 over 52 x 52. small: 1/32 of that work. */
static const struct shape shapes[] = {
    { "small", 32, 676, 288 },
    { "layer", 128, 2704, 576 },
};

static float *
matrix(int rows, int columns)
{
    float *values = calloc((size_t)rows * (size_t)columns, sizeof(float));
    if (!values) {
        fputs("gemm: no memory\n", stderr);
        exit(1);
    }
    return values;
}

/* Whole numbers from -4 to 4, by a linear congruential generator (Knuth's MMIX constants). */
static void
fill(float *values, int count, uint64_t seed)
{
    for (int i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        values[i] = (float)((int)(seed >> 33) % 5 - (int)(seed >> 61) % 5);
    }
}

/* FNV-1a of the values as whole numbers. */
static uint64_t
digest(const float *values, int count)
{
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < count; i++) {
        uint32_t number = (uint32_t)(int32_t)values[i];
        for (int byte = 0; byte < 4; byte++)
            hash = (hash ^ (number >> 8 * byte & 0xff)) * 1099511628211u;
    }
    return hash;
}

static const struct shape *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    fprintf(stderr, "gemm: no size %s; there are small and layer\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    const struct shape *shape = find(argc > 1 ? argv[1] : "small");
    float *a = matrix(shape->m, shape->k), *b = matrix(shape->k, shape->n), *c = matrix(shape->m, shape->n);
    fill(a, shape->m * shape->k, 1);
    fill(b, shape->k * shape->n, 2);
    bench_start();
    gemm_nn(shape->m, shape->n, shape->k, 1.0f, a, shape->k, b, shape->n, c, shape->n);
    bench_end();
    printf("gemm %s %dx%dx%d %016llx\n", shape->name, shape->m, shape->k, shape->n,
           (unsigned long long)digest(c, shape->m * shape->n));
    return 0;
}
