#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "limits.h"
#include "module.h"
#include "note.h"
#include "process.h"
#include "streams.h"
#include "supervise.h"

/* For frames of the runner and of WAMR beside the module's own, and for WAMR's guard pages. */
enum { RUNTIME_STACK_BYTES = 256 << 10 };

/* Times the module's size: the fast interpreter rewrites its code into wider one. Chosen wide, not measured. */
enum { CODE_FACTOR = 16 };

enum { HUGE_PAGE_BYTES = 2 << 20 };

static int note_fd;
static char *stack_memory;

static void
note(enum note_kind kind, uint32_t index, const uint64_t value[4], const char *text)
{
    struct note note;
    memset(&note, 0, sizeof(note));
    note.kind = kind;
    note.index = index;
    if (value)
        memcpy(note.value, value, sizeof(note.value));
    if (text)
        snprintf(note.text, sizeof(note.text), "%s", text);
    if (write(note_fd, &note, sizeof(note)) != (ssize_t)sizeof(note))
        _exit(126); /* the supervisor is gone */
}

static void
note_stage(enum stage stage, uint32_t index)
{
    note(NOTE_STAGE, index, (uint64_t[4]){ stage }, NULL);
}

static void
note_usage(void)
{
    note(NOTE_USAGE, 0, (uint64_t[4]){ process_status_bytes(0, "VmHWM:") }, NULL);
}

static void
finish(void) __attribute__((noreturn));
static void
fail(const char *what, bool for_memory) __attribute__((noreturn));
static void
fail_errno(const char *what) __attribute__((noreturn));

static void
finish(void)
{
    note_usage();
    _exit(0);
}

static void
fail(const char *what, bool for_memory)
{
    note(NOTE_ERROR, 0, (uint64_t[4]){ for_memory }, what);
    finish();
}

static void
fail_errno(const char *what)
{
    char text[512];
    snprintf(text, sizeof(text), "%s: %s", what, strerror(errno));
    fail(text, errno == ENOMEM);
}

/* A file grew past the limit. The signal comes from within write(2) of the module's own call, so all may be used here
   that the module's thread does not hold. */
static void
on_file_size(int signal_number)
{
    note_usage();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void
on_memory_denied(void)
{
    note(NOTE_DENIED, 0, NULL, NULL);
}

static uint8_t *
read_program(const char *path, uint32_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts) != 0)
        fail_errno("cannot read the module");
    uint8_t *bytes = facts.st_size < UINT32_MAX ? malloc((size_t)facts.st_size + 1) : NULL;
    if (!bytes)
        fail("the module is too large", true);
    for (off_t at = 0; at < facts.st_size;) {
        ssize_t length = read(fd, bytes + at, (size_t)(facts.st_size - at));
        if (length <= 0)
            fail_errno("cannot read the module");
        at += length;
    }
    close(fd);
    *size = (uint32_t)facts.st_size;
    return bytes;
}

static void
set_limits(const struct order *order)
{
    struct stat facts;
    uint64_t size = stat(order->program, &facts) == 0 ? (uint64_t)facts.st_size : 0;
    if (!limits_pin(order))
        fail_errno("cannot hold the program to its core");
    if (!limits_apply(order, RUNTIME_MEMORY_BYTES + order->stack_bytes + CODE_FACTOR * size))
        fail_errno("cannot set the limits");
}

/* The stack of the thread that runs modules: memory of our own, since WAMR writes to every page of it before it sets up
   its guards. In huge pages, where the kernel has them, that takes 1 ms instead of 5 for 8 MB. Never freed. */
static bool
make_stack(const struct order *order, pthread_attr_t *attributes)
{
    size_t page = (size_t)getpagesize();
    size_t used = (order->stack_bytes + RUNTIME_STACK_BYTES + page - 1) & ~(page - 1);
    size_t size = (used + HUGE_PAGE_BYTES - 1) & ~(size_t)(HUGE_PAGE_BYTES - 1);
    char *memory = mmap(NULL, size + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    stack_memory = memory + (-(uintptr_t)memory & (HUGE_PAGE_BYTES - 1));
    madvise(stack_memory, size, MADV_HUGEPAGE);
    /* The thread starts at the top: what rounding up added stays unused below it. */
    return pthread_attr_init(attributes) == 0
           && pthread_attr_setstack(attributes, stack_memory + (size - used), used) == 0;
}

/* What WAMR touched is neither the module's memory nor needed any more: it is given back and the peak counted from here
   on. Where the kernel offers no reset, the peak holds it. From now on the stack grows by small pages. */
static void
forget_touched_stack(void)
{
    char here;
    uintptr_t end = ((uintptr_t)&here - RUNTIME_STACK_BYTES / 4) & ~((uintptr_t)getpagesize() - 1);
    madvise(stack_memory, end - (uintptr_t)stack_memory, MADV_NOHUGEPAGE);
    madvise(stack_memory, end - (uintptr_t)stack_memory, MADV_DONTNEED);
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "5", 1) != 1) /* 5: reset VmHWM, see proc(5) */
            errno = 0;
        close(fd);
    }
}

