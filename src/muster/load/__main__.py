"""`python -m muster.load`: one shard; with `--part`, the one of a pod."""

from __future__ import annotations

import os
import sys

from muster.load.part import main_part
from muster.load.shard import main

if __name__ == "__main__":
    sys.exit(main_part(os.environ) if sys.argv[1:] == ["--part"] else main(sys.argv[1:]))
