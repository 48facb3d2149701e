/* Words that a native program is started with: its path, arguments and environment. All are made once in a child that
   soon becomes the program, and never freed. */
#ifndef FARM_LAUNCH_H
#define FARM_LAUNCH_H

#include "order.h"

/* The program's bench descriptor: a number that no shell or libc hands out by itself. */
enum { LAUNCH_BENCH_FD = 200 };

/* Paths of an order start from the runner's own folder, but the program starts in another. What does not exist stays as
   it is: execve then says so. NULL: no memory; so the next two. */
char *
launch_path(const char *path);

char **
launch_arguments(const struct order *order);

char **
launch_environment(const struct order *order);

#endif
