/* Rows of numbers that grow by realloc in an order without a pattern, and are freed and begun again when they are full.
   Stresses: memory that grows. The module's memory starts small and is grown while it runs, the allocator splits and
   joins what it has, and a row that found no room behind itself is copied. What a row holds is checked when it goes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct size {
    const char *name;
    /* The longest a row may become is between `most` and twice that. */
    uint32_t rows, most, steps;
};

static const struct size sizes[] = {
    { "small", 16, 4000, 1500 },
    { "real", 48, 200000, 400000 },
};

enum { LONGEST_PIECE = 512 };

struct row {
    uint32_t *numbers;
    uint32_t count, room, most;
};

struct result {
    uint64_t sum;
    uint32_t freed;
};

static struct row rows[64];

/* A linear congruential generator (Knuth's MMIX constants). */
static uint32_t
draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 32);
}

/* Half as much again as there was, so that neighbours get in each other's way again and again. */
static void
widen(struct row *row, uint32_t needed)
{
    uint32_t room = row->room + row->room / 2;
    uint32_t *wider;
    if (room < needed)
        room = needed;
    wider = realloc(row->numbers, room * sizeof(*wider));
    if (!wider) {
        fputs("grow: no memory\n", stderr);
        exit(1);
    }
    row->numbers = wider;
    row->room = room;
}

/* Every number counts with its place, from 1. */
static uint64_t
let_go(struct row *row)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < row->count; i++)
        sum += (uint64_t)(i + 1) * row->numbers[i];
    free(row->numbers);
    row->numbers = NULL;
    row->count = row->room = 0;
    return sum;
}

static struct result
work(const struct size *size)
{
    struct result result = { 0, 0 };
    uint64_t seed = 1;
    for (uint32_t i = 0; i < size->rows; i++)
        rows[i].most = size->most + size->most / size->rows * i;
    for (uint32_t step = 0; step < size->steps; step++) {
        struct row *row = &rows[draw(&seed) % size->rows];
        uint32_t piece = 1 + draw(&seed) % LONGEST_PIECE;
        if (row->count + piece > row->most) {
            result.sum = result.sum * 31 + let_go(row);
            result.freed++;
        }
        if (row->count + piece > row->room)
            widen(row, row->count + piece);
        for (uint32_t i = 0; i < piece; i++)
            row->numbers[row->count++] = step + i;
    }
    for (uint32_t i = 0; i < size->rows; i++)
        result.sum = result.sum * 31 + let_go(&rows[i]);
    return result;
}

static const struct size *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    fprintf(stderr, "grow: no size %s; there are small and real\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    const struct size *size = find(argc > 1 ? argv[1] : "small");
    struct result result;
    bench_start();
    result = work(size);
    bench_end();
    printf("grow %s %lu steps: %lu freed, %016llx\n", size->name, (unsigned long)size->steps,
           (unsigned long)result.freed, (unsigned long long)result.sum);
    return 0;
}
