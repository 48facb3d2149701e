#include "kernels.h"

#include <stdint.h>

#include "../bench/kernels.h"
#include "wasm_export.h"

/* Weak: null unless a kernel's object is linked in, see native/README.md. */
extern __typeof__(gemm_nn) gemm_nn __attribute__((weak));
extern const char farm_kernel_gemm_nn_variant[] __attribute__((weak));

struct kernel {
    const char *variant;
    NativeSymbol symbol;
};

/* Native address of a matrix in the module's memory, or NULL, with a trap set, where it does not lie in it whole. */
static float *
matrix(wasm_exec_env_t env, uint32_t address, int rows, int columns, int stride)
{
    wasm_module_inst_t instance = wasm_runtime_get_module_inst(env);
    /* All factors are below 2^31, so nothing here overflows; the memory of a module is below 2^32. */
    uint64_t floats = (uint64_t)(rows - 1) * (uint64_t)stride + (uint64_t)columns;
    if (floats >= UINT32_MAX / sizeof(float)) {
        wasm_runtime_set_exception(instance, "a kernel's matrix is larger than the memory");
        return NULL;
    }
    if (address % sizeof(float) != 0) {
        wasm_runtime_set_exception(instance, "a kernel's matrix is not aligned");
        return NULL;
    }
    if (!wasm_runtime_validate_app_addr(instance, address, floats * sizeof(float)))
        return NULL; /* WAMR has set its own trap */
    return wasm_runtime_addr_app_to_native(instance, address);
}

static void
call_gemm_nn(wasm_exec_env_t env, int m, int n, int k, float alpha, uint32_t a_address, int lda, uint32_t b_address,
             int ldb, uint32_t c_address, int ldc)
{
    if (m <= 0 || n <= 0 || k <= 0)
        return;
    if (lda < 0 || ldb < 0 || ldc < 0) {
        wasm_runtime_set_exception(wasm_runtime_get_module_inst(env), "a kernel's matrix has negative rows");
        return;
    }
    const float *a = matrix(env, a_address, m, k, lda);
    const float *b = a ? matrix(env, b_address, k, n, ldb) : NULL;
    float *c = b ? matrix(env, c_address, m, n, ldc) : NULL;
    if (c)
        gemm_nn(m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

static struct kernel kernels[] = {
    { farm_kernel_gemm_nn_variant, { "gemm_nn", (void *)call_gemm_nn, "(iiifiiiiii)", NULL } },
};

enum { KNOWN = sizeof(kernels) / sizeof(kernels[0]) };

/* The index-th kernel that is linked in; NULL: there are fewer. */
static struct kernel *
linked(size_t index)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (kernels[i].variant && index-- == 0)
            return &kernels[i];
    return NULL;
}

size_t
kernels_count(void)
{
    size_t count = 0;
    while (linked(count))
        count++;
    return count;
}

const char *
kernels_name(size_t index)
{
    return linked(index)->variant;
}

bool
kernels_register(void)
{
    struct kernel *kernel;
    for (size_t i = 0; (kernel = linked(i)); i++)
        if (!wasm_runtime_register_natives("kernels", &kernel->symbol, 1))
            return false;
    return true;
}
