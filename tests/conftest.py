"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# No test asserts the speed of a machine: an example may take as long as it takes.
settings.register_profile("muster", deadline=None)
settings.load_profile("muster")
