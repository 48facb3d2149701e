"""Turns the wall clock of processes a test starts, also while they run: a library they preload.

Their monotonic clock stays right, as it does where a machine's date is set. What they start that
is linked statically has the machine's own time.
"""

from __future__ import annotations

import mmap
import subprocess
from pathlib import Path

import pytest

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static const volatile long long *ahead_s;
__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CLOCK_AHEAD");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *at = file < 0 ? MAP_FAILED : mmap(0, sizeof *ahead_s, PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    if (at != MAP_FAILED)
        ahead_s = at;
}
int clock_gettime(clockid_t which, struct timespec *now) {
    int code = (int)syscall(SYS_clock_gettime, which, now);
    if (!code && ahead_s && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += *ahead_s;
    return code;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    (void)zone;
    int code = clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return code;
}
time_t time(time_t *also) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (also)
        *also = found.tv_sec;
    return found.tv_sec;
}
"""


class Hands:
    """The hands of one clock.

    Args:
        folder: for the library and what it reads.
    """

    def __init__(self, folder: Path) -> None:
        self._ahead, self._library = folder / "ahead", folder / "hands.so"
        self._ahead.write_bytes(bytes(8))
        made = subprocess.run(
            ["cc", "-O1", "-shared", "-fPIC", "-x", "c", "-", "-o", self._library],
            input=_SOURCE,
            text=True,
            capture_output=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr

    def wind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give this clock to what is started from now on."""
        monkeypatch.setenv("CLOCK_AHEAD", str(self._ahead))
        monkeypatch.setenv("LD_PRELOAD", str(self._library))

    def turn(self, ahead_s: int) -> None:
        """Set the clock so many seconds ahead of the machine's; at once, for all that have it."""
        with self._ahead.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            shared[:] = ahead_s.to_bytes(8, "little", signed=True)
