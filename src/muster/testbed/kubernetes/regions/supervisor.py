"""`python -m muster.testbed.kubernetes.regions.supervisor --config FILE.json`: the supervisor of a
testbed whose regions' parts are pods.
"""

from __future__ import annotations

import sys

from muster.testbed.kubernetes.regions.rig import KubernetesRig
from muster.testbed.rig import supervisor

if __name__ == "__main__":
    sys.exit(supervisor.main(KubernetesRig, "muster.testbed.kubernetes.regions.supervisor"))
