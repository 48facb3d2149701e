#include "identity.h"

#include <stdio.h>
#include <unistd.h>

#include "kernels.h"
#include "version.h" /* WAMR's */

#define TEXT_OF(value) #value
#define VALUE_OF(value) TEXT_OF(value)
#define WAMR_VERSION                                                                                                   \
    VALUE_OF(WAMR_VERSION_MAJOR) "." VALUE_OF(WAMR_VERSION_MINOR) "." VALUE_OF(WAMR_VERSION_PATCH)

void
identity_describe(struct line *line)
{
    line_text(line, "version", FARM_RUNNER_VERSION);
    line_text(line, "wamr", WAMR_VERSION);
    line_text(line, "interpreter", FARM_INTERPRETER);
    line_bool(line, "simd", FARM_SIMD);
    line_list_open(line, "kernels");
    for (size_t i = 0; i < kernels_count(); i++)
        line_text(line, NULL, kernels_name(i));
    line_list_close(line);
}

int
identity_print(void)
{
    struct line line;
    line_open(&line, NULL);
    identity_describe(&line);
    line_text(&line, "arch", FARM_ARCH);
    line_text(&line, "flags", FARM_BUILD_FLAGS);
    return line_write(&line, STDOUT_FILENO) ? 0 : 3;
}
