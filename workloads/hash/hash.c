/* SHA-256, as FIPS 180-4 describes it, over a buffer that every round is hashed behind the round before.
   Stresses: 32-bit integers, that is additions, rotations and logic in straight lines of code, hardly a branch, loads
   from a small table; the buffer streams through once a round. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct size {
    const char *name;
    uint32_t bytes, rounds;
};

static const struct size sizes[] = {
    { "small", 16384, 4 },
    { "real", 4194304, 24 },
};

enum { BLOCK = 64, DIGEST = 32 };

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[BLOCK];
};

/* Section 4.2.2: the fractions of the cube roots of the first 64 primes. */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t
rotate(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

/* Section 6.2.2: one block into the state. */
static void
compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6],
                    h = state[7];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 | (uint32_t)block[4 * t + 2] << 8
               | block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t low = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t high = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = high + w[t - 7] + low + w[t - 16];
    }
    for (int t = 0; t < 64; t++) {
        uint32_t choice = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
        uint32_t one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + K[t] + w[t];
        uint32_t two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;
        h = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

/* Section 5.3.3: the fractions of the square roots of the first 8 primes. */
static void
begin(struct sha256 *sha)
{
    static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    memcpy(sha->state, first, sizeof(first));
    sha->bytes = 0;
}

static void
add(struct sha256 *sha, const uint8_t *bytes, uint32_t count)
{
    while (count) {
        uint32_t held = (uint32_t)(sha->bytes % BLOCK), taken = count < BLOCK - held ? count : BLOCK - held;
        if (taken == BLOCK)
            compress(sha->state, bytes);
        else {
            memcpy(sha->block + held, bytes, taken);
            if (held + taken == BLOCK)
                compress(sha->state, sha->block);
        }
        sha->bytes += taken;
        bytes += taken;
        count -= taken;
    }
}

/* Section 5.1.1: a one bit, zeros, and the length in bits. */
static void
end(struct sha256 *sha, uint8_t digest[DIGEST])
{
    static const uint8_t padding[BLOCK] = { 0x80 };
    uint64_t bits = sha->bytes * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    add(sha, padding, 1 + (uint32_t)((BLOCK + 55 - sha->bytes % BLOCK) % BLOCK));
    add(sha, length, sizeof(length));
    for (int i = 0; i < DIGEST; i++)
        digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}

/* The high bytes of a linear congruential generator (Knuth's MMIX constants). */
static void
fill(uint8_t *bytes, uint32_t count)
{
    uint64_t seed = 1;
    for (uint32_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(seed >> 56);
    }
}

/* The first digest is all zero; each later one is of the one before and the buffer. */
static void
chain(uint8_t digest[DIGEST], const uint8_t *buffer, const struct size *size)
{
    struct sha256 sha;
    memset(digest, 0, DIGEST);
    for (uint32_t round = 0; round < size->rounds; round++) {
        begin(&sha);
        add(&sha, digest, DIGEST);
        add(&sha, buffer, size->bytes);
        end(&sha, digest);
    }
}

static const struct size *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    fprintf(stderr, "hash: no size %s; there are small and real\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    const struct size *size = find(argc > 1 ? argv[1] : "small");
    uint8_t digest[DIGEST], *buffer = malloc(size->bytes);
    if (!buffer) {
        fputs("hash: no memory\n", stderr);
        return 1;
    }
    fill(buffer, size->bytes);
    bench_start();
    chain(digest, buffer, size);
    bench_end();
    printf("hash %s %lux%lu ", size->name, (unsigned long)size->rounds, (unsigned long)size->bytes);
    for (int i = 0; i < DIGEST; i++)
        printf("%02x", (unsigned)digest[i]);
    putchar('\n');
    free(buffer);
    return 0;
}
