"""Fill the pipe of standard error, as if its reader had stalled."""

import os

os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x")
except BlockingIOError:
    os.set_blocking(2, True)
