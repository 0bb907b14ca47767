"""Ctrl-C ends a command within three seconds, and the last line says what is kept and how to go on."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

LIMIT_S = 3.0
PROGRESS = r"steps, \d+ of 50 episodes"
COMMAND = "from lossless_ros.cli.app import main; main()"
STUCK = """
import hashlib
from lossless_ros.cli import interruption
interruption.watch()
try:
    with interruption.keeping(lambda: "all is kept"):
        print("begins", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # a call into C that takes no signals
except KeyboardInterrupt:  # the signal was here before the call
    interruption.end()
"""


def interrupt(command, begin, number=signal.SIGINT):
    """Run a command until its output matches `begin`, send a signal to its group; return its end and its output."""
    process = subprocess.Popen(
        [sys.executable, "-c", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    output = ""
    while not re.search(begin, output):
        line = process.stdout.readline()
        assert line, output
        output += line
    sent = time.monotonic()
    os.killpg(process.pid, number)
    rest, _ = process.communicate(timeout=30)
    assert time.monotonic() - sent < LIMIT_S + 1.0, "of which one for a busy machine"
    return process.returncode, (output + rest).strip().splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_evaluation_ends_at_once_and_counts_what_was_finished(number):
    evaluate = ["evaluate", "--expert", "random", "--task", "rgb_stacking/triplet1", "--episodes", "50"]
    code, lines = interrupt([COMMAND, *evaluate], PROGRESS, number)
    assert code == 130
    expected = r"lossless: interrupted; \d+ of \d+ finished episodes were successful; the result is not kept"
    assert re.match(expected, lines[-1])
    assert not [line for line in lines if "Traceback" in line or "KeyboardInterrupt" in line]


def test_collection_says_where_its_episodes_are_and_leaves_no_part_of_one(tmp_path):
    collect = ["collect", "--task", "rgb_stacking/triplet1", "--episodes", "50", "--out", str(tmp_path)]
    code, lines = interrupt([COMMAND, *collect], PROGRESS)
    assert code == 130
    assert (
        lines[-1] == f"lossless: interrupted; finished episodes are kept in {tmp_path}; run the same command to go on"
    )
    assert not [path for path in tmp_path.rglob("*.mcap") if ".part" in str(path)]


def test_a_call_that_takes_no_signals_ends_too():
    code, lines = interrupt([STUCK], "begins")
    assert (code, lines[-1]) == (130, "lossless: interrupted; all is kept")


FORKS = """
import os, signal, time
from lossless_ros.cli import interruption
interruption.watch()
child = os.fork()
if not child:
    time.sleep(60)
os.kill(child, signal.SIGTERM)
_, status = os.waitpid(child, 0)
assert os.WTERMSIG(status) == signal.SIGTERM
time.sleep(4)  # longer than a command has to end after a signal
print("goes on")
"""


def test_signal_to_a_forked_process_does_not_end_the_command():
    """A library may fork a process and end it; OpenVINO's telemetry did, and ended a training with it."""
    result = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=60)
    assert result.stdout == "goes on\n", result.stderr
