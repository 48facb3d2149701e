/* farm-aotc's command line. */
#ifndef FARM_AOTC_OPTIONS_H
#define FARM_AOTC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { CHECKS_AUTO = 2 }; /* WAMR's word for "as the target needs it" */

struct options {
    char *arch;
    char *abi; /* follows from arch */
    char *cpu;
    char *out;
    char *in;
    bool simd;
    uint32_t opt;
    uint32_t bounds_checks; /* 0, 1 or CHECKS_AUTO */
};

/* Reads them. Returns what is wrong, NULL if nothing is. */
const char *
options_parse(struct options *options, int argc, char **argv);

#endif
