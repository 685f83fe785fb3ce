"""What the live view costs the drill that shows itself: CPU time over a whole recorded drill."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_kept_bundle import KEPT
from test_live import Held

from muster.cli.terminal import DRAW_S, LINE_S, Pace, follow, follow_drawn
from muster.drill.live.shown import Follower, Shown
from tests.test_live_terminal import Terminal

CORES_MAX = 0.01
FILES = ("ledger.jsonl", "samples.jsonl")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded drill."""
    folder = tmp_path_factory.mktemp("kept")
    with tarfile.open(KEPT) as packed:
        packed.extractall(folder)
    return next(folder.iterdir())


class Replay:
    """The bundle as it grew: `grow` writes what was written up to a moment."""

    def __init__(self, kept: Path, work: Path) -> None:
        work.mkdir()
        (work / "contract.yaml").write_bytes((kept / "contract.yaml").read_bytes())
        self.bundle = work
        self._left = {name: list(_timed(kept / name)) for name in FILES}
        times = [t_s for t_s, _ in self._left["ledger.jsonl"]]
        self.start_s, self.end_s = times[0], times[-1]

    def grow(self, until_s: float) -> None:
        for name, left in self._left.items():
            count = sum(1 for t_s, _ in left if t_s <= until_s)
            with (self.bundle / name).open("ab") as file:
                file.writelines(line for _, line in left[:count])
            del left[:count]


def _timed(path: Path) -> Iterator[tuple[float, bytes]]:
    """Each line with the moment at which it was written; a series' head comes with its samples."""
    at_s = 0.0
    for line in path.read_bytes().splitlines(keepends=True):
        t = json.loads(line).get("t", at_s)
        at_s = max(at_s, float(t[-1] if isinstance(t, list) else t))
        yield at_s, line


def spent(
    kept: Path, work: Path, every_s: float, view: Callable[[Callable[[], Shown], Pace], object]
) -> tuple[float, list[Shown]]:
    """Cores that the view used over the drill, and its looks. What the replay itself does is left
    out.
    """
    replay = Replay(kept, work)
    clock = Held(replay.start_s)
    follower = Follower(replay.bundle, clock)
    seen: list[Shown] = []
    outside_s = 0.0

    def look() -> Shown:
        seen.append(follower.look())
        return seen[-1]

    def wait(seconds: float) -> bool:
        nonlocal outside_s
        before_s = time.thread_time()
        clock.at_s += seconds
        replay.grow(clock.at_s)
        outside_s += time.thread_time() - before_s
        return clock.at_s > replay.end_s + every_s

    before_s = time.thread_time()
    view(look, Pace(wait, every_s))
    cpu_s = time.thread_time() - before_s - outside_s
    return cpu_s / (replay.end_s - replay.start_s), seen


def test_the_block_in_a_terminal_costs_at_most_a_hundredth_of_a_core(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading, judging and drawing every 2 s, all through a drill at time scale and all."""
    monkeypatch.setenv("TERM", "xterm-256color")
    cores, seen = spent(
        kept, tmp_path / "a", DRAW_S, lambda look, pace: follow_drawn(look, Terminal(), pace)
    )
    assert cores <= CORES_MAX, f"{100 * cores:.2f} % of a core"
    phases = list(dict.fromkeys(one.phase for one in seen if one.phase))
    assert phases[-4:] == ["drain", "dark", "restore", "verify"]
    for one in seen:
        if one.phase in ("baseline", "dark"):
            assert one.streams
    judged = [one for one in seen if one.phase in ("shift", "dark", "restore")]
    assert sum(bool(one.margins) for one in judged) > len(judged) / 2
    assert seen[-1].over


def test_the_lines_in_a_pipe_cost_less(kept: Path, tmp_path: Path) -> None:
    """One look in 10 s."""
    said: list[str] = []
    cores, seen = spent(
        kept, tmp_path / "b", LINE_S, lambda look, pace: follow(look, said.append, pace)
    )
    assert cores <= CORES_MAX, f"{100 * cores:.2f} % of a core"
    assert len(said) == len(seen)
