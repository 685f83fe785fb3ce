"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dataplane_fixtures import Stack
from hypothesis import settings

# No test asserts the speed of a machine: an example may take as long as it takes.
settings.register_profile("muster", deadline=None)
settings.load_profile("muster")


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Stack]:
    """Everything that a gateway needs, and no gateway yet."""
    made = Stack(tmp_path)
    try:
        yield made.start()
    finally:
        made.close()
