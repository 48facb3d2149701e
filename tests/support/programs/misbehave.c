/* A program that goes wrong as its first argument says, for tests of outcomes: the same C in every mode. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __wasm__
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

enum { MEGABYTE = 1 << 20, PAGE = 4096 };

static volatile int zero = 0;

static int
recurse(int depth)
{
    volatile int here = depth;
    return recurse(depth + 1) + here;
}

static int
take(int megabytes)
{
    for (int i = 0; i < megabytes; i++) {
        volatile char *block = malloc(MEGABYTE);
        if (!block)
            return 4;
        for (int at = 0; at < MEGABYTE; at += PAGE)
            block[at] = 1;
    }
    return 0;
}

static int
flood(int megabytes)
{
    static char block[MEGABYTE];
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < megabytes; i++)
        if (fwrite(block, 1, sizeof(block), stdout) != sizeof(block))
            return 5;
    return 0;
}

#ifndef __wasm__
/* A grandchild in a session of its own, deaf to SIGTERM, that nobody waits for. */
static void
escape(void)
{
    if (fork() == 0) {
        if (fork() == 0) {
            setsid();
            signal(SIGTERM, SIG_IGN);
            for (;;)
                pause();
        }
        _exit(0);
    }
    wait(NULL);
}
#endif

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    puts(what);
    fflush(stdout);
    if (strcmp(what, "unreachable") == 0)
        __builtin_trap();
    if (strcmp(what, "bounds") == 0)
        *(volatile int *)-4096L = 1;
    if (strcmp(what, "divide") == 0)
        return 100 / zero + 7; /* 1 / zero would be compiled to a comparison */
    if (strcmp(what, "stack") == 0)
        return recurse(1);
    if (strcmp(what, "exit") == 0)
        return 3;
    if (strcmp(what, "memory") == 0)
        return take(400);
    if (strcmp(what, "flood") == 0)
        return flood(1000);
#ifndef __wasm__
    if (strcmp(what, "escape") == 0)
        for (int i = 0; i < 3; i++)
            escape();
#endif
    if (strcmp(what, "loop") == 0 || strcmp(what, "escape") == 0)
        for (volatile int i = 0;; i++)
            ;
    return 0;
}
