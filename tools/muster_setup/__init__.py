"""What `make setup` does, in order, each only where it is missing:

1. redis-server and prometheus (Chromium too for `make test`), by Homebrew or apt;
2. `.venv` with everything in constraints.txt, hashes checked, and this clone installed editable;
3. `.tools/bin/toxiproxy-server`, built by `go install`.

Nothing outside the clone changes but those packages: no cache in the home directory, no service
started, enabled or stopped. A second run finds all of it there and needs no network. Standard
library only.
"""
