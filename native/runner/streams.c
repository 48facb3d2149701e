#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char nothing[] = "/dev/null";

static int
open_named(const char *text, int flags, char *path, unsigned room)
{
    if (path != text)
        snprintf(path, room, "%s", text);
    return open(text, flags | O_CLOEXEC | O_NOCTTY, 0600);
}

bool
streams_open(struct streams *streams, const struct order *order, uint32_t index, char *path, unsigned room)
{
    streams->out = streams->err = -1;
    streams->in = open_named(order->stdin_path ? order->stdin_path : nothing, O_RDONLY, path, room);
    if (streams->in >= 0)
        streams->err = open_named(order->stderr_path, O_WRONLY | O_CREAT | O_APPEND, path, room);
    if (streams->err >= 0) {
        snprintf(path, room, "%s.%u", order->stdout_prefix, index);
        streams->out = open_named(path, O_WRONLY | O_CREAT | O_TRUNC, path, room);
    }
    if (streams->out >= 0)
        return true;
    int error = errno;
    streams_close(streams);
    errno = error;
    return false;
}

void
streams_close(struct streams *streams)
{
    int *fds[] = { &streams->in, &streams->out, &streams->err };
    for (int i = 0; i < 3; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

bool
streams_redirect_own(const struct order *order)
{
    int in = open(nothing, O_RDONLY | O_CLOEXEC);
    int out = open(order->messages_path ? order->messages_path : nothing,
                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    bool done = in >= 0 && out >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2;
    if (in > 2)
        close(in);
    if (out > 2)
        close(out);
    setvbuf(stdout, NULL, _IONBF, 0);
    return done;
}
