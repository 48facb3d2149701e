#include "process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The most processes that one look at /proc takes in; a larger tree is ended in several rounds. */
enum { MOST = 4096 };

struct entry {
    pid_t pid;
    pid_t parent;
    bool zombie;
    bool ours;
};

static bool
read_file(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, out, room - 1);
    if (fd >= 0)
        close(fd);
    out[length > 0 ? length : 0] = '\0';
    return length > 0;
}

uint64_t
process_status_bytes(pid_t pid, const char *field)
{
    char path[64], text[4096];
    if (pid)
        snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    else
        snprintf(path, sizeof(path), "/proc/self/status");
    if (!read_file(path, text, sizeof(text)))
        return 0;
    const char *found = strstr(text, field);
    return found ? strtoull(found + strlen(field), NULL, 10) * 1024 : 0;
}

/* The text after the command's name, which may itself hold blanks and brackets: "S 123 ..." from field 3 on.
   Read through task/, since qemu-user answers /proc/PID/stat of its own process itself, with other numbers. */
static const char *
stat_fields(pid_t pid, char *text, size_t room)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)pid);
    if (!read_file(path, text, room))
        return NULL;
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' ? end + 2 : NULL;
}

/* A number of the line by its place in proc(5), which counts from 1; 0 where it cannot be read. */
static uint64_t
stat_number(pid_t pid, int place)
{
    char text[1024];
    const char *fields = stat_fields(pid, text, sizeof(text));
    for (int i = 3; fields && i < place; i++) {
        fields = strchr(fields, ' ');
        if (fields)
            fields++;
    }
    return fields ? strtoull(fields, NULL, 10) : 0;
}

uint64_t
process_start_ticks(pid_t pid)
{
    return stat_number(pid, 22);
}

/* A thread's schedstat: time on a core and time waiting for one, both ns, and how often it got one, which is 0 only
   where the kernel does not count (Documentation/scheduler/sched-stats.rst). */
static bool
read_schedstat(const char *path, uint64_t *ran_ns, uint64_t *waited_ns)
{
    char text[128];
    uint64_t turns;
    return read_file(path, text, sizeof(text))
           && sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, ran_ns, waited_ns, &turns) == 3 && turns;
}

uint64_t
process_waited_ns(void)
{
    uint64_t ran_ns, waited_ns;
    return read_schedstat("/proc/thread-self/schedstat", &ran_ns, &waited_ns) ? waited_ns : WAITED_UNKNOWN;
}

/* Time on cores of all threads of a process, those that ended too. */
static uint64_t
all_threads_ns(pid_t pid)
{
    struct timespec used;
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Of children that were waited for (fields 16 and 17). Both times are cut off to ticks, so what is known to be there
   counts for as many more. */
static uint64_t
children_ns(pid_t pid)
{
    uint64_t ticks = stat_number(pid, 16) + stat_number(pid, 17);
    return ticks ? (ticks + 2) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK)) : 0;
}

uint64_t
process_waited_for_others_ns(pid_t pid)
{
    char path[64];
    uint64_t ran_ns, waited_ns, all_ns = all_threads_ns(pid);
    snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)pid);
    if (!read_schedstat(path, &ran_ns, &waited_ns))
        return WAITED_UNKNOWN;
    uint64_t own_ns = (all_ns > ran_ns ? all_ns - ran_ns : 0) + children_ns(pid);
    return waited_ns > own_ns ? waited_ns - own_ns : 0;
}

void
process_boot_id(char *out, size_t room)
{
    if (!read_file("/proc/sys/kernel/random/boot_id", out, room))
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

static bool
read_entry(const char *name, struct entry *entry)
{
    char text[1024];
    if (!isdigit((unsigned char)name[0]))
        return false;
    entry->pid = (pid_t)atoi(name);
    const char *fields = stat_fields(entry->pid, text, sizeof(text));
    if (!fields)
        return false;
    entry->zombie = fields[0] == 'Z' || fields[0] == 'X';
    entry->parent = (pid_t)atoi(fields + 1);
    entry->ours = false;
    return true;
}

static size_t
read_all(struct entry *entries)
{
    DIR *folder = opendir("/proc");
    size_t count = 0;
    struct dirent *item;
    while (folder && count < MOST && (item = readdir(folder)))
        if (read_entry(item->d_name, &entries[count]))
            count++;
    if (folder)
        closedir(folder);
    return count;
}

/* Marks children of marked processes until nothing changes: processes are not listed in the order of their birth. */
static void
mark_descendants(struct entry *entries, size_t count, pid_t root)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < count; i++) {
            bool ours = entries[i].parent == root;
            for (size_t j = 0; j < count && !ours; j++)
                ours = entries[j].ours && entries[j].pid == entries[i].parent;
            if (ours && !entries[i].ours)
                changed = entries[i].ours = true;
        }
    }
}

