/* A program that behaves as its first argument says, for tests of the runner: the same C in every mode. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#ifndef __wasm__
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#endif

extern char **environ;

enum { MEGABYTE = 1 << 20, PAGE = 4096 };

/* Arguments, environment and stdin, as they came. */
static int
tell(int argc, char **argv)
{
    int byte;
    for (int i = 0; i < argc; i++)
        printf("argument %s\n", argv[i]);
    for (char **item = environ; *item; item++)
        printf("environment %s\n", *item);
    while ((byte = getchar()) != EOF)
        putchar(byte);
    fputs("said on stderr\n", stderr);
    return 0;
}

/* Copies a file to another. */
static int
copy(const char *from, const char *to)
{
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    int byte;
    if (!in || !out)
        return 4;
    while ((byte = fgetc(in)) != EOF)
        fputc(byte, out);
    return fclose(out) == 0 ? 0 : 5;
}

/* Takes memory and uses it; fails when there is none left. */
static int
take(int megabytes)
{
    for (int i = 0; i < megabytes; i++) {
        volatile char *block = malloc(MEGABYTE);
        if (!block)
            return 3;
        for (int at = 0; at < MEGABYTE; at += PAGE)
            block[at] = 1;
    }
    puts("had it");
    return 0;
}

static int
flood(void)
{
    static char block[1 << 16];
    memset(block, 'x', sizeof(block));
    for (;;)
        if (fwrite(block, 1, sizeof(block), stdout) != sizeof(block))
            return 6;
}

static void
busy(int milliseconds)
{
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - began.tv_sec) * 1000000000LL + (now.tv_nsec - began.tv_nsec) < milliseconds * 1000000LL);
}

/* Two regions of the given length, and as much between and after them. */
static int
mark(int milliseconds)
{
    for (int i = 0; i < 2; i++) {
        bench_start();
        busy(milliseconds);
        bench_end();
        busy(milliseconds);
    }
    return 0;
}

static int
recurse(int depth)
{
    volatile int here = depth;
    return depth == 0 ? 0 : recurse(depth - 1) + (here & 0);
}

#ifndef __wasm__
/* Processes that no parent waits for, each in a session of its own, which outlive whoever made them. */
static int
scatter(int count)
{
    for (int i = 0; i < count; i++)
        if (fork() == 0) {
            if (fork() == 0) {
                setsid();
                signal(SIGTERM, SIG_IGN);
                for (;;)
                    pause();
            }
            _exit(0);
        } else {
            wait(NULL);
        }
    puts("scattered");
    fflush(stdout);
    return 0;
}
#endif

#ifndef __wasm__
/* Two processes of one program that want the same core. */
static int
share(int milliseconds)
{
    pid_t child = fork();
    busy(milliseconds);
    if (child == 0)
        _exit(0);
    wait(NULL);
    return 0;
}

static void *
be_busy(void *milliseconds)
{
    busy(*(int *)milliseconds);
    return NULL;
}

/* The same with two threads. */
static int
share_by_thread(int milliseconds)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, be_busy, &milliseconds) != 0)
        return 7;
    busy(milliseconds);
    pthread_join(thread, NULL);
    return 0;
}
#endif

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(what, "tell") == 0)
        return tell(argc, argv);
    if (strcmp(what, "copy") == 0 && argc > 3)
        return copy(argv[2], argv[3]);
    if (strcmp(what, "take") == 0)
        return take(number);
    if (strcmp(what, "flood") == 0)
        return flood();
    if (strcmp(what, "mark") == 0)
        return mark(number);
    if (strcmp(what, "recurse") == 0)
        return recurse(number);
    if (strcmp(what, "exit") == 0)
        return number;
    if (strcmp(what, "trap") == 0)
        __builtin_trap();
    if (strcmp(what, "write") == 0)
        *(volatile int *)-4096L = number;
    if (strcmp(what, "spin") == 0)
        for (volatile int i = 0;; i++)
            ;
#ifndef __wasm__
    if (strcmp(what, "scatter") == 0)
        return scatter(number);
    if (strcmp(what, "scatter-and-spin") == 0 && scatter(number) == 0)
        for (;;)
            pause();
    if (strcmp(what, "share") == 0)
        return share(number);
    if (strcmp(what, "share-by-thread") == 0)
        return share_by_thread(number);
    if (strcmp(what, "signal") == 0)
        raise(number);
#endif
    return 9;
}
