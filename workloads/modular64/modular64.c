/* Primes below a number of 64 bits, by the test of Miller and Rabin to the first twelve primes as bases, which leaves
   no doubt below 3.18e23 (Sorenson and Webster 2015). Products modulo n are Montgomery's (1985).
   Stresses: 64-bit integers: multiplication, carries, shifts, and divisions for the start of each number. A machine of
   32 bits makes each of them from several of its own. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct size {
    const char *name;
    uint32_t candidates;
};

static const struct size sizes[] = {
    { "small", 800 },
    { "real", 400000 },
};

/* The largest odd number of 64 bits; candidates are it and the odd ones below. */
static const uint64_t FIRST = 0xffffffffffffffff;

struct found {
    uint32_t count;
    uint64_t last, sum;
};

/* The high half of a product, from four products of halves: standard C has no wider type. */
static uint64_t
multiply_high(uint64_t a, uint64_t b)
{
    uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
    uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    uint64_t other = a_low * b_high + (uint32_t)middle;
    return a_high * b_high + (middle >> 32) + (other >> 32);
}

/* -1/n modulo 2^64, by Newton's steps: each doubles the bits that are right. */
static uint64_t
negative_inverse(uint64_t n)
{
    uint64_t inverse = n; /* right to 3 bits for odd n */
    for (int bits = 3; bits < 64; bits *= 2)
        inverse *= 2 - n * inverse;
    return -inverse;
}

/* a b / 2^64 modulo n, for a and b below n. */
static uint64_t
multiply(uint64_t a, uint64_t b, uint64_t n, uint64_t inverse)
{
    uint64_t low = a * b, high = multiply_high(a, b);
    uint64_t carried = multiply_high(low * inverse, n) + (low != 0); /* the low halves add up to 0 or 2^64 */
    uint64_t sum = high + carried;
    return sum < high || sum >= n ? sum - n : sum;
}

/* 2^128 modulo n, which brings a number into Montgomery's form. */
static uint64_t
square_of_radix(uint64_t n)
{
    uint64_t value = -n % n;
    for (int i = 0; i < 64; i++)
        value = value >= n - value ? value - (n - value) : value + value;
    return value;
}

/* Whether n, odd and above 37, is shown to be composite by a base. */
static int
is_witness(uint64_t base, uint64_t n, uint64_t inverse, uint64_t radix2)
{
    uint64_t one = multiply(1, radix2, n, inverse), minus_one = n - one;
    uint64_t power = one, square = multiply(base, radix2, n, inverse), odd = n - 1;
    int twos = 0;
    while (odd % 2 == 0) {
        odd /= 2;
        twos++;
    }
    for (; odd; odd /= 2) {
        if (odd % 2)
            power = multiply(power, square, n, inverse);
        square = multiply(square, square, n, inverse);
    }
    if (power == one || power == minus_one)
        return 0;
    while (--twos > 0) {
        power = multiply(power, power, n, inverse);
        if (power == minus_one)
            return 0;
    }
    return 1;
}

static int
is_prime(uint64_t n)
{
    static const uint8_t bases[] = { 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37 };
    uint64_t inverse = negative_inverse(n), radix2 = square_of_radix(n);
    for (size_t i = 0; i < sizeof(bases); i++)
        if (is_witness(bases[i], n, inverse, radix2))
            return 0;
    return 1;
}

static struct found
search(uint32_t candidates)
{
    struct found found = { 0, 0, 0 };
    for (uint32_t i = 0; i < candidates; i++) {
        uint64_t n = FIRST - 2 * (uint64_t)i;
        if (is_prime(n)) {
            found.count++;
            found.last = n;
            found.sum += n;
        }
    }
    return found;
}

static const struct size *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    fprintf(stderr, "modular64: no size %s; there are small and real\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    const struct size *size = find(argc > 1 ? argv[1] : "small");
    struct found found;
    bench_start();
    found = search(size->candidates);
    bench_end();
    printf("modular64 %s %lu: %lu primes, last %llu, sum %016llx\n", size->name, (unsigned long)size->candidates,
           (unsigned long)found.count, (unsigned long long)found.last, (unsigned long long)found.sum);
    return 0;
}
