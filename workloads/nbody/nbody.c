/* The orbits of the sun and the four outer planets, by the rules and the numbers of the n-body program of the Computer
   Language Benchmarks Game: Newton's law over all pairs, then a step in time, speeds first.
   Stresses: double precision, with a square root and a division for each of ten pairs a step, that the next step waits
   for. Without fused multiply-add every machine gets every bit the same, and bits are what is printed. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define PI 3.141592653589793
#define SOLAR_MASS (4 * PI * PI)
#define DAYS_PER_YEAR 365.24

enum { BODIES = 5 };

struct size {
    const char *name;
    uint32_t steps;
};

static const struct size sizes[] = {
    { "small", 1000 },
    { "real", 5000000 },
};

/* Astronomical units, and per year for velocities. */
struct body {
    double x[3], v[3], mass;
};

static struct body bodies[BODIES] = {
    { { 0, 0, 0 }, { 0, 0, 0 }, SOLAR_MASS },
    /* Jupiter */
    { { 4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01 },
      { 1.66007664274403694e-03 * DAYS_PER_YEAR, 7.69901118419740425e-03 * DAYS_PER_YEAR,
        -6.90460016972063023e-05 * DAYS_PER_YEAR },
      9.54791938424326609e-04 * SOLAR_MASS },
    /* Saturn */
    { { 8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01 },
      { -2.76742510726862411e-03 * DAYS_PER_YEAR, 4.99852801234917238e-03 * DAYS_PER_YEAR,
        2.30417297573763929e-05 * DAYS_PER_YEAR },
      2.85885980666130812e-04 * SOLAR_MASS },
    /* Uranus */
    { { 1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01 },
      { 2.96460137564761618e-03 * DAYS_PER_YEAR, 2.37847173959480950e-03 * DAYS_PER_YEAR,
        -2.96589568540237556e-05 * DAYS_PER_YEAR },
      4.36624404335156298e-05 * SOLAR_MASS },
    /* Neptune */
    { { 1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01 },
      { 2.68067772490389322e-03 * DAYS_PER_YEAR, 1.62824170038242295e-03 * DAYS_PER_YEAR,
        -9.51592254519715870e-05 * DAYS_PER_YEAR },
      5.15138902046611451e-05 * SOLAR_MASS },
};

/* The sun gets the momentum that keeps the whole at rest. */
static void
rest(void)
{
    for (int axis = 0; axis < 3; axis++) {
        double momentum = 0;
        for (int i = 0; i < BODIES; i++)
            momentum += bodies[i].v[axis] * bodies[i].mass;
        bodies[0].v[axis] = -momentum / SOLAR_MASS;
    }
}

static double
energy(void)
{
    double sum = 0;
    for (int i = 0; i < BODIES; i++) {
        const struct body *a = &bodies[i];
        sum += 0.5 * a->mass * (a->v[0] * a->v[0] + a->v[1] * a->v[1] + a->v[2] * a->v[2]);
        for (int j = i + 1; j < BODIES; j++) {
            const struct body *b = &bodies[j];
            double x = a->x[0] - b->x[0], y = a->x[1] - b->x[1], z = a->x[2] - b->x[2];
            sum -= a->mass * b->mass / sqrt(x * x + y * y + z * z);
        }
    }
    return sum;
}

static void
attract(struct body *a, struct body *b, double dt)
{
    double x = a->x[0] - b->x[0], y = a->x[1] - b->x[1], z = a->x[2] - b->x[2];
    double square = x * x + y * y + z * z;
    double pull = dt / (square * sqrt(square));
    double of_a = a->mass * pull, of_b = b->mass * pull;
    a->v[0] -= x * of_b;
    a->v[1] -= y * of_b;
    a->v[2] -= z * of_b;
    b->v[0] += x * of_a;
    b->v[1] += y * of_a;
    b->v[2] += z * of_a;
}

static void
advance(uint32_t steps, double dt)
{
    while (steps--) {
        for (int i = 0; i < BODIES; i++)
            for (int j = i + 1; j < BODIES; j++)
                attract(&bodies[i], &bodies[j], dt);
        for (int i = 0; i < BODIES; i++)
            for (int axis = 0; axis < 3; axis++)
                bodies[i].x[axis] += dt * bodies[i].v[axis];
    }
}

static void
tell(const char *when, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    printf("%s %.9f %016llx\n", when, value, (unsigned long long)bits);
}

static const struct size *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    fprintf(stderr, "nbody: no size %s; there are small and real\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    const struct size *size = find(argc > 1 ? argv[1] : "small");
    rest();
    printf("nbody %s %lu\n", size->name, (unsigned long)size->steps);
    tell("energy before", energy());
    bench_start();
    advance(size->steps, 0.01);
    bench_end();
    tell("energy after", energy());
    for (int i = 0; i < BODIES; i++)
        tell("x", bodies[i].x[0]);
    return 0;
}
