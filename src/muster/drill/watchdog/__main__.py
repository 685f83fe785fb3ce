"""`python -m muster.drill.watchdog FD`: the watchdog of one drill, on its end of a socket pair."""

from __future__ import annotations

import sys

from muster.drill.watchdog.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
