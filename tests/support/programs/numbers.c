/* Arithmetic that a 32-bit processor has no instructions for, and conversions between all kinds of numbers. */
#include <inttypes.h>
#include <stdio.h>

static const int64_t wide[] = { 7, -7, 1000003, INT64_MAX, INT64_MIN + 1, -4294967297, 12345678901234567 };
static const double reals[] = { 0.5, -0.5, 3.99, -3.99, 1e9, -1e9, 1.5e18, -1.5e18, 4294967295.0 };

enum { WIDE = sizeof(wide) / sizeof(wide[0]), REALS = sizeof(reals) / sizeof(reals[0]) };

static void
divide(volatile int64_t a, volatile int64_t b)
{
    uint64_t ua = (uint64_t)a, ub = (uint64_t)b;
    printf("%" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", a / b, a % b, ua / ub, ua % ub, ua * ub);
    printf("%" PRId64 " %" PRIu64 " %" PRIu64 "\n", a >> (b & 63), ua >> (b & 63), ua << (b & 63));
    printf("%.17g %.9g %.17g %.9g\n", (double)a, (double)(float)a, (double)ua, (double)(float)ua);
}

static void
convert(volatile double value)
{
    volatile float narrow = (float)value;
    printf("%" PRId64 " %" PRId64 " %.9g", (int64_t)value, (int64_t)narrow, (double)narrow);
    if (value > -1 && value < 18e18)
        printf(" %" PRIu64 " %" PRIu64, (uint64_t)value, (uint64_t)narrow);
    if (value > -2e9 && value < 2e9)
        printf(" %d %d", (int)value, (int)narrow);
    printf(" %d %d\n", value < narrow, value == narrow);
}

int
main(void)
{
    for (int a = 0; a < WIDE; a++)
        for (int b = 0; b < WIDE; b++)
            divide(wide[a], wide[b]);
    for (int i = 0; i < REALS; i++)
        convert(reals[i]);
    return 0;
}
