"""The regions in rotation, by the weights that the samples show."""

from __future__ import annotations

from muster.guard.rotation import Rotation


def weight(rotation, region, *values):
    rotation.saw([("steering_weight", {"region": region}, values)])
    return rotation.regions


def test_a_region_is_in_rotation_while_its_newest_weight_is_above_0():
    """Whatever its weights were before."""
    rotation = Rotation(("a", "b"))
    assert rotation.regions == {"a", "b"}
    assert weight(rotation, "a", 50.0, 0.0) == {"b"}
    assert weight(rotation, "a", 0.0, 10.0) == {"a", "b"}


def test_an_unknown_weight_changes_nothing():
    """A region whose weight nobody knows stays guarded, and one that is out stays out."""
    rotation = Rotation(("a", "b"))
    assert weight(rotation, "a", 50.0, None) == {"a", "b"}
    assert weight(rotation, "a") == {"a", "b"}
    assert weight(rotation, "a", 0.0) == {"b"}
    assert weight(rotation, "a", None) == {"b"}


def test_other_signals_say_nothing_about_it():
    """Only the weights do."""
    rotation = Rotation(("a",))
    rotation.saw([("queue_age", {"region": "a"}, (0.0,))])
    assert rotation.regions == {"a"}


def test_a_region_of_several_parts_is_out_only_if_all_of_them_are():
    """In whatever order their series come."""
    rotation = Rotation(("a", "b"))
    parts = [("steering_weight", {"region": "a"}, (value,)) for value in (100.0, 0.0)]
    for rows in (parts, parts[::-1]):
        rotation.saw(rows)
        assert rotation.regions == {"a", "b"}
    rotation.saw([parts[1], parts[1]])
    assert rotation.regions == {"b"}
