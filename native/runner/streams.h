/* The three standard streams of a program under measurement. */
#ifndef FARM_STREAMS_H
#define FARM_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "order.h"

struct streams {
    int in;
    int out;
    int err;
};

/* Opens what one repeat reads and writes: stdin from its beginning, a fresh file for stdout, stderr after what earlier
   repeats wrote. All descriptors close on exec. Returns false with errno set and `path` naming the culprit. */
bool
streams_open(struct streams *streams, const struct order *order, uint32_t index, char *path, unsigned room);

void
streams_close(struct streams *streams);

/* Turns the runner's own stdout and stderr, on which WAMR prints, to the messages file, and stdin to nothing. */
bool
streams_redirect_own(const struct order *order);

#endif
