#include "limits.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "process.h"

static bool
set(int resource, uint64_t value)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return false;
    if (limit.rlim_max != RLIM_INFINITY && value > limit.rlim_max)
        value = limit.rlim_max;
    limit.rlim_cur = limit.rlim_max = value;
    return setrlimit(resource, &limit) == 0;
}

bool
limits_apply(const struct order *order, uint64_t extra_bytes)
{
    if (!set(RLIMIT_CORE, 0))
        return false;
    if (order->memory_bytes && !set(RLIMIT_DATA, order->memory_bytes + extra_bytes))
        return false;
    if (order->output_bytes && !set(RLIMIT_FSIZE, order->output_bytes))
        return false;
    if (order->mode == MODE_EXEC && !set(RLIMIT_STACK, order->stack_bytes))
        return false;
    /* The kernel counts all processes and threads of a user together, so the limit is what there is plus what the
       program may add. root is exempt: there the supervisor's own count is all. */
    if (order->mode == MODE_EXEC && order->processes && geteuid() != 0)
        return set(RLIMIT_NPROC, process_count_of_user() + order->processes);
    return true;
}

bool
limits_pin(const struct order *order)
{
    if (order->cpu < 0)
        return true;
    cpu_set_t set;
    if (order->cpu >= CPU_SETSIZE) {
        errno = EINVAL;
        return false;
    }
    CPU_ZERO(&set);
    CPU_SET(order->cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}

void
limits_keep_off(const struct order *order)
{
    cpu_set_t set;
    if (order->cpu < 0 || sched_getaffinity(0, sizeof(set), &set) != 0)
        return;
    if (order->cpu < CPU_SETSIZE)
        CPU_CLR(order->cpu, &set);
    if (CPU_COUNT(&set) > 0)
        sched_setaffinity(0, sizeof(set), &set);
}
