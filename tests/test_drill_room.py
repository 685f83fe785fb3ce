"""Before anything is started: evidence and state must have somewhere to go."""

from __future__ import annotations

import shutil
import subprocess
from collections import namedtuple

import pytest
from disks import fill, tmpfs

from muster.drill.plan import room
from muster.drill.plan.room import check_room
from muster.errors import BadInput

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Evidence and state below tmp_path."""
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def test_room_is_found_and_nothing_stays(places):
    """Both are made where they are missing, and no probe is left in them."""
    check_room()
    assert [path for path in places.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("variable", ["MUSTER_OUT_DIR", "MUSTER_STATE_DIR"])
def test_a_place_that_cannot_be_is_one_line(places, monkeypatch, variable):
    """A path below a file: whoever asks, root included, nothing can be written there."""
    (places / "file").write_text("")
    monkeypatch.setenv(variable, str(places / "file" / "out"))
    with pytest.raises(BadInput, match=rf"^{variable}: got .*out', expected a directory") as caught:
        check_room()
    assert "Not a directory" in str(caught.value)
    assert caught.value.exit_code == 2


def test_too_little_room_is_one_line(places, monkeypatch):
    """The bound is exact."""
    free = room.FREE_BYTES_MIN
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, free))
    check_room()
    free -= 1
    with pytest.raises(BadInput, match=r"with 64 MiB free \(found 63 MiB\)"):
        check_room()


def test_a_full_disk_is_one_line(places, monkeypatch):
    """A stand-in for it: the write fails, whatever the system says of its room."""

    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room.tempfile, "NamedTemporaryFile", full)
    with pytest.raises(BadInput, match="No space left on device"):
        check_room()


@pytest.mark.parametrize(("how", "says"), [("full", "No space left"), ("ro", "Read-only")])
def test_a_real_disk_without_room_is_one_line(places, how, says):
    """Full, or mounted read-only."""
    with tmpfs(places / "out") as place:
        if how == "full":
            fill(place / "filler")
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        with pytest.raises(BadInput, match=says):
            check_room()
