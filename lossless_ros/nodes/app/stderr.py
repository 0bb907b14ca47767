"""Log lines that hold up nothing, whoever reads them or does not."""

import os
import stat
from contextlib import suppress


def unblock_stderr() -> None:
    """From now on standard error never waits for its reader; a line that finds no room is dropped.

    A full pipe or a terminal held by Ctrl-S would else stop the thread that logs, and a robot's driver with it. The
    pipe or terminal is opened anew, so that whoever shares it is left as they are; where that cannot be, nothing
    changes. Sockets cannot be opened anew: they are switched themselves.
    """
    with suppress(OSError):
        mode = os.fstat(2).st_mode
        if stat.S_ISSOCK(mode):
            os.set_blocking(2, False)
        elif stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            anew = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            os.dup2(anew, 2)
            os.close(anew)
