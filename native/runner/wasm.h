/* Repeats of a module, as the supervisor sees them. */
#ifndef FARM_WASM_H
#define FARM_WASM_H

#include "attempt.h"

/* Runs all warmups and repeats in one worker process. */
void
wasm_measure(struct attempt *attempt);

#endif
