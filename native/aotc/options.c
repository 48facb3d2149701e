#include "options.h"

#include <stddef.h>
#include <string.h>

/* Each with the word that closes its LLVM triple. WAMR's own loader resolves all symbols, so the word names the object
   format, and on 32-bit Arm also that floats are passed in registers, as ARMV7_VFP does. */
static const struct {
    const char *arch;
    char *abi;
    bool simd;
} targets[] = {
    { "x86_64", "gnu", true },
    { "aarch64", "gnu", true },
    { "armv7", "gnueabihf", false },
};

enum { TARGETS = sizeof(targets) / sizeof(targets[0]) };

static const char *
parse_digit(const char *text, uint32_t most, uint32_t *value, const char *complaint)
{
    if (text[0] < '0' || text[0] > (char)('0' + most) || text[1] != '\0')
        return complaint;
    *value = (uint32_t)(text[0] - '0');
    return NULL;
}

static const char *
parse_simd(struct options *options, const char *text)
{
    uint32_t simd = 0;
    const char *wrong = parse_digit(text, 1, &simd, "--simd is 0 or 1");
    options->simd = simd;
    return wrong;
}

static const char *
parse_one(struct options *options, const char *name, char *text)
{
    if (strcmp(name, "--arch") == 0)
        options->arch = text;
    else if (strcmp(name, "--cpu") == 0)
        options->cpu = text;
    else if (strcmp(name, "--out") == 0)
        options->out = text;
    else if (strcmp(name, "--simd") == 0)
        return parse_simd(options, text);
    else if (strcmp(name, "--opt") == 0)
        return parse_digit(text, 3, &options->opt, "--opt is 0 to 3");
    else if (strcmp(name, "--bounds-checks") == 0 && strcmp(text, "auto") == 0)
        options->bounds_checks = CHECKS_AUTO;
    else if (strcmp(name, "--bounds-checks") == 0)
        return parse_digit(text, 1, &options->bounds_checks, "--bounds-checks is auto, 0 or 1");
    else
        return "unknown option; there are --arch --cpu --simd --opt --bounds-checks --out";
    return NULL;
}

static const char *
take_target(struct options *options)
{
    for (size_t i = 0; options->arch && i < TARGETS; i++)
        if (strcmp(options->arch, targets[i].arch) == 0) {
            options->abi = targets[i].abi;
            return options->simd && !targets[i].simd ? "there is no SIMD for this --arch: say --simd 0" : NULL;
        }
    return "--arch is x86_64, aarch64 or armv7";
}

static const char *
check(struct options *options)
{
    if (!options->in)
        return "name one module";
    const char *wrong = take_target(options);
    if (wrong)
        return wrong;
    /* Without a name WAMR compiles for this very machine, or for a CPU that nobody can say afterwards. */
    if (!options->cpu || !options->cpu[0] || strcmp(options->cpu, "native") == 0)
        return "--cpu must name one, such as x86-64-v3 or cortex-a72";
    if (!options->out)
        return "--out is missing";
    return NULL;
}

const char *
options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){ .simd = true, .opt = 3, .bounds_checks = CHECKS_AUTO };
    for (int i = 1; i < argc; i++) {
        const char *wrong = NULL;
        if (strncmp(argv[i], "--", 2) != 0 && !options->in)
            options->in = argv[i];
        else if (strncmp(argv[i], "--", 2) != 0)
            wrong = "name one module only";
        else if (i + 1 == argc)
            wrong = "the last option lacks its value";
        else
            wrong = parse_one(options, argv[i], argv[i + 1]), i++;
        if (wrong)
            return wrong;
    }
    return check(options);
}
