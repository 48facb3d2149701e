/* One order: what the command line asks the runner to do. */
#ifndef FARM_ORDER_H
#define FARM_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum order_mode { MODE_RUN, MODE_EXEC };

/* A list of words from the command line; the words themselves stay where argv has them. */
struct words {
    const char **items;
    size_t count;
};

struct order {
    enum order_mode mode;
    const char *events_path;
    const char *stdout_prefix;
    const char *stderr_path;
    const char *messages_path; /* what the runner and WAMR themselves print; NULL: /dev/null */
    const char *stdin_path;    /* NULL: /dev/null */
    const char *name;          /* argv[0] of the program */
    const char *cwd;
    const char *launcher; /* NULL: none */
    const char *token;    /* NULL: none */
    struct words dirs;    /* "GUEST=HOST", modules only */
    struct words env;     /* "NAME=VALUE" */
    struct words args;    /* the program's own, without argv[0] */
    const char *program;
    uint32_t warmups;
    uint32_t repeats;
    uint64_t timeout_ns;   /* of the whole attempt; 0: none */
    uint64_t memory_bytes; /* 0: no limit; so the next two */
    uint64_t output_bytes;
    uint32_t processes;
    uint64_t stack_bytes;
    int cpu;     /* -1: not pinned */
    int lock_fd; /* -1: none */
};

/* Reads the arguments that follow `run` or `exec`.
   Returns false after one line on stderr that says what is wrong. Never frees: an order lives as long as its process. */
bool
order_parse(struct order *order, enum order_mode mode, int argc, char **argv);

#endif
