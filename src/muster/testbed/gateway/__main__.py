"""`python -m muster.testbed.gateway --config FILE.json`."""

from __future__ import annotations

import sys

from muster.testbed.gateway.config import GatewayConfig
from muster.testbed.gateway.serve import serve
from muster.testbed.wire.process import main

if __name__ == "__main__":
    sys.exit(main("muster.testbed.gateway", GatewayConfig, serve))
