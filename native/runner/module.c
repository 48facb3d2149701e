#include "module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "kernels.h"

enum { PAGE_BYTES = 65536, MOST_PAGES = 65536 };

/* Interpreters keep a module's frames on a stack of their own, which WAMR fills with zeros for every instance: an
   eighth of the ordered size, so that this costs neither milliseconds nor megabytes. Compiled code does not use it. */
enum { INTERPRETER_STACK_PART = 8, COMPILED_OPERAND_BYTES = 16 << 10 };

static void (*memory_denied)(void);

static void
on_enlarge_error(uint32_t pages, uint64_t bytes, uint32_t memory, enlarge_memory_error_reason_t reason,
                 wasm_module_inst_t instance, wasm_exec_env_t env, void *context)
{
    (void)pages, (void)bytes, (void)memory, (void)reason, (void)instance, (void)env, (void)context;
    memory_denied();
}

static bool
failed(struct module *module, const char *text)
{
    if (text != module->error)
        snprintf(module->error, sizeof(module->error), "%s", text);
    module->error[strcspn(module->error, "\n")] = '\0';
    /* WAMR's words for every allocation that fails: "allocate memory failed", "allocate linear memory failed", .. */
    module->for_memory = strstr(module->error, "memory failed") != NULL;
    return false;
}

bool
module_begin(struct module *module, void (*denied)(void))
{
    RuntimeInitArgs init;
    memset(module, 0, sizeof(*module));
    memset(&init, 0, sizeof(init));
    init.mem_alloc_type = Alloc_With_System_Allocator;
    if (!wasm_runtime_full_init(&init))
        return false;
    /* Its warnings are about what is checked here: imports without a provider, a limit above the module's own. */
    wasm_runtime_set_log_level(WASM_LOG_LEVEL_ERROR);
    memory_denied = denied;
    wasm_runtime_set_enlarge_mem_error_callback(on_enlarge_error, NULL);
    return bench_register() && kernels_register();
}

/* WAMR only warns of an import that nobody provides, and traps when it is called. */
static bool
check_imports(struct module *module)
{
    wasm_import_t import;
    for (int32_t i = 0; i < wasm_runtime_get_import_count(module->loaded); i++) {
        wasm_runtime_get_import_type(module->loaded, i, &import);
        if (import.kind != WASM_IMPORT_EXPORT_KIND_FUNC || import.linked)
            continue;
        snprintf(module->error, sizeof(module->error), "this runner provides no import %s.%s", import.module_name,
                 import.name);
        return failed(module, module->error);
    }
    return true;
}

bool
module_load(struct module *module, uint8_t *bytes, uint32_t size)
{
    module->compiled = get_package_type(bytes, size) == Wasm_Module_AoT;
    module->loaded = wasm_runtime_load(bytes, size, module->error, sizeof(module->error));
    return module->loaded ? check_imports(module) : failed(module, module->error);
}

/* "GUEST=HOST" to WAMR's "GUEST::HOST"; the working folder, as ".", comes first. The list lives as long as the process:
   it is made once, and WAMR copies nothing. */
static const char **
preopens(const struct order *order)
{
    static const char **list;
    if (list)
        return list;
    list = calloc(order->dirs.count + 1, sizeof(*list));
    for (size_t i = 0; i <= order->dirs.count; i++) {
        const char *pair = i ? order->dirs.items[i - 1] : NULL;
        int guest = pair ? (int)strcspn(pair, "=") : 1;
        const char *host = pair ? pair + guest + 1 : order->cwd;
        size_t room = strlen(host) + (size_t)guest + 3;
        char *text = malloc(room);
        snprintf(text, room, "%.*s::%s", guest, pair ? pair : ".", host);
        list[i] = text;
    }
    return list;
}

static char **
arguments(const struct order *order)
{
    static char **list;
    if (list)
        return list;
    list = calloc(order->args.count + 1, sizeof(*list));
    list[0] = (char *)order->name;
    for (size_t i = 0; i < order->args.count; i++)
        list[i + 1] = (char *)order->args.items[i];
    return list;
}

static uint32_t
most_pages(const struct order *order)
{
    uint64_t pages = order->memory_bytes / PAGE_BYTES;
    if (!order->memory_bytes || pages >= MOST_PAGES)
        return 0; /* WAMR: as the module says */
    return pages ? (uint32_t)pages : 1;
}

static void
set_arguments(struct module *module, struct InstantiationArgs2 *args, const struct order *order,
              const struct streams *streams)
{
    uint64_t stack = module->compiled ? COMPILED_OPERAND_BYTES : order->stack_bytes / INTERPRETER_STACK_PART;
    wasm_runtime_instantiation_args_set_default_stack_size(args, (uint32_t)stack);
    wasm_runtime_instantiation_args_set_max_memory_pages(args, most_pages(order));
    wasm_runtime_instantiation_args_set_wasi_arg(args, arguments(order), (int)order->args.count + 1);
    wasm_runtime_instantiation_args_set_wasi_env(args, order->env.items, (uint32_t)order->env.count);
    wasm_runtime_instantiation_args_set_wasi_dir(args, NULL, 0, preopens(order), (uint32_t)order->dirs.count + 1);
    wasm_runtime_instantiation_args_set_wasi_stdio(args, streams->in, streams->out, streams->err);
}

/* WAMR does not refuse a module whose first memory is above the limit already. */
static bool
check_memory(struct module *module, const struct order *order)
{
    if (!order->memory_bytes || module_memory_bytes(module) <= order->memory_bytes)
        return true;
    failed(module, "the module starts with more memory than its limit");
    module->for_memory = true;
    return false;
}

bool
module_instantiate(struct module *module, const struct order *order, const struct streams *streams)
{
    struct InstantiationArgs2 *args;
    if (!wasm_runtime_instantiation_args_create(&args))
        return failed(module, "allocate memory failed");
    set_arguments(module, args, order, streams);
    module->instance = wasm_runtime_instantiate_ex2(module->loaded, args, module->error, sizeof(module->error));
    wasm_runtime_instantiation_args_destroy(args);
    if (!module->instance)
        return failed(module, module->error);
    if (!wasm_runtime_lookup_function(module->instance, "_start"))
        return failed(module, "the module exports no _start");
    /* Made here and not at the first call, so that zeroing the operand stack counts as instantiation. */
    if (!wasm_runtime_get_exec_env_singleton(module->instance))
        return failed(module, "allocate memory failed");
    return check_memory(module, order);
}

bool
module_execute(struct module *module)
{
    static const char head[] = "Exception: ";
    if (wasm_application_execute_main(module->instance, 0, NULL)) {
        module->exit_code = wasm_runtime_get_wasi_exit_code(module->instance);
        return true;
    }
    const char *text = wasm_runtime_get_exception(module->instance);
    if (text && strncmp(text, head, sizeof(head) - 1) == 0)
        text += sizeof(head) - 1;
    return failed(module, text ? text : "it failed and does not say why");
}

uint64_t
module_memory_bytes(struct module *module)
{
    wasm_memory_inst_t memory = wasm_runtime_get_default_memory(module->instance);
    return memory ? wasm_memory_get_cur_page_count(memory) * wasm_memory_get_bytes_per_page(memory) : 0;
}

void
module_close_instance(struct module *module)
{
    wasm_runtime_deinstantiate(module->instance);
    module->instance = NULL;
}
