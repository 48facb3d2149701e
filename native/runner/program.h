/* Repeats of a native program: each is a fresh process. */
#ifndef FARM_PROGRAM_H
#define FARM_PROGRAM_H

#include "attempt.h"

/* Runs all warmups and repeats, stops at the first that fails. */
void
program_measure(struct attempt *attempt);

#endif
