/* What a worker that runs a module tells its supervisor, through a pipe. Both are the same program, so these are plain
   structs; each is written whole, being smaller than PIPE_BUF. */
#ifndef FARM_NOTE_H
#define FARM_NOTE_H

#include <stdint.h>

enum note_kind {
    NOTE_STAGE,  /* a stage begins: index, value[0] = enum stage */
    NOTE_PHASE,  /* it took: index, value[0] = enum stage, value[1] = ns */
    NOTE_REPEAT, /* value[0] = execute ns, [1] = region ns, [2] = instantiate ns, [3] = waited ns */
    NOTE_METRIC, /* text = name, value[0] = bytes */
    NOTE_USAGE,  /* value[0] = peak memory bytes */
    NOTE_TRAP,   /* text */
    NOTE_ERROR,  /* text: why a stage failed; value[0] = 1: for want of memory */
    NOTE_DENIED, /* the module asked for more memory than the limit */
    NOTE_EXIT,   /* value[0] = exit code of a repeat that failed */
};

enum stage { STAGE_START, STAGE_LOAD, STAGE_INSTANTIATE, STAGE_EXECUTE, STAGE_DONE };

struct note {
    enum note_kind kind;
    uint32_t index;
    uint64_t value[4];
    char text[512];
};

#endif
