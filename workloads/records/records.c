/* Reads the tables in data/ line by line, writes a file of fixed records, reads it back in order and then here and
   there, and writes a summary, which it reads back too.
   Stresses: files. Folders are listed, files opened, read, written, sought in and closed, through WASI in a module and
   straight by the system in a native program; in between, lines are taken apart. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench.h"

#define TABLES "data"
#define RECORDS "out/records.bin"
#define SUMMARY "out/summary.txt"

struct size {
    const char *name;
    /* How often all tables are read, and how many records are sought. */
    uint32_t passes, seeks;
};

static const struct size sizes[] = {
    { "small", 12, 500 },
    { "real", 2500, 200000 },
};

enum { NAME = 16, RECORD = NAME + 8, MOST_TABLES = 8, LONGEST_PATH = 300, MOST_STATIONS = 32 };

struct station {
    char name[NAME];
    int64_t sum;
    uint32_t count;
};

struct result {
    uint32_t records;
    uint64_t sought, summary;
};

static char tables[MOST_TABLES][LONGEST_PATH];
static int table_count;
static struct station stations[MOST_STATIONS];
static int station_count;

static void
fail(const char *what, const char *path)
{
    fprintf(stderr, "records: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static FILE *
open_file(const char *path, const char *how)
{
    FILE *file = fopen(path, how);
    if (!file)
        fail("cannot open", path);
    return file;
}

static void
close_file(FILE *file, const char *path)
{
    if (ferror(file) || fclose(file) != 0)
        fail("cannot read or write", path);
}

static int
compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* A folder has no order of its own. */
static void
list_tables(void)
{
    struct dirent *entry;
    DIR *folder = opendir(TABLES);
    if (!folder)
        fail("cannot list", TABLES);
    while ((entry = readdir(folder)))
        if (strstr(entry->d_name, ".csv") && table_count < MOST_TABLES)
            snprintf(tables[table_count++], LONGEST_PATH, "%s/%.255s", TABLES, entry->d_name);
    closedir(folder);
    qsort(tables, (size_t)table_count, sizeof(tables[0]), compare);
}

/* A record is a name, filled up with zeros, and a number, lowest byte first. */
static void
write_record(FILE *to, const char *name, size_t length, int64_t number)
{
    uint8_t record[RECORD] = { 0 };
    memcpy(record, name, length);
    for (int i = 0; i < 8; i++)
        record[NAME + i] = (uint8_t)((uint64_t)number >> 8 * i);
    if (fwrite(record, RECORD, 1, to) != 1)
        fail("cannot write", RECORDS);
}

static int64_t
number_of(const uint8_t record[RECORD])
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number |= (uint64_t)record[NAME + i] << 8 * i;
    return (int64_t)number;
}

static uint32_t
convert(const char *path, FILE *to)
{
    char line[80];
    uint32_t records = 0;
    FILE *from = open_file(path, "r");
    while (fgets(line, sizeof(line), from)) {
        char *comma = strchr(line, ',');
        if (!comma || comma - line >= NAME) {
            fprintf(stderr, "records: no name and number in %s: %s", path, line);
            exit(1);
        }
        write_record(to, line, (size_t)(comma - line), strtoll(comma + 1, NULL, 10));
        records++;
    }
    close_file(from, path);
    return records;
}

static void
add_up(const uint8_t record[RECORD])
{
    int at = 0;
    while (at < station_count && memcmp(stations[at].name, record, NAME) != 0)
        at++;
    if (at == MOST_STATIONS) {
        fputs("records: too many names\n", stderr);
        exit(1);
    }
    if (at == station_count) {
        memcpy(stations[at].name, record, NAME);
        station_count++;
    }
    stations[at].sum += number_of(record);
    stations[at].count++;
}

/* All records in order, then some of them anywhere: places by a generator (Knuth's MMIX constants). */
static uint64_t
read_back(uint32_t records, uint32_t seeks)
{
    uint8_t record[RECORD];
    uint64_t seed = 1, sought = 0;
    FILE *file = open_file(RECORDS, "rb");
    while (fread(record, RECORD, 1, file) == 1)
        add_up(record);
    for (uint32_t i = 0; i < seeks; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        long at = (long)((seed >> 32) % records);
        if (fseek(file, at * RECORD, SEEK_SET) != 0 || fread(record, RECORD, 1, file) != 1)
            fail("cannot read", RECORDS);
        sought = sought * 31 + (uint64_t)number_of(record);
    }
    close_file(file, RECORDS);
    return sought;
}

static void
write_summary(void)
{
    FILE *file = open_file(SUMMARY, "w");
    qsort(stations, (size_t)station_count, sizeof(stations[0]), compare);
    for (int i = 0; i < station_count; i++)
        fprintf(file, "%s,%lu,%lld\n", stations[i].name, (unsigned long)stations[i].count, (long long)stations[i].sum);
    close_file(file, SUMMARY);
}

/* FNV-1a of a file. */
static uint64_t
digest(const char *path)
{
    uint64_t hash = 14695981039346656037u;
    FILE *file = open_file(path, "rb");
    for (int byte; (byte = getc(file)) != EOF;)
        hash = (hash ^ (uint64_t)byte) * 1099511628211u;
    close_file(file, path);
    return hash;
}

static struct result
work(const struct size *size)
{
    struct result result = { 0, 0, 0 };
    FILE *records = open_file(RECORDS, "wb");
    list_tables();
    for (uint32_t pass = 0; pass < size->passes; pass++)
        for (int i = 0; i < table_count; i++)
            result.records += convert(tables[i], records);
    close_file(records, RECORDS);
    result.sought = read_back(result.records, size->seeks);
    write_summary();
    result.summary = digest(SUMMARY);
    return result;
}

static const struct size *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    fprintf(stderr, "records: no size %s; there are small and real\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    const struct size *size = find(argc > 1 ? argv[1] : "small");
    struct result result;
    if (mkdir("out", 0777) != 0 && errno != EEXIST)
        fail("cannot make", "out");
    bench_start();
    result = work(size);
    bench_end();
    printf("records %s %lu written, %lu sought %016llx, summary %016llx\n", size->name, (unsigned long)result.records,
           (unsigned long)size->seeks, (unsigned long long)result.sought, (unsigned long long)result.summary);
    return 0;
}
