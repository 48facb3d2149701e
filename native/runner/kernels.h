/* The native kernels this runner is linked with. */
#ifndef FARM_RUNNER_KERNELS_H
#define FARM_RUNNER_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

size_t
kernels_count(void);

/* "gemm_nn/tiled" */
const char *
kernels_name(size_t index);

/* Registers them with WAMR as imports of module "kernels". Once, before a module is loaded. */
bool
kernels_register(void);

#endif
