/* Functions that have a native version ("kernel") in native/kernels/<function>/.
 *
 * A workload calls them by name and brings its own portable version in a file of its own, inside
 * `#ifndef FARM_KERNEL_<function>`. With -DFARM_KERNEL_<function> a module imports `kernels.<function>` instead, which
 * the runner that is linked with a kernel provides; a native program is then linked with the kernel's object.
 */
#ifndef FARM_KERNELS_H
#define FARM_KERNELS_H

#if defined(__wasm__)
#define FARM_KERNEL_IMPORT(function) __attribute__((import_module("kernels"), import_name(#function)))
#else
#define FARM_KERNEL_IMPORT(function)
#endif

#ifdef FARM_KERNEL_gemm_nn
FARM_KERNEL_IMPORT(gemm_nn)
#endif
/* C += alpha * A * B; A is m x k, B is k x n, C is m x n, row by row, with rows lda, ldb and ldc elements apart. */
void
gemm_nn(int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float *c, int ldc);

/* In a kernel's file: its name, which the runner that is linked with it tells in `info` and in every `start` event. */
#define FARM_KERNEL_NAME(function, variant) const char farm_kernel_##function##_variant[] = #function "/" variant

#endif
