"""The load as an Indexed Job: a part a pod, begun at one moment, ended together.

Every right that this needs is one of the drill's in the namespace of the load. The parts may do one
thing there: watch the object with their orders.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.load.keeper import Keeper
from muster.drill.load.place import Begun, Handed, LoadPlace
from muster.errors import MusterError
from muster.load.orders import CLOCK_S_MAX
from muster.platform.kubernetes.cluster import Unanswered
from muster.platform.kubernetes.load_job import LoadJob, PartPod
from muster.platform.port import PortError
from muster.targets.load_access import KubernetesLoad

if TYPE_CHECKING:
    from muster.drill.load.records import PartRecord
    from muster.load import LoadPlan

logger = logging.getLogger("chaostoolkit")
LEAD_S = 5.0
"""From the order to begin to the moment itself: every part must have heard it by then."""
BEGUN_S_MAX = 20.0
CLOCKS_S_MAX = 20.0
"""For so long the drill asks how late it is on the parts' nodes."""
ASK_S = 1.0
STOP_LEAD_S = 1.0
END_S_MAX = 15.0
LOOK_S = 1.0


class LoadInPods(LoadPlace):
    """Created by `start`, deleted by the undo entry that `intend` writes before that."""

    def __init__(
        self,
        access: KubernetesLoad,
        drill_id: str,
        bundle: Path,
        intend: Callable[[LoadJob], None],
        job: LoadJob | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`intend` makes the Job's end durable before the Job is created. It may raise."""
        self._access = access
        self._drill_id = drill_id
        self._bundle = bundle
        self._intend = intend
        self._job = job or LoadJob(access, access.job, clock=clock)
        self._clock = clock
        self._records: Sequence[PartRecord] = ()
        self._keeper = Keeper(self._job, drill_id, access.lifeline_s, self._words, clock)
        self._begun_at: float | None = None
        self._stopped = False
        self._lost = ""
        self._pods: Sequence[PartPod] = ()
        self._lock = threading.Lock()
        self.start_s_max = access.ready_s_max + CLOCKS_S_MAX + LEAD_S + BEGUN_S_MAX

    @property
    def shards(self) -> int:
        """The parts that have begun."""
        return self._access.parts if self._begun_at is not None and not self._stopped else 0

    @property
    def handed(self) -> Handed:
        """The target says where they are."""
        runs = self._begun_at is not None and not self._stopped
        return Handed(elsewhere=self._job.uids if runs else None)

    def refusals(self, plan: LoadPlan) -> tuple[str, ...]:
        """Missing rights, what is left of another load, and what a dry run of the Job says."""
        from muster.drill.load import manifest

        access, config = self._access, self._config(plan)
        return self._job.refusals(
            manifest.job_of(access, self._drill_id, config),
            manifest.orders_of(access, self._drill_id, config, self._keeper.first()),
        )

    def start(self, plan: LoadPlan, waiting: Callable[[], None]) -> Begun:
        """Create the Job, wait until every pod is ready, and begin them at one moment."""
        from muster.drill.load import manifest
        from muster.load.starter import write_file_sd

        access, parts = self._access, self._access.parts
        config = self._config(plan)
        orders = self._keeper.first()
        self._intend(self._job)
        self._job.create(
            manifest.job_of(access, self._drill_id, config),
            lambda uid: manifest.orders_of(access, self._drill_id, config, orders, uid),
        )
        self._keeper.start()
        pods = self._ready(waiting)
        if access.file_sd is not None:
            write_file_sd(Path(access.file_sd), addresses_of(access, pods))
        self._read_along(pods)
        self._await_clocks(waiting)
        begin_s = self._clock.now_s() + LEAD_S
        self._keeper.order(start_at=begin_s)
        began = self._began(waiting)
        self._begun_at = begin_s
        # By the drill's clock: by its own every part begins at the moment that it was told.
        begun = [at_s - one.offset.middle_s for at_s, one in zip(began, self._records, strict=True)]
        spread_s = max(begun) - min(begun)
        error_s = max(one.offset.error_s for one in self._records)
        logger.info(
            "load: %d parts began within %.0f ms; their clocks are known to %.0f ms",
            parts, 1000 * spread_s, 1000 * error_s,
        )  # fmt: skip
        told = [
            {
                "part": pod.index + 1,
                "pod": pod.name,
                "node": pod.node,
                "clock_s": round(record.offset.middle_s, 3),
                "clock_error_s": round(record.offset.error_s, 3),
            }
            for pod, record in zip(pods, self._records, strict=True)
        ]
        return Begun({"job": self._job.subject, "parts": told, "spread_s": round(spread_s, 3)})

    def lost(self) -> str:
        """As the last look has shown it, at most some seconds ago; or a clock that went wrong."""
        self._lost = self._lost or self._keeper.lost or self._wrong_clock()
        return self._lost

    def stop_arrivals(self) -> None:
        """All parts at one moment of the schedule, so that they offer what one process would."""
        if self._begun_at is None:
            return
        at_s = self._clock.now_s() - self._begun_at + STOP_LEAD_S
        self._try("stop arrivals", lambda: self._keeper.order(stop_at_s=at_s))

    def stop(self) -> None:
        """Tell the parts to end, and wait for their last lines. The Job itself stays."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        if self._begun_at is not None:
            # What is seen from here on is their ordered end.
            self._try("look", self._keeper.look)
            self._keeper.expect({})
            self._try("end", lambda: self._keeper.order(end=True))
            self._await_records()
            self._try("end", self._await_pods)
        self._keeper.close()
        for record in self._records:
            record.close()
        if self._access.file_sd is not None:
            from muster.load.starter import write_file_sd

            self._try("file_sd", lambda: write_file_sd(Path(str(self._access.file_sd)), []))

    def _config(self, plan: LoadPlan) -> str:
        from muster.drill.load import manifest

        return manifest.config_of(self._access, replace(plan, only_shard=(0, self._access.parts)))

    def _words(self, part: int) -> str:
        return self._records[part].words if part < len(self._records) else ""

    def _ready(self, waiting: Callable[[], None]) -> list[PartPod]:
        """The pods, once all are ready."""
        parts, end_s = self._access.parts, self._clock.monotonic_s() + self._access.ready_s_max
        pods: list[PartPod] = []
        while True:
            waiting()
            said = ""
            try:
                pods = self._job.pods()
            except Unanswered as error:
                said = str(error)
            if ended := [pod for pod in pods if pod.phase in ("Failed", "Succeeded")]:
                raise MusterError(f"load: {self._said(ended[0])}")
            if len(pods) == parts and all(pod.lives for pod in pods):
                self._keeper.expect({pod.index: pod.uid for pod in pods})
                return pods
            if self._clock.monotonic_s() > end_s:
                raise MusterError(self._unready(pods, said))
            self._clock.sleep(LOOK_S)

    def _unready(self, pods: Sequence[PartPod], said: str) -> str:
        lacks = [pod for pod in pods if not pod.lives]
        why = said or (self._said(lacks[0]) if lacks else "a quota or a policy may refuse pods")
        ready = len(pods) - len(lacks)
        return (
            f"load: {ready} of {self._access.parts} parts were ready in "
            f"{self._access.ready_s_max:g} s; {len(pods)} pods exist: {why}"
        )

    def _said(self, pod: PartPod) -> str:
        """A pod that is not as it should be, with its last words if it has ended."""
        from muster.drill.load.records import PartRecord

        words = self._words(pod.index)
        if not words and pod.phase == "Failed":
            record = PartRecord(self._path(pod.index), lambda since: iter(()))
            try:
                for line in self._job.lines(pod.name):
                    record.take(line)
            except PortError as error:
                logger.debug("load: %s", error)
            words = record.words
        of = f"part {pod.index + 1} of {self._access.parts}"
        return f"{of}: pod {pod.name}: {pod.state}{f'; it said: {words}' if words else ''}"

    def _await_clocks(self, waiting: Callable[[], None]) -> None:
        """Until every part's clock is known to be right. Raises MusterError if one is not.

        A part begins and writes its record by its own clock, so with a wrong one it would offer its
        arrivals at another time, and nobody would see it.
        """
        end_s, asked_s = self._clock.monotonic_s() + CLOCKS_S_MAX, -math.inf
        while not all(record.offset.right for record in self._records):
            waiting()
            if lost := self._keeper.lost or self._wrong_clock():
                raise MusterError(f"load: {lost}")
            now_s = self._clock.monotonic_s()
            if now_s > end_s:
                raise MusterError(f"load: {self._unknown_clock()}")
            if now_s - asked_s >= ASK_S:
                asked_s = now_s
                self._try("ask for the clocks", self._keeper.order)
            self._clock.sleep(LOOK_S / 5)

    def _wrong_clock(self) -> str:
        for pod, record in zip(self._pods, self._records, strict=False):
            if record.wrong_clock:
                return (
                    f"part {pod.index + 1} of {len(self._pods)}: the clock of node "
                    f"{pod.node or 'unknown'} is {record.wrong_clock}, over {CLOCK_S_MAX:g} s: "
                    "synchronise both"
                )
        return ""

    def _unknown_clock(self) -> str:
        record, pod = next(
            (record, pod)
            for record, pod in zip(self._records, self._pods, strict=True)
            if not record.offset.right
        )
        words = f"; it said: {record.words}" if record.words else ""
        return (
            f"part {pod.index + 1} of {len(self._pods)}: whether the clock of node "
            f"{pod.node or 'unknown'} is right to {CLOCK_S_MAX:g} s is not known after "
            f"{CLOCKS_S_MAX:g} s: its offset is {record.offset.said}{words}"
        )

    def _read_along(self, pods: Sequence[PartPod]) -> None:
        from muster.drill.load.records import PartRecord

        def reader(name: str) -> PartRecord:
            index = next(pod.index for pod in pods if pod.name == name)
            return PartRecord(
                self._path(index), lambda since: self._job.lines(name, since), self._clock
            )

        self._pods, self._records = pods, [reader(pod.name) for pod in pods]
        for record in self._records:
            record.start()

    def _path(self, index: int) -> Path:
        return self._bundle / f"load-{index}.jsonl"

    def _began(self, waiting: Callable[[], None]) -> list[float]:
        """When each part began, by its own clock. Raises MusterError if one has not."""
        end_s = self._clock.monotonic_s() + LEAD_S + BEGUN_S_MAX
        while True:
            waiting()
            began = [record.began_at for record in self._records]
            known = [one for one in began if one is not None]
            if len(known) == len(began):
                return known
            if self._keeper.lost:
                raise MusterError(f"load: {self._keeper.lost}")
            if self._clock.monotonic_s() > end_s:
                part = began.index(None)
                words = self._words(part) or "nothing"
                raise MusterError(
                    f"load: part {part + 1} of {len(began)} has not begun within "
                    f"{BEGUN_S_MAX:g} s of its moment, or its log cannot be read; it said: {words}"
                )
            self._clock.sleep(LOOK_S / 5)

    def _await_records(self) -> None:
        end_s = self._clock.monotonic_s() + END_S_MAX
        for index, record in enumerate(self._records):
            left_s = max(0.0, end_s - self._clock.monotonic_s())
            if not self._clock.wait(record.ended, left_s):
                logger.warning(
                    "load: the record of part %d is cut off: %s",
                    index + 1, record.words or "its last lines did not come",
                )  # fmt: skip

    def _await_pods(self) -> None:
        """Until no pod runs any more, in bounded time: the Job's end would wait for them too."""
        end_s = self._clock.monotonic_s() + END_S_MAX
        while any(pod.phase in ("Pending", "Running") for pod in self._job.pods()):
            if self._clock.monotonic_s() > end_s:
                logger.warning("load: some pods run on after %g s; they are deleted", END_S_MAX)
                return
            self._clock.sleep(LOOK_S / 2)

    @staticmethod
    def _try(what: str, call: Callable[[], object]) -> None:
        try:
            call()
        except (PortError, OSError) as error:
            logger.error("load: %s: %s", what, error)


def addresses_of(access: KubernetesLoad, pods: Sequence[PartPod]) -> list[str]:
    """Where Prometheus scrapes each part."""
    hosts = [f"[{pod.address}]" if ":" in pod.address else pod.address for pod in pods]
    return [f"{host}:{access.port_of(pod.index)}" for host, pod in zip(hosts, pods, strict=True)]
