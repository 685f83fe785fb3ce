"""Which watched signals are shown: window by window, part by part and process by process."""

from __future__ import annotations

import pytest

from muster.contract import load
from muster.guard.presence import Presence
from muster.guard.triggers import Guard

JUDGED = {"queue_age": ("",), "failures": ("redis", "token")}
STALE_S = 5.0


class Watch:
    """A presence of which two windows may lack data, closed every ten seconds."""

    def __init__(self):
        self.presence = Presence(JUDGED, 2, STALE_S)
        self.end_s = 0.0

    def shows(self, part, *, name="", signal="queue_age", region="r", t_s=None):
        """A process shows a part at the end of the window that is under way, or at `t_s`."""
        t_s = self.end_s + 10 if t_s is None else t_s
        self.presence.alive(region, part, t_s)
        self.presence.saw((signal, region, name, part), t_s)

    def close(self, *signals, region="r"):
        """What is lost in the window that ends now."""
        self.end_s += 10
        return list(self.presence.lost(region, self.end_s, signals or ("queue_age",)))


def lost(what, signal="queue_age"):
    return [(signal, f"{signal}{what}: 3 windows in a row without data")]


def test_what_nobody_shows_is_lost_once_more_windows_than_allowed_have_passed():
    """It is said once: in the third window, and not again in the fourth."""
    watch = Watch()
    assert [watch.close() for _ in range(4)] == [[], [], lost(""), []]


def test_data_in_between_starts_the_count_anew():
    """Two windows without, one with, and again two without."""
    watch = Watch()
    assert [watch.close(), watch.close()] == [[], []]
    watch.shows("a")
    assert watch.close() == []
    assert [watch.close(), watch.close(), watch.close()] == [[], [], lost("")]


@pytest.mark.parametrize(("age_s", "found"), [(STALE_S, []), (STALE_S + 0.1, lost(""))])
def test_a_sample_stands_for_as_long_as_it_is_not_stale(age_s, found):
    """Also of a process without a name: that it ended does not start the signal's count anew."""
    watch = Watch()
    watch.close()
    watch.close()
    watch.shows("", t_s=30 - age_s)
    assert watch.close() == found


def test_an_older_sample_that_comes_late_takes_nothing_back():
    """Neither that a process is at work nor that it shows its part; each has its newest time."""
    watch = Watch()
    for _ in range(5):
        watch.shows("a")
        watch.shows("a", t_s=watch.end_s + 1)
        watch.presence.alive("r", "b", watch.end_s + 1)
        watch.presence.saw(("queue_age", "r", "", "b"), watch.end_s + 1)
        assert watch.close() == []
    assert watch.presence._valid_s["queue_age", "r", "", "a"] == 50.0
    assert watch.presence._alive_s["r", "a"] == 50.0


def silent_for_two_windows():
    """Both showed the part; since then b has been at work and shown other things only."""
    watch = Watch()
    watch.shows("a")
    watch.shows("b")
    watch.close()
    for _ in range(2):
        watch.shows("a")
        watch.presence.alive("r", "b", watch.end_s + 10)
        assert watch.close() == []
    return watch


def test_a_newer_sample_of_another_process_makes_none_newer():
    """The other one has shown nothing since, and goes on with other signals."""
    watch = silent_for_two_windows()
    watch.shows("a")
    watch.presence.alive("r", "b", watch.end_s + 10)
    assert watch.close() == lost(" (at b)")


def test_a_process_that_shows_nothing_at_all_has_ended():
    """It is missed by nobody, and begins anew when it comes back."""
    watch = Watch()
    watch.shows("b")
    for _ in range(5):
        watch.shows("a")
        assert watch.close() == []
    watch.shows("b")
    said = []
    for _ in range(4):
        watch.shows("a")
        watch.presence.alive("r", "b", watch.end_s + 10)
        said += watch.close()
    assert said == lost(" (at b)")


