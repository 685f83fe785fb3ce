"""A drill that died on a real testbed: what is left is its undo log, and what it changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from testbed_peers import small_target, start

from muster import targets, testbed
from muster.drill.recover.again import recover_target
from muster.faults import Fault, fault_of
from muster.platform import Platform, platform_of
from muster.undo import UndoHeader, UndoLog, read_undo


class Bed:
    """A testbed, its platform, and the undo log of a drill that died."""

    def __init__(self, work: Path) -> None:
        self.file = work / "it.yaml"
        target = small_target("it")
        self.file.write_text(yaml.safe_dump(target.model_dump(mode="json", by_alias=True)))
        self.platform: Platform = platform_of(
            targets.resolve(target, testbed=start(target).endpoints)
        )
        self.said: list[str] = []
        self.out = work / "out"

    def dies_in(self, fault: Fault) -> UndoLog:
        """A drill writes the undo entry, applies, and is gone."""
        header = UndoHeader(fault.kind, "it", str(self.file))
        log = UndoLog(self.out / fault.kind / "undo.jsonl", header)
        log.add(fault.kind, fault.subject, fault.undo_params(), fault.region)
        fault.apply()
        return log

    def recovered(self, log: UndoLog) -> Fault:
        """The fault of the log's only entry, which `chaos drill recover` has undone."""
        assert recover_target(str(self.file), self.said.append) == 0, self.said
        (entry,) = read_undo(log.path).entries
        assert entry.state == "done"
        found = fault_of(self.platform, entry)
        assert found.read_back().ok
        return found

    def pid(self, name: str) -> int:
        """The pid of the part of that name."""
        state = testbed.status("it")
        assert state is not None
        return next(p.pid for p in state.processes if p.name == name and p.pid)


@contextmanager
def bed_in(work: Path) -> Iterator[Bed]:
    """A testbed with its state and evidence in `work`, ended afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSTER_STATE_DIR", str(work / "state"))
        patch.setenv("MUSTER_OUT_DIR", str(work / "out"))
        try:
            yield Bed(work)
        finally:
            testbed.down("it")
