/* A module inside WAMR: loading, instances, running. The only file with module.c that knows WAMR's embedding API, beside
   the imports in bench.c and kernels.c. */
#ifndef FARM_MODULE_H
#define FARM_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#include "order.h"
#include "streams.h"
#include "wasm_export.h"

struct module {
    wasm_module_t loaded;
    wasm_module_inst_t instance;
    bool compiled; /* an AOT file, not a .wasm */
    uint32_t exit_code;
    char error[256];
    bool for_memory; /* the error was want of memory */
};

/* Starts WAMR on the calling thread, which must be the one that uses the module. `denied` is called whenever a
   module's memory.grow is refused. */
bool
module_begin(struct module *module, void (*denied)(void));

/* Loads and resolves. `bytes` must stay, WAMR keeps pointers into them. An import that nobody provides is an error. */
bool
module_load(struct module *module, uint8_t *bytes, uint32_t size);

bool
module_instantiate(struct module *module, const struct order *order, const struct streams *streams);

/* Calls _start. False: it trapped, `error` says how. True: it ended, `exit_code` says how. */
bool
module_execute(struct module *module);

uint64_t
module_memory_bytes(struct module *module);

void
module_close_instance(struct module *module);

#endif
