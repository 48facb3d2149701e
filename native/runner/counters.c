#include "counters.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
open_one(pid_t pid, uint64_t what)
{
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.size = sizeof(attributes);
    attributes.type = PERF_TYPE_HARDWARE;
    attributes.config = what;
    attributes.inherit = 1;
    attributes.exclude_kernel = 1; /* what perf_event_paranoid 2, the usual setting, allows */
    attributes.exclude_hv = 1;
    return (int)syscall(SYS_perf_event_open, &attributes, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void
counters_open(struct counters *counters, pid_t pid)
{
    counters->cycles_fd = open_one(pid, PERF_COUNT_HW_CPU_CYCLES);
    counters->instructions_fd = open_one(pid, PERF_COUNT_HW_INSTRUCTIONS);
}

static bool
take(int fd, uint64_t *total)
{
    uint64_t value = 0;
    bool read_whole = fd >= 0 && read(fd, &value, sizeof(value)) == (ssize_t)sizeof(value);
    *total += value;
    if (fd >= 0)
        close(fd);
    return read_whole;
}

void
counters_close(struct counters *counters, struct attempt *attempt)
{
    bool cycles = take(counters->cycles_fd, &attempt->cycles);
    bool instructions = take(counters->instructions_fd, &attempt->instructions);
    attempt->counted = cycles && instructions;
}
