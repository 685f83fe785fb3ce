"""A Kubernetes control plane on this machine: etcd, API server, controllers, scheduler, and kwok.

Everything listens on 127.0.0.1 with certificates of its own. kwok plays the nodes: its pods have a
status and no processes. What `make setup-kubernetes` built is used; nothing else is needed.
"""
