/* One attempt as its supervisor sees it: what has happened so far, and the events that say so. */
#ifndef FARM_ATTEMPT_H
#define FARM_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "events.h"
#include "note.h"
#include "order.h"

enum limit { LIMIT_NONE, LIMIT_TIME, LIMIT_MEMORY, LIMIT_OUTPUT, LIMIT_PROCESSES, LIMIT_STOPPED };

enum memory_source { MEMORY_UNKNOWN, MEMORY_SELF, MEMORY_EXIT_STOP, MEMORY_SAMPLED };

struct attempt {
    const struct order *order;
    int events_fd;
    bool events_broken; /* the file took only part of a line, so nothing may follow it */
    enum stage stage;
    enum limit limit;
    bool memory_denied; /* a module's memory.grow was refused */
    bool failed;        /* no further repeat */
    bool broken;        /* the runner could not do its job */
    int exit_code;      /* of the last repeat; -1: it did not exit */
    int signal;
    char trap[512];
    char message[512];
    uint64_t peak_memory_bytes;
    enum memory_source memory_source;
    bool counted;
    uint64_t cycles;
    uint64_t instructions;
};

void
attempt_start(struct attempt *attempt);
void
attempt_phase(struct attempt *attempt, enum stage stage, uint32_t index, uint64_t ns);
/* One repeat that ended well. Of its `ns` it waited `waited_ns` for its core, or WAITED_UNKNOWN. */
void
attempt_repeat(struct attempt *attempt, uint32_t index, uint64_t ns, uint64_t region_ns, uint64_t instantiate_ns,
               uint64_t waited_ns);
void
attempt_metric(struct attempt *attempt, const char *name, uint64_t value, const char *unit);
/* Takes a reading of peak memory; the largest one counts. */
void
attempt_memory(struct attempt *attempt, uint64_t bytes, enum memory_source source);
/* Writes the `usage` event from what all reaped children used. */
void
attempt_usage(struct attempt *attempt);
void
attempt_end(struct attempt *attempt);
/* Marks the first limit that was passed; later ones are its consequences. */
void
attempt_limit(struct attempt *attempt, enum limit limit);
/* The process ended by a signal. `how` begins the message where no limit explains it. */
void
attempt_signal(struct attempt *attempt, int signal, const char *how);
/* The runner itself failed: `what` and errno's text go into the `end` event. */
void
attempt_break(struct attempt *attempt, const char *what, int error);

#endif
