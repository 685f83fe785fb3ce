"""`python -m muster.testbed.provider --config FILE.json`."""

from __future__ import annotations

import sys

from muster.testbed.provider.config import ProviderConfig
from muster.testbed.provider.serve import serve
from muster.testbed.wire.process import main

if __name__ == "__main__":
    sys.exit(main("muster.testbed.provider", ProviderConfig, serve))
