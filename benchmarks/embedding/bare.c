/* bare: the least program that runs a WASI module in WAMR, to hold farm-runner against.
 *
 *   bare MODULE ARGS..
 *
 * One instance, one call of its entry, on the first thread, with the standard streams as they are. The last line on
 * stderr is what the call took, in ns. The marks of bench.h are there and do nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wasm_export.h"

/* As farm-runner has it by default: an eighth of 8 MiB for an interpreter, 16 KiB for compiled code. */
enum { OPERAND_STACK_BYTES = 1 << 20, COMPILED_STACK_BYTES = 16 << 10 };

static void
mark(wasm_exec_env_t env)
{
    (void)env;
}

static NativeSymbol marks[] = { { "start", (void *)mark, "()", NULL }, { "end", (void *)mark, "()", NULL } };

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
fail(const char *what)
{
    fprintf(stderr, "bare: %s\n", what);
    exit(1);
}

static uint8_t *
read_module(const char *path, uint32_t *size)
{
    FILE *file = fopen(path, "rb");
    long length = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    uint8_t *bytes = length > 0 ? malloc((size_t)length) : NULL;
    if (!bytes || fseek(file, 0, SEEK_SET) != 0 || fread(bytes, 1, (size_t)length, file) != (size_t)length)
        fail("cannot read the module");
    fclose(file);
    *size = (uint32_t)length;
    return bytes;
}

int
main(int argc, char **argv)
{
    char error[256];
    uint32_t size;
    RuntimeInitArgs init;
    memset(&init, 0, sizeof(init));
    init.mem_alloc_type = Alloc_With_System_Allocator;
    if (argc < 2 || !wasm_runtime_full_init(&init) || !wasm_runtime_register_natives("bench", marks, 2))
        fail("say bare MODULE ARGS..");
    uint8_t *bytes = read_module(argv[1], &size);
    bool compiled = get_package_type(bytes, size) == Wasm_Module_AoT;
    wasm_module_t module = wasm_runtime_load(bytes, size, error, sizeof(error));
    if (!module)
        fail(error);
    wasm_runtime_set_wasi_args(module, NULL, 0, NULL, 0, NULL, 0, argv + 1, argc - 1);
    wasm_module_inst_t instance = wasm_runtime_instantiate(
        module, compiled ? COMPILED_STACK_BYTES : OPERAND_STACK_BYTES, 0, error, sizeof(error));
    if (!instance || !wasm_runtime_get_exec_env_singleton(instance))
        fail(error);
    uint64_t called_ns = now_ns();
    bool returned = wasm_application_execute_main(instance, 0, NULL);
    uint64_t ended_ns = now_ns();
    if (!returned || wasm_runtime_get_wasi_exit_code(instance) != 0)
        fail("the module failed");
    fprintf(stderr, "%llu\n", (unsigned long long)(ended_ns - called_ns));
    return 0;
}
