"""Looks at names that no resolver takes: they show nothing, and never raise."""

from __future__ import annotations

import pytest

from muster.faults.redis_path import look_at_redis
from muster.platform.looks import look_at


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".x"])
def test_a_name_that_cannot_be_asked_for_is_blind(host):
    """Of an address in a target's file, say."""
    assert look_at(f"http://{host}/").met == "blind"
    assert look_at_redis(f"redis://{host}:6379").met == "blind"
