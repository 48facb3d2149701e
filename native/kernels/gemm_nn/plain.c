/* gemm_nn as Darknet writes it, compiled natively: what leaving WebAssembly alone brings. */
#include "../../bench/kernels.h"

FARM_KERNEL_NAME(gemm_nn, "plain");

void
gemm_nn(int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float *c, int ldc)
{
    for (int i = 0; i < m; i++)
        for (int p = 0; p < k; p++) {
            const float factor = alpha * a[(long)i * lda + p];
            const float *restrict from = b + (long)p * ldb;
            float *restrict to = c + (long)i * ldc;
            for (int j = 0; j < n; j++)
                to[j] += factor * from[j];
        }
}
