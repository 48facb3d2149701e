/* What this runner is: version, WAMR, build flags, kernels. */
#ifndef FARM_IDENTITY_H
#define FARM_IDENTITY_H

#include "events.h"

/* Adds the fields that say which runner measures. */
void
identity_describe(struct line *line);

/* `farm-runner info`: one JSON object on stdout. Returns the exit code. */
int
identity_print(void);

#endif
