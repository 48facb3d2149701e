/* Calls the kernel gemm_nn with matrices that lie where its first argument says. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"

enum { SIDE = 8 };

static float a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE];

/* The rows of the matrices are `stride` apart, and C lies at `to`. */
static void
call(int side, int stride, float *to)
{
    gemm_nn(side, side, side, 1.0f, a, stride, b, stride, to, stride);
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    uintptr_t last_page = (uintptr_t)__builtin_wasm_memory_size(0) * 65536;
    if (strcmp(what, "inside") == 0)
        call(SIDE, SIDE, c);
    else if (strcmp(what, "past-end") == 0)
        call(SIDE, SIDE, (float *)(last_page - 16));
    else if (strcmp(what, "huge") == 0)
        call(0x7fffffff, 0x7fffffff, c);
    else if (strcmp(what, "negative") == 0)
        call(SIDE, -SIDE, c);
    else if (strcmp(what, "odd") == 0)
        call(SIDE, SIDE, (float *)((uintptr_t)c + 2));
    else if (strcmp(what, "empty") == 0)
        call(0, SIDE, (float *)last_page);
    else
        return 9;
    puts("called");
    return 0;
}
