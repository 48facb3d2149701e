/* farm-aotc: compiles a module ahead of time. Quiet on success; one line on stderr and exit code 1 otherwise. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aot_export.h"
#include "aot_comp_option.h"
#include "options.h"
#include "version.h"
#include "wasm_export.h"

#define TEXT_OF(value) #value
#define VALUE_OF(value) TEXT_OF(value)

static int
fail(const char *what, const char *why)
{
    fprintf(stderr, "farm-aotc: %s%s%.*s\n", what, why[0] ? ": " : "", (int)strcspn(why, "\n"), why);
    return 1;
}

/* LLVM and WAMR print on stdout: banners, and errors that come back as return values as well. */
static bool
silence_stdout(void)
{
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return nothing >= 0 && dup2(nothing, STDOUT_FILENO) == STDOUT_FILENO;
}

static uint8_t *
read_module(const char *path, uint32_t *size)
{
    FILE *file = fopen(path, "rb");
    struct stat facts;
    uint8_t *bytes = NULL;
    if (file && fstat(fileno(file), &facts) == 0 && facts.st_size > 0 && facts.st_size < UINT32_MAX)
        bytes = malloc((size_t)facts.st_size);
    if (bytes && fread(bytes, 1, (size_t)facts.st_size, file) != (size_t)facts.st_size) {
        free(bytes);
        bytes = NULL;
    }
    if (bytes)
        *size = (uint32_t)facts.st_size;
    if (file)
        fclose(file);
    return bytes;
}

/* Whole or not at all: a name that ends in .part till the last byte is written. */
static int
write_output(const char *path, const uint8_t *bytes, uint32_t size)
{
    char part[4096];
    if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
        return fail(path, "the name is too long");
    FILE *file = fopen(part, "wb");
    bool written = file && fwrite(bytes, 1, size, file) == size;
    if (file && fclose(file) != 0)
        written = false;
    if (written && rename(part, path) == 0)
        return 0;
    int error = errno;
    unlink(part);
    return fail(path, strerror(error));
}

static AOTCompOption
compiler_options(const struct options *options)
{
    AOTCompOption result;
    memset(&result, 0, sizeof(result));
    result.target_arch = options->arch;
    result.target_cpu = options->cpu;
    result.target_abi = options->abi;
    result.enable_simd = options->simd;
    result.opt_level = options->opt;
    result.size_level = 3; /* the code model "small", WAMR's default */
    result.output_format = AOT_FORMAT_FILE;
    result.bounds_checks = options->bounds_checks;
    /* auto: by guard pages where bounds are checked so, else by code at every function's entry */
    result.stack_bounds_checks = CHECKS_AUTO;
    /* A module's C stack that runs into its data is a trap, as in the interpreters. */
    result.enable_aux_stack_check = true;
    /* As features.cmake has it. */
    result.enable_bulk_memory = WASM_ENABLE_BULK_MEMORY;
    result.enable_bulk_memory_opt = WASM_ENABLE_BULK_MEMORY_OPT;
    result.enable_ref_types = WASM_ENABLE_REF_TYPES;
    result.enable_call_indirect_overlong = WASM_ENABLE_CALL_INDIRECT_OVERLONG;
    result.enable_extended_const = WASM_ENABLE_EXTENDED_CONST_EXPR;
    result.enable_tail_call = WASM_ENABLE_TAIL_CALL;
    result.enable_thread_mgr = WASM_ENABLE_THREAD_MGR;
    result.enable_gc = WASM_ENABLE_GC;
    return result;
}

static int
compile(const struct options *options, wasm_module_t module)
{
    AOTCompOption wanted = compiler_options(options);
    uint32_t size = 0;
    aot_comp_data_t data = aot_create_comp_data(module, options->arch, wanted.enable_gc);
    aot_comp_context_t context = data ? aot_create_comp_context(data, &wanted) : NULL;
    bool compiled = context && aot_compile_wasm(context);
    uint8_t *bytes = compiled ? aot_emit_aot_file_buf(context, data, &size) : NULL;
    int result = bytes ? write_output(options->out, bytes, size) : fail(options->in, aot_get_last_error());
    if (bytes)
        wasm_runtime_free(bytes);
    if (context)
        aot_destroy_comp_context(context);
    if (data)
        aot_destroy_comp_data(data);
    return result;
}

static int
load_and_compile(const struct options *options)
{
    char error[256] = "";
    uint32_t size = 0;
    LoadArgs args = { .name = "" };
    uint8_t *bytes = read_module(options->in, &size);
    if (!bytes)
        return fail(options->in, "cannot be read or is empty");
    wasm_module_t module = wasm_runtime_load_ex(bytes, size, &args, error, sizeof(error));
    if (!module)
        return fail(options->in, error);
    int result = compile(options, module);
    wasm_runtime_unload(module);
    free(bytes);
    return result;
}

int
main(int argc, char **argv)
{
    struct options options;
    RuntimeInitArgs init;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("farm-aotc WAMR " VALUE_OF(WAMR_VERSION_MAJOR) "." VALUE_OF(WAMR_VERSION_MINOR) "." VALUE_OF(
            WAMR_VERSION_PATCH) " LLVM " FARM_LLVM_VERSION);
        return 0;
    }
    const char *wrong = options_parse(&options, argc, argv);
    if (wrong)
        return fail(wrong, "");
    memset(&init, 0, sizeof(init));
    init.mem_alloc_type = Alloc_With_System_Allocator;
    if (!silence_stdout() || !wasm_runtime_full_init(&init) || !aot_compiler_init())
        return fail("cannot start the compiler", "");
    return load_and_compile(&options);
}
