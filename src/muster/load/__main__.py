"""`python -m muster.load`: one shard."""

from __future__ import annotations

import sys

from muster.load.shard import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
