/* C23's rounding functions, which SIMDe's headers call and musl does not have. In the default rounding mode, which
   nothing here changes, rint() is the same function. */
#include <math.h>

double
roundeven(double value)
{
    return rint(value);
}

float
roundevenf(float value)
{
    return rintf(value);
}
