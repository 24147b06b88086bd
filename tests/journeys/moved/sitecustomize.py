"""Moves the clock of every Python program that a journey starts: Python imports this by itself.

The file that the variable names holds the seconds to add, and may change while programs run.
"""

import mmap
import os
import struct
import time
from pathlib import Path

VARIABLE = "OPENPCC_JOURNEY_CLOCK"

if VARIABLE in os.environ:
    with Path(os.environ[VARIABLE]).open("rb") as file:
        page = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    real = time.time
    time.time = lambda: real() + struct.unpack("<q", page[:8])[0]
