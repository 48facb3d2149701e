/* The matrix product of Darknet's convolutions, in its loop order: the portable version of the kernel gemm_nn. */
#include "kernels.h"

#ifndef FARM_KERNEL_gemm_nn

void
gemm_nn(int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float *c, int ldc)
{
    for (int i = 0; i < m; i++)
        for (int p = 0; p < k; p++) {
            const float factor = alpha * a[i * lda + p];
            for (int j = 0; j < n; j++)
                c[i * ldc + j] += factor * b[p * ldb + j];
        }
}

#endif
