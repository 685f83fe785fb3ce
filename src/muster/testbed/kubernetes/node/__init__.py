"""A node of Kubernetes with real pods on this machine: a kubelet, with containerd and runc.

`design.Node` says what is started; `python -m muster.testbed.kubernetes.node` is its one process.
All of the node lives in a PID and a mount namespace of its own, so that its end is one kill: no
container, no mount and no shim outlives it, whatever ended it. Nothing else of the machine changes:
what a kubelet writes to places of the machine (/run, /var/lib, /var/log, sysctls) is hidden there.
Only its cgroups stand outside; they are removed at the end, or by the next node that starts.
"""
