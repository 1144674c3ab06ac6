"""A wall clock that a test sets for another process, as an operator or NTP sets that of a machine.

The process loads a small library before its own (``LD_PRELOAD``) that adds a number of seconds to the time of day, and
reads the number from a file at each call. Clocks that count from the start of the machine are left alone.
"""

import os
import shutil
import struct
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

static volatile long long *step_s;

static long long step(void) {
    if (!step_s) step_s = mmap(0, 8, PROT_READ, MAP_SHARED, open(getenv("STEPPING_CLOCK"), O_RDONLY), 0);
    return *step_s;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += step();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    int failed = syscall(SYS_gettimeofday, now, zone);
    if (!failed) now->tv_sec += step();
    return failed;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}
"""


class SteppingClock:
    """The clock of all processes that start with ``environment``."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler: the library that steps a clock can't be built")
        source, library, self._file = folder / "clock.c", folder / "clock.so", folder / "step"
        source.write_text(_SOURCE)
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self.environment = os.environ | {"LD_PRELOAD": str(library), "STEPPING_CLOCK": str(self._file)}
        self.set(0)

    def set(self, step_s: int) -> None:
        """Let the clock differ from the machine's by so many seconds."""
        # In place: processes have mapped the file.
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("q", step_s))
