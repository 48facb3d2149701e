#include "attempt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "identity.h"
#include "process.h"

static const char *const stage_names[] = { "start", "load", "instantiate", "execute", "done" };
static const char *const limit_names[] = { "", "time", "memory", "output", "processes", "stopped" };
static const char *const source_names[] = { "", "self", "exit-stop", "sampled" };

static void
emit(struct attempt *attempt, struct line *line)
{
    if (!attempt->events_broken && !line_write(line, attempt->events_fd)) {
        attempt->events_broken = true;
        attempt_break(attempt, "cannot write the events file", errno);
    }
}

static void
add_clocks(struct line *line)
{
    line_uint(line, "monotonic_ns", now_ns());
    line_uint(line, "realtime_ns", clock_ns(CLOCK_REALTIME));
}

void
attempt_start(struct attempt *attempt)
{
    struct line line;
    char boot_id[64];
    process_boot_id(boot_id, sizeof(boot_id));
    line_open(&line, "start");
    identity_describe(&line);
    line_text(&line, "mode", attempt->order->mode == MODE_RUN ? "run" : "exec");
    line_int(&line, "pid", getpid());
    line_uint(&line, "start_ticks", process_start_ticks(getpid()));
    line_text(&line, "boot_id", boot_id);
    add_clocks(&line);
    line_int(&line, "cpu", attempt->order->cpu);
    emit(attempt, &line);
}

void
attempt_phase(struct attempt *attempt, enum stage stage, uint32_t index, uint64_t ns)
{
    struct line line;
    line_open(&line, "phase");
    line_text(&line, "phase", stage_names[stage]);
    line_uint(&line, "ns", ns);
    line_uint(&line, "index", index);
    emit(attempt, &line);
}

void
attempt_repeat(struct attempt *attempt, uint32_t index, uint64_t ns, uint64_t region_ns, uint64_t instantiate_ns,
               uint64_t waited_ns)
{
    struct line line;
    line_open(&line, "repeat");
    line_uint(&line, "index", index);
    line_bool(&line, "warmup", index < attempt->order->warmups);
    line_uint(&line, "ns", ns);
    line_uint(&line, "region_ns", region_ns);
    line_uint(&line, "instantiate_ns", instantiate_ns);
    if (waited_ns != WAITED_UNKNOWN)
        line_uint(&line, "waited_ns", waited_ns);
    line_int(&line, "exit_code", 0);
    emit(attempt, &line);
}

void
attempt_metric(struct attempt *attempt, const char *name, uint64_t value, const char *unit)
{
    struct line line;
    line_open(&line, "metric");
    line_text(&line, "name", name);
    line_uint(&line, "value", value);
    line_text(&line, "unit", unit);
    emit(attempt, &line);
}

void
attempt_memory(struct attempt *attempt, uint64_t bytes, enum memory_source source)
{
    if (bytes <= attempt->peak_memory_bytes)
        return;
    attempt->peak_memory_bytes = bytes;
    attempt->memory_source = source;
}

static uint64_t
microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

void
attempt_usage(struct attempt *attempt)
{
    struct line line;
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    line_open(&line, "usage");
    line_uint(&line, "user_us", microseconds(usage.ru_utime));
    line_uint(&line, "system_us", microseconds(usage.ru_stime));
    line_uint(&line, "peak_memory_bytes", attempt->peak_memory_bytes);
    line_text(&line, "peak_memory_source", source_names[attempt->memory_source]);
    line_uint(&line, "minor_faults", (uint64_t)usage.ru_minflt);
    line_uint(&line, "major_faults", (uint64_t)usage.ru_majflt);
    line_uint(&line, "voluntary_switches", (uint64_t)usage.ru_nvcsw);
    line_uint(&line, "involuntary_switches", (uint64_t)usage.ru_nivcsw);
    if (attempt->counted) {
        line_uint(&line, "cycles", attempt->cycles);
        line_uint(&line, "instructions", attempt->instructions);
    }
    emit(attempt, &line);
}

void
attempt_end(struct attempt *attempt)
{
    struct line line;
    line_open(&line, "end");
    line_int(&line, "exit_code", attempt->exit_code);
    line_int(&line, "signal", attempt->signal);
    line_text(&line, "trap", attempt->trap);
    line_text(&line, "limit", limit_names[attempt->limit]);
    line_text(&line, "stage", stage_names[attempt->stage]);
    line_text(&line, "message", attempt->message);
    add_clocks(&line);
    emit(attempt, &line);
}

void
attempt_limit(struct attempt *attempt, enum limit limit)
{
    attempt->failed = true;
    if (attempt->limit == LIMIT_NONE)
        attempt->limit = limit;
}

void
attempt_signal(struct attempt *attempt, int signal, const char *how)
{
    attempt->failed = true;
    attempt->signal = signal;
    attempt->exit_code = -1;
    if (signal == SIGXFSZ)
        attempt_limit(attempt, LIMIT_OUTPUT);
    else if (attempt->limit == LIMIT_NONE)
        snprintf(attempt->message, sizeof(attempt->message), "%s by signal %d (%s)", how, signal, strsignal(signal));
}

void
attempt_break(struct attempt *attempt, const char *what, int error)
{
    attempt->failed = true;
    attempt->broken = true;
    if (attempt->message[0] == '\0')
        snprintf(attempt->message, sizeof(attempt->message), "%s%s%s", what, error ? ": " : "",
                 error ? strerror(error) : "");
}
