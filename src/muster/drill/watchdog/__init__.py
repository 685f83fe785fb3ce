"""The watchdog: a separate process that restores if the drill's own process cannot or does not.

1. Each end holds a lease on the other and renews it by beats over a socket pair. A closed socket is
  a death; silence past the lease is a hang.
2. The process that takes over takes the take-over lock (so that two processes never kill each
  other), kills the other by its pidfd, verifies that it is gone, and only then acts. A stopped
  process therefore cannot wake up and finish an old call.
3. The watchdog evaluates the samples itself, with the drill's own guard. It reports a trip to the
  drill's process; if that does not begin to restore within a lease, rule 2 applies.
4. The duty ends with the drill's last effect (`release`). From then on silence is no hang and
  nothing stops the drill; after a death the watchdog cleans up, and a written verdict stays.
"""
