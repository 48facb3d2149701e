/* Names of 32-bit Arm's run-time helpers that the table of WAMR's AOT loader holds and that a hard-float link does not
 * bring: its compiler library has the __aeabi_ ones, under which LLVM calls them. AOT code reaches these only where a
 * compiler uses GCC's names, so each does what libgcc's manual says of it, NaNs included. Empty elsewhere.
 *
 * The compiler sees plain arithmetic, for which a CPU with VFPv4 and integer division has instructions: none of these
 * calls itself.
 */
#if defined(__arm__)
#include <stdint.h>

/* sf and df are GCC's words for float and double, si and di for 32 and 64 bits; a leading u for unsigned ones. */
typedef float sf;
typedef double df;
typedef int32_t si;
typedef int64_t di;
typedef uint32_t usi;
typedef uint64_t udi;

#define HELPER(result, name, arguments, value)                                                                         \
    result name arguments;                                                                                             \
    result name arguments                                                                                              \
    {                                                                                                                  \
        return value;                                                                                                  \
    }

#define ARITHMETIC(type)                                                                                               \
    HELPER(type, __add##type##3, (type a, type b), a + b)                                                              \
    HELPER(type, __sub##type##3, (type a, type b), a - b)                                                              \
    HELPER(type, __mul##type##3, (type a, type b), a * b)                                                               \
    HELPER(type, __div##type##3, (type a, type b), a / b)

/* Which side of 0 the answer lies on is what counts. With a NaN every relation is false: so "greater" answers below 0,
   the others above it. */
#define LESS_FIRST(a, b) ((a) < (b) ? -1 : (a) == (b) ? 0 : 1)
#define GREATER_FIRST(a, b) ((a) > (b) ? 1 : (a) == (b) ? 0 : -1)
#define COMPARISON(type)                                                                                               \
    HELPER(si, __eq##type##2, (type a, type b), LESS_FIRST(a, b))                                                      \
    HELPER(si, __ne##type##2, (type a, type b), LESS_FIRST(a, b))                                                      \
    HELPER(si, __lt##type##2, (type a, type b), LESS_FIRST(a, b))                                                      \
    HELPER(si, __le##type##2, (type a, type b), LESS_FIRST(a, b))                                                      \
    HELPER(si, __gt##type##2, (type a, type b), GREATER_FIRST(a, b))                                                   \
    HELPER(si, __ge##type##2, (type a, type b), GREATER_FIRST(a, b))                                                   \
    HELPER(si, __unord##type##2, (type a, type b), a != a || b != b)

#define CONVERSION(type)                                                                                               \
    HELPER(si, __fix##type##si, (type a), (si)a)                                                                       \
    HELPER(di, __fix##type##di, (type a), (di)a)                                                                       \
    HELPER(usi, __fixuns##type##si, (type a), (usi)a)                                                                  \
    HELPER(udi, __fixuns##type##di, (type a), (udi)a)                                                                  \
    HELPER(type, __floatsi##type, (si a), (type)a)                                                                     \
    HELPER(type, __floatdi##type, (di a), (type)a)                                                                     \
    HELPER(type, __floatunsi##type, (usi a), (type)a)                                                                  \
    HELPER(type, __floatundi##type, (udi a), (type)a)

ARITHMETIC(sf)
ARITHMETIC(df)
COMPARISON(sf)
COMPARISON(df)
CONVERSION(sf)
CONVERSION(df)
HELPER(df, __extendsfdf2, (sf a), (df)a)
HELPER(sf, __truncdfsf2, (df a), (sf)a)
HELPER(si, __divsi3, (si a, si b), a / b)
HELPER(usi, __udivsi3, (usi a, usi b), a / b)
#endif
