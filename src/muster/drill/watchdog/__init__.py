"""The watchdog: a process of its own that restores when the drill's own process can't or doesn't.

1. Each end holds a lease on the other, renewed by beats over a socket pair. A closed socket is a
   death; silence past the lease is a hang.
2. Whoever takes over first takes the right to (a lock, so that two never kill each other), kills
   the other by its pidfd, sees it gone, and only then acts: a stopped process can't wake up and
   finish an old call.
3. The watchdog looks at the samples itself, with the drill's own guard. A trip is told to the
   drill's process; where that does not begin to restore within a lease, rule 2.
4. The duty ends with the drill's last effect (`release`). Then silence is no hang and nothing stops
   the drill; after a death the watchdog cleans up, and a verdict that was written stays.
"""