def test_the_count_of_a_process_that_ended_is_forgotten():
    """Silent for two windows, gone for one, and back: silent for two more is not yet too long."""
    watch = silent_for_two_windows()
    watch.shows("a")
    assert watch.close() == []
    watch.shows("b", t_s=watch.end_s + 1)
    for _ in range(2):
        watch.shows("a")
        watch.presence.alive("r", "b", watch.end_s + 10)
        assert watch.close() == []


@pytest.mark.parametrize(("age_s", "said"), [(STALE_S, lost(" (at b)")), (STALE_S + 0.1, [])])
def test_a_process_is_at_work_until_its_last_sign_is_stale(age_s, said):
    """It shows other signals, the last time just within the window's reach."""
    watch = Watch()
    watch.shows("b")
    watch.close()
    found = []
    for _ in range(3):
        watch.shows("a")
        watch.presence.alive("r", "b", watch.end_s + 10 - age_s)
        found += watch.close()
    assert found == said


def test_a_part_of_a_process_that_was_never_seen_at_work_is_missed():
    """Nothing says that it has ended."""
    watch = Watch()
    watch.presence.saw(("queue_age", "r", "", "b"), 10.0)
    said = []
    for _ in range(4):
        watch.shows("a")
        said += watch.close()
    assert said == lost(" (at b)")


def test_a_region_that_leaves_starts_anew_and_no_other_does():
    """Its parts, its processes and its count; those of the others go on."""
    watch = Watch()
    for region in ("r", "s"):
        watch.shows("a", region=region)
    watch.presence.leave("r")
    assert list(watch.presence._valid_s) == [("queue_age", "s", "", "a")]
    assert list(watch.presence._alive_s) == [("s", "a")]
    watch = Watch()
    for _ in range(2):
        watch.close(region="s")
        assert watch.close() == []
    watch.presence.leave("s")
    assert watch.close() == lost("")
    watch = Watch()
    assert [watch.close(), watch.close()] == [[], []]
    watch.presence.leave("r")
    assert [watch.close(), watch.close(), watch.close()] == [[], [], lost("")]


def test_each_judged_part_is_asked_for_and_no_other():
    """Of two reasons; the first that is lost is said, each by its name."""
    watch = Watch()
    said = []
    for _ in range(4):
        watch.shows("", name="redis", signal="failures")
        watch.shows("", name="other", signal="failures")
        said += watch.close("failures")
    assert said == lost(" (token)", "failures")
    assert ("failures", "r", "other", "") not in watch.presence._valid_s
    watch = Watch()
    said = [watch.close("failures", "queue_age") for _ in range(3)]
    assert said == [[], [], lost(" (redis)", "failures") + lost("")]


def test_a_part_of_one_process_is_said_with_both_names():
    """Another process shows it still."""
    watch = Watch()
    said = []
    for window in range(4):
        for name in JUDGED["failures"]:
            watch.shows("a", name=name, signal="failures")
            watch.presence.alive("r", "b", watch.end_s + 10)
            if name == "redis" or window == 0:
                watch.shows("b", name=name, signal="failures")
        said += watch.close("failures")
    assert said == lost(" (token at b)", "failures")


def test_another_regions_samples_and_another_signals_show_nothing():
    """Each has its own parts."""
    watch = Watch()
    said = []
    for _ in range(3):
        watch.shows("a", region="s")
        watch.shows("a", name="redis", signal="failures")
        said += watch.close()
    assert said == lost("")


def test_the_guard_forgets_what_a_region_out_of_rotation_showed():
    """Its processes may be others when it comes back."""
    contract = load()
    guard = Guard(contract, contract.gates["M3"], contract.tiers["G"], 1.0, ("r",), STALE_S)
    fresh = [("queue_age", "x", {"region": "r", "instance": "a"}, [0.0], [0.0])]
    guard.push(fresh, 0.0, rotation=frozenset("r"), declared=())
    assert list(guard._presence._valid_s) == [("queue_age", "r", "", "a")]
    guard.push([], 1.0, rotation=frozenset(), declared=())
    assert not guard._presence._valid_s
    assert not guard._presence._alive_s
