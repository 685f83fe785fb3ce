"""Locks on a target: the lock on this machine, the lease in the shared store, and its holder."""
