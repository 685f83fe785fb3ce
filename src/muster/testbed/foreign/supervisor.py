"""`python -m muster.testbed.foreign.supervisor --config FILE.json`: the supervisor of a foreign
testbed.
"""

from __future__ import annotations

import sys

from muster.testbed.foreign.rig import ForeignRig
from muster.testbed.rig import supervisor

if __name__ == "__main__":
    sys.exit(supervisor.main(ForeignRig, "muster.testbed.foreign.supervisor"))