size_t
process_descendants(pid_t *pids, size_t most)
{
    static struct entry entries[MOST];
    size_t count = read_all(entries);
    size_t found = 0;
    mark_descendants(entries, count, getpid());
    for (size_t i = 0; i < count; i++)
        if (entries[i].ours && !entries[i].zombie) {
            if (found < most)
                pids[found] = entries[i].pid;
            found++;
        }
    return found;
}

static void
kill_descendants(void)
{
    static pid_t pids[MOST];
    size_t found = process_descendants(pids, MOST);
    for (size_t i = 0; i < found && i < MOST; i++)
        kill(pids[i], SIGKILL);
}

static pid_t
parent_of(pid_t pid)
{
    char text[1024];
    const char *fields = stat_fields(pid, text, sizeof(text));
    return fields ? (pid_t)atoi(fields + 1) : 0;
}

static bool
is_self_or_ancestor(pid_t pid)
{
    for (pid_t at = getpid(); at > 0; at = parent_of(at))
        if (at == pid)
            return true;
    return false;
}

static bool
carries(pid_t pid, const char *mark)
{
    static char text[1 << 17]; /* the kernel's limit for one such text: 32 pages */
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = 0, part = 1;
    while (fd >= 0 && part > 0 && length < (ssize_t)sizeof(text) - 1) {
        part = read(fd, text + length, sizeof(text) - 1 - (size_t)length);
        length += part > 0 ? part : 0;
    }
    if (fd >= 0)
        close(fd);
    text[length] = '\0';
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(text + at) + 1)
        if (strcmp(text + at, mark) == 0)
            return true;
    return false;
}

/* Returns how many it killed. The dead have no environment, so this comes to 0. */
static size_t
kill_marked(const char *mark)
{
    DIR *folder = opendir("/proc");
    size_t killed = 0;
    struct dirent *item;
    while (folder && (item = readdir(folder))) {
        pid_t pid = isdigit((unsigned char)item->d_name[0]) ? (pid_t)atoi(item->d_name) : 0;
        if (pid > 0 && carries(pid, mark) && !is_self_or_ancestor(pid) && kill(pid, SIGKILL) == 0)
            killed++;
    }
    if (folder)
        closedir(folder);
    return killed;
}

void
process_end_tree(const char *mark, void (*changed)(void *context, pid_t pid, int status), void *context)
{
    for (;;) {
        int status;
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
            changed(context, pid, status);
        bool childless = pid < 0 && errno == ECHILD;
        size_t marked = mark ? kill_marked(mark) : 0;
        if (childless && marked == 0)
            return;
        if (!childless)
            kill_descendants();
        poll(NULL, 0, 1); /* the dead need a moment to become reapable */
    }
}

/* The children of a process' first thread, as the kernel lists them (where it was built with CONFIG_PROC_CHILDREN).
   False where it does not say. */
static bool
read_children(pid_t pid, char *out, size_t room)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    if (access(path, R_OK) != 0)
        return false;
    read_file(path, out, room);
    return true;
}

bool
process_is_alone(pid_t pid)
{
    char path[64], children[64], expected[16];
    struct stat tasks;
    snprintf(expected, sizeof(expected), "%d ", (int)pid);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    if (!read_children(getpid(), children, sizeof(children)) || strcmp(children, expected) != 0)
        return false;
    if (stat(path, &tasks) != 0 || tasks.st_nlink != 3)
        return false;
    return read_children(pid, children, sizeof(children)) && children[0] == '\0';
}

uint64_t
process_count_of_user(void)
{
    DIR *folder = opendir("/proc");
    uint64_t count = 0;
    struct dirent *item;
    while (folder && (item = readdir(folder))) {
        char path[300];
        struct stat facts;
        snprintf(path, sizeof(path), "/proc/%s/task", item->d_name);
        if (isdigit((unsigned char)item->d_name[0]) && stat(path, &facts) == 0 && facts.st_uid == getuid())
            count += facts.st_nlink > 2 ? facts.st_nlink - 2 : 1; /* one folder for each thread */
    }
    if (folder)
        closedir(folder);
    return count;
}
