"""Runs the engine and ends with it, or kills it when the agent is gone.

The agent starts this program instead of the engine, as leader of a new process group, with one end
of a pipe as standard input whose other end only the agent holds. However the agent ends, `kill -9`
included, the kernel closes that end, the leash reads the end of file and kills the whole group: the
engine and whatever the engine has started. (A parent-death signal would reach neither the engine's
own children nor outlive an `exec` that changes credentials.)

    python -m node_image.agent.leash FOLDER PROGRAM ARGUMENT...

FOLDER is the engine's; it goes when the agent has gone without removing it.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import NoReturn


def main() -> NoReturn:
    """Run the program; end with it."""
    # The agent signals the whole group to stop; the leash stays until the engine has followed.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    engine = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)  # noqa: S603 - by the agent
    threading.Thread(target=_follow_the_agent, daemon=True).start()
    engine.wait()
    # What the engine started must not outlive it either; this ends the leash as well.
    os.killpg(0, signal.SIGKILL)
    raise SystemExit(1)


def _follow_the_agent() -> None:
    os.read(sys.stdin.fileno(), 1)
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
