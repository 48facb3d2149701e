#include "wasm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counters.h"
#include "supervise.h"
#include "worker.h"

static void
copy_text(char *to, size_t room, const char *from)
{
    snprintf(to, room, "%s", from);
}

static void
take_failure(struct attempt *attempt, const struct note *note)
{
    attempt->failed = true;
    if (note->kind == NOTE_EXIT)
        attempt->exit_code = (int)note->value[0];
    else
        attempt->exit_code = -1;
    if (note->kind == NOTE_TRAP)
        copy_text(attempt->trap, sizeof(attempt->trap), note->text);
    if (note->kind == NOTE_ERROR)
        copy_text(attempt->message, sizeof(attempt->message), note->text);
    if (note->kind == NOTE_ERROR && note->value[0])
        attempt_limit(attempt, LIMIT_MEMORY);
}

static void
take_note(struct attempt *attempt, const struct note *note)
{
    switch (note->kind) {
        case NOTE_STAGE:
            attempt->stage = (enum stage)note->value[0];
            break;
        case NOTE_PHASE:
            attempt_phase(attempt, (enum stage)note->value[0], note->index, note->value[1]);
            break;
        case NOTE_REPEAT:
            attempt_repeat(attempt, note->index, note->value[0], note->value[1], note->value[2], note->value[3]);
            break;
        case NOTE_METRIC:
            attempt_metric(attempt, note->text, note->value[0], "bytes");
            break;
        case NOTE_USAGE:
            attempt_memory(attempt, note->value[0], MEMORY_SELF);
            break;
        case NOTE_DENIED:
            attempt->memory_denied = true;
            break;
        case NOTE_TRAP:
        case NOTE_ERROR:
        case NOTE_EXIT:
            take_failure(attempt, note);
            break;
    }
}

/* Notes are written whole and are smaller than PIPE_BUF, so they are read whole as well. */
static void
drain_notes(struct watch *watch)
{
    struct note note;
    while (read(watch->pipe_fd, &note, sizeof(note)) == (ssize_t)sizeof(note))
        take_note(watch->attempt, &note);
}

static void
judge(struct attempt *attempt, int status)
{
    if (WIFSIGNALED(status))
        attempt_signal(attempt, WTERMSIG(status), "the runtime was killed");
    else if (WEXITSTATUS(status))
        attempt_break(attempt, "the worker lost its supervisor", 0);
    if (attempt->failed && attempt->memory_denied)
        attempt_limit(attempt, LIMIT_MEMORY);
}

void
wasm_measure(struct attempt *attempt)
{
    int notes[2];
    struct counters counters;
    pid_t supervisor = getpid();
    if (pipe2(notes, O_CLOEXEC) != 0 || fcntl(notes[0], F_SETFL, O_NONBLOCK) != 0) {
        attempt_break(attempt, "cannot make a pipe", errno);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        worker_main(attempt->order, notes[1], supervisor);
    close(notes[1]);
    if (pid < 0) {
        attempt_break(attempt, "cannot start a process", errno);
        return;
    }
    struct watch watch = { .attempt = attempt, .pid = pid, .pipe_fd = notes[0], .drain = drain_notes, .exec_fd = -1 };
    counters_open(&counters, pid);
    supervise(&watch);
    counters_close(&counters, attempt);
    judge(attempt, watch.status);
    close(notes[0]);
}
