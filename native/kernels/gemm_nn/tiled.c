/* gemm_nn with a block of C held in registers while it walks over a packed panel of B.
 *
 * C is cut into blocks of ROWS x COLUMNS. A block of 4 x 16 floats is 8 registers of 256 bits (AVX2), 16 of 128 bits
 * (NEON of 64-bit Arm, which has 32): with one row of B and one element of A beside it that is what both architectures
 * have. NEON of 32-bit Arm has 16 registers, so a block there is 4 x 8: 8 for sums, 2 for B, 4 for A. A panel of B of
 * DEPTH x COLUMNS floats is 16 KB: half of the 32 KB first-level cache of a Cortex-A7, A53, A72 or any x86-64.
 */
#include "../../bench/kernels.h"

#include <string.h>

#if defined(__arm__)
enum { ROWS = 4, COLUMNS = 8, DEPTH = 512 };
#else
enum { ROWS = 4, COLUMNS = 16, DEPTH = 256 };
#endif

FARM_KERNEL_NAME(gemm_nn, "tiled");

typedef float row __attribute__((vector_size(COLUMNS * sizeof(float)), aligned(sizeof(float))));

/* Copies `depth` rows of B from column j on, filled up with zeros to COLUMNS. */
static void
pack(float (*panel)[COLUMNS], const float *b, int ldb, int depth, int columns)
{
    for (int p = 0; p < depth; p++) {
        memset(panel[p], 0, sizeof(panel[p]));
        memcpy(panel[p], b + (long)p * ldb, (unsigned long)columns * sizeof(float));
    }
}

/* ROWS rows of C, all COLUMNS of a block. */
static inline void
block(const float (*panel)[COLUMNS], int depth, float alpha, const float *a, int lda, row *sums)
{
    row s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 };
    for (int p = 0; p < depth; p++) {
        row from;
        memcpy(&from, panel[p], sizeof(from));
        s0 += from * a[p];
        s1 += from * a[lda + p];
        s2 += from * a[2L * lda + p];
        s3 += from * a[3L * lda + p];
    }
    sums[0] = s0 * alpha;
    sums[1] = s1 * alpha;
    sums[2] = s2 * alpha;
    sums[3] = s3 * alpha;
}

static void
add(float *c, const row *sum, int columns)
{
    float values[COLUMNS];
    memcpy(values, sum, sizeof(values));
    for (int j = 0; j < columns; j++)
        c[j] += values[j];
}

/* The last rows of a matrix whose height is no multiple of ROWS. */
static void
single(const float (*panel)[COLUMNS], int depth, float alpha, const float *a, float *c, int columns)
{
    row sum = { 0 };
    for (int p = 0; p < depth; p++) {
        row from;
        memcpy(&from, panel[p], sizeof(from));
        sum += from * a[p];
    }
    sum *= alpha;
    add(c, &sum, columns);
}

static void
panel_times_a(const float (*panel)[COLUMNS], int m, int depth, float alpha, const float *a, int lda, float *c, int ldc,
              int columns)
{
    int i = 0;
    for (; i + ROWS <= m; i += ROWS) {
        row sums[ROWS];
        block(panel, depth, alpha, a + (long)i * lda, lda, sums);
        for (int r = 0; r < ROWS; r++)
            add(c + (long)(i + r) * ldc, &sums[r], columns);
    }
    for (; i < m; i++)
        single(panel, depth, alpha, a + (long)i * lda, c + (long)i * ldc, columns);
}

void
gemm_nn(int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float *c, int ldc)
{
    static _Thread_local float panel[DEPTH][COLUMNS] __attribute__((aligned(64)));
    for (int p = 0; p < k; p += DEPTH) {
        int depth = k - p < DEPTH ? k - p : DEPTH;
        for (int j = 0; j < n; j += COLUMNS) {
            int columns = n - j < COLUMNS ? n - j : COLUMNS;
            pack(panel, b + (long)p * ldb + j, ldb, depth, columns);
            panel_times_a((const float(*)[COLUMNS])panel, m, depth, alpha, a + p, lda, c + j, ldc, columns);
        }
    }
}
