"""Keep one process only for as long as somebody wants it.

A program of its own, run by path so that it starts in a few milliseconds and imports nothing of ours:
``python warden.py SECONDS DIRECTORY COMMAND…``. It runs the command until that ends or until its own
standard input reaches its end, which happens when whoever holds the other end closes it *or dies,
however it dies*. Then it asks the command to stop, insists after that many seconds, and removes the
directory. The kernel's parent-death signal would do less: it exists on Linux alone, and it fires when
the parent's *thread* ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from threading import Event, Thread
from types import FrameType

_STDIN = 0


def main(arguments: list[str]) -> int:
    """Run the command; gives its exit code.

    Args:
        arguments: Seconds between SIGTERM and SIGKILL, the directory that goes with the command, the command.
    """
    patience, directory, *command = arguments
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - the caller's own command

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        child.terminate()

    signal.signal(signal.SIGTERM, on_signal)
    unwanted = Event()
    release = Thread(target=_release, args=(child, float(patience), directory, unwanted), daemon=True)
    release.start()
    code = child.wait()
    if unwanted.is_set():
        release.join()
    return code


def _release(child: subprocess.Popen[bytes], patience: float, directory: str, unwanted: Event) -> None:
    """Wait for the end of standard input, then see to it that nothing stays."""
    while os.read(_STDIN, 1024):
        pass
    unwanted.set()
    child.terminate()
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
