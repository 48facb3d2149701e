/* Prints when its main was entered, by CLOCK_MONOTONIC in ns, then does nothing but call: fib(N). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint32_t __attribute__((noinline))
fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int
main(int argc, char **argv)
{
    struct timespec entered;
    clock_gettime(CLOCK_MONOTONIC, &entered);
    printf("%lld%09ld\n%u\n", (long long)entered.tv_sec, (long)entered.tv_nsec,
           (unsigned)fib(argc > 1 ? (uint32_t)atoi(argv[1]) : 0));
    return 0;
}