static void
load(const struct order *order, struct module *module)
{
    uint32_t size;
    uint8_t *bytes = read_program(order->program, &size);
    note_stage(STAGE_LOAD, 0);
    uint64_t began_ns = now_ns();
    if (!module_load(module, bytes, size))
        fail(module->error, module->for_memory);
    note(NOTE_PHASE, 0, (uint64_t[4]){ STAGE_LOAD, now_ns() - began_ns }, NULL);
}

/* Returns false where the module failed: it trapped or exited with another code than 0. */
static bool
repeat(struct module *module, const struct order *order, uint32_t index)
{
    struct streams streams;
    char path[4096], text[4608];
    if (!streams_open(&streams, order, index, path, sizeof(path))) {
        snprintf(text, sizeof(text), "cannot open %s", path);
        fail_errno(text);
    }
    note_stage(STAGE_INSTANTIATE, index);
    uint64_t began_ns = now_ns();
    if (!module_instantiate(module, order, &streams))
        fail(module->error, module->for_memory);
    uint64_t instantiated_ns = now_ns();
    note(NOTE_PHASE, index, (uint64_t[4]){ STAGE_INSTANTIATE, instantiated_ns - began_ns }, NULL);
    note_stage(STAGE_EXECUTE, index);
    bench_reset();
    uint64_t waited_before_ns = process_waited_ns();
    uint64_t called_ns = now_ns();
    bool returned = module_execute(module);
    uint64_t ended_ns = now_ns();
    uint64_t waited_ns = process_waited_ns();
    if (waited_before_ns != WAITED_UNKNOWN && waited_ns != WAITED_UNKNOWN)
        waited_ns -= waited_before_ns;
    if (!returned)
        note(NOTE_TRAP, index, NULL, module->error);
    else if (module->exit_code)
        note(NOTE_EXIT, index, (uint64_t[4]){ module->exit_code }, NULL);
    else {
        note(NOTE_PHASE, index, (uint64_t[4]){ STAGE_EXECUTE, ended_ns - called_ns }, NULL);
        note(NOTE_REPEAT, index,
             (uint64_t[4]){ ended_ns - called_ns, bench_region_ns(), instantiated_ns - began_ns, waited_ns }, NULL);
    }
    if (index + 1 == order->warmups + order->repeats)
        note(NOTE_METRIC, index, (uint64_t[4]){ module_memory_bytes(module) }, "linear_memory_bytes");
    module_close_instance(module);
    streams_close(&streams);
    return returned && module->exit_code == 0;
}

static void *
work(void *context)
{
    const struct order *order = context;
    struct module module;
    if (!module_begin(&module, on_memory_denied))
        fail("cannot start WAMR", true);
    forget_touched_stack();
    load(order, &module);
    for (uint32_t i = 0; i < order->warmups + order->repeats; i++)
        if (!repeat(&module, order, i))
            finish();
    note_stage(STAGE_DONE, 0);
    finish();
}

void
worker_main(const struct order *order, int fd, pid_t supervisor)
{
    pthread_attr_t attributes;
    pthread_t thread = 0;
    note_fd = fd;
    if (!supervise_in_child(supervisor))
        _exit(126);
    signal(SIGXFSZ, on_file_size);
    set_limits(order);
    /* A thread of our own: its stack has the ordered size, and musl knows its bounds (for the main thread it probes
       the address space, which does not end under 32-bit qemu-user). */
    if (!make_stack(order, &attributes)
        || pthread_create(&thread, &attributes, work, (void *)order) != 0)
        fail("cannot start a thread with such a stack", true);
    pthread_join(thread, NULL);
    _exit(126);
}
