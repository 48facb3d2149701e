/* Calls the helpers of native/runner/armhelpers.c by their names; prints what is wrong. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

double __adddf3(double a, double b);
float __divsf3(float a, float b);
int __eqdf2(double a, double b);
int __nesf2(float a, float b);
int __ltdf2(double a, double b);
int __ledf2(double a, double b);
int __gtsf2(float a, float b);
int __gedf2(double a, double b);
int __unorddf2(double a, double b);
int64_t __fixdfdi(double a);
uint64_t __fixunssfdi(float a);
double __floatundidf(uint64_t a);
float __floatdisf(int64_t a);
double __extendsfdf2(float a);
float __truncdfsf2(double a);
int32_t __divsi3(int32_t a, int32_t b);
uint32_t __udivsi3(uint32_t a, uint32_t b);

static int wrong;

#define IS(what) (void)((what) || (wrong = 1, puts(#what)))

int
main(void)
{
    volatile double none = NAN, big = 1e19;
    volatile float half = 0.5f;
    IS(__adddf3(none, 1) != __adddf3(none, 1));
    IS(__adddf3(big, 1.5) == 1e19 + 1.5);
    IS(__divsf3(half, 4) == 0.125f);
    IS(__eqdf2(1, 1) == 0 && __eqdf2(1, 2) != 0 && __eqdf2(none, none) != 0);
    IS(__nesf2(half, 0.5f) == 0 && __nesf2(NAN, half) != 0);
    IS(__ltdf2(1, 2) < 0 && __ltdf2(2, 2) >= 0 && __ltdf2(none, 1) >= 0);
    IS(__ledf2(2, 2) <= 0 && __ledf2(3, 2) > 0 && __ledf2(1, none) > 0);
    IS(__gtsf2(2, 1) > 0 && __gtsf2(1, 1) <= 0 && __gtsf2(NAN, 1) <= 0);
    IS(__gedf2(1, 1) >= 0 && __gedf2(1, 2) < 0 && __gedf2(none, 1) < 0);
    IS(__unorddf2(none, 1) != 0 && __unorddf2(1, none) != 0 && __unorddf2(1, 1) == 0);
    IS(__fixdfdi(-1.5e18) == -1500000000000000000);
    IS(__fixunssfdi(1e19f) == 9999999980506447872u);
    IS(__floatundidf(UINT64_MAX) == 18446744073709551616.0);
    IS(__floatdisf(INT64_MIN) == -9223372036854775808.0f);
    IS(__extendsfdf2(half) == 0.5 && __truncdfsf2(0.5) == half);
    IS(__divsi3(-7, 2) == -3 && __udivsi3(UINT32_MAX, 2) == 2147483647);
    return wrong;
}
