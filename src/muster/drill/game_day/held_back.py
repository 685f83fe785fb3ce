"""Waits for a word on standard input and then becomes the command that it was given.

`python -m muster.drill.game_day.held_back COMMAND…`. The day's process says the word once the pid
of this process is on disk. If it dies before, the word never comes and the drill never begins: no
drill runs that the day's ledger does not know.
"""

from __future__ import annotations

import os
import sys

WORD = b"go"


def main(command: list[str]) -> int:
    """Become `command`; exits with 4 if nobody said the word."""
    if os.read(0, len(WORD)) != WORD:
        return 4
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
