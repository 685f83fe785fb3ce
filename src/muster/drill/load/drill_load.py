"""The drill's background load: the engine of `chaos drill load`, with the target's settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from muster import home, testbed
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.load.place import Handed
from muster.drill.load.registry import Intend, place_of
from muster.drill.plan.enough import canaries_per_s
from muster.drill.plan.plan import DrillPlan
from muster.errors import MusterError
from muster.targets import Target, resolve
from muster.targets.parse import AS_WRITTEN

if TYPE_CHECKING:
    from muster.load import LoadPlan
    from muster.platform.kubernetes.load_job import LoadJob

DURATION_S_MAX = 12 * 3600.0


class DrillLoad:
    """Started once; `alive` is False as soon as one of its parts has ended by itself."""

    def __init__(
        self,
        plan: DrillPlan,
        target: Target,
        addresses: Mapping[str, Sequence[str]],
        bundle: Path,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._plan = plan
        self._target = target
        self._bundle = bundle
        self._regions_by_address = {
            address: region
            for region, spec in target.regions.items()
            for address in (spec.addresses or addresses.get(region, ()))
        }
        self._place = place_of(target.load, bundle.name, bundle, self._intends, clock)
        self._started = False
        self.intend: Intend | None = None
        self.told: Mapping[str, Any] = {}

    @property
    def started(self) -> bool:
        """Whether the load was started and not stopped."""
        return self._started

    @property
    def start_s_max(self) -> float:
        """How long the start may take, in seconds, where it waits for others."""
        return self._place.start_s_max

    @property
    def parts_elsewhere(self) -> int:
        """How many parts run on other machines than this."""
        return self.shards if self.handed.elsewhere else 0

    @property
    def pids(self) -> list[int]:
        """The load's processes here; empty before the start."""
        return list(self._place.handed.pids)

    @property
    def shards(self) -> int:
        """How many parts the load has; 0 before the start and after the end."""
        return self._place.shards

    @property
    def handed(self) -> Handed:
        """What the watchdog needs of it."""
        return self._place.handed

    def refusals(self) -> tuple[str, ...]:
        """What would be refused of it, asked without changing anything. Raises MusterError."""
        told = self._load_plan()
        return (*_unwritable(told.file_sd), *self._place.refusals(told))

    def start(self, waiting: Callable[[], None] = lambda: None) -> None:
        """Start every part. `waiting` is called meanwhile where that takes long, and may raise.

        Raises MusterError when one does not come up; then nothing goes on.
        """
        try:
            self.told = self._place.start(self._load_plan(), waiting).facts
        except BaseException:
            self._place.stop()
            raise
        self._started = True

    def alive(self) -> bool:
        """Whether every part still runs, as far as known."""
        return self._started and not self._place.lost()

    def lost(self) -> str:
        """Which part has ended by itself, and why; empty if none. Also after the end."""
        return self._place.lost()

    def stop_arrivals(self) -> None:
        """Start no new streams; open ones go on and are still counted."""
        if self._started:
            self._place.stop_arrivals()

    def stop(self) -> None:
        """End the load; calling it again changes nothing."""
        if self._started:
            self._place.stop()
            self._started = False

    def _intends(self, job: LoadJob) -> None:
        """Have it made durable that the Job must be deleted, before it is created."""
        if self.intend is None:
            raise MusterError(f"load: {job.subject}: nobody would delete it")
        self.intend(job)

    def _load_plan(self) -> LoadPlan:
        from muster.load import LoadPlan

        # What goes into pods keeps `${env.NAME}`: they fill it in by themselves.
        elsewhere = self._target.load.elsewhere
        told = self._with_placeholders() if elsewhere else self._target
        access = told.load
        return LoadPlan(
            url=told.public_url,
            dns_server=access.dns_server,
            regions_by_address=self._regions_by_address,
            region_header=access.region_header,
            token=access.token,
            canary_token=access.canary_token,
            model=access.model,
            body=access.body,
            form=access.form,
            canary_model=access.canary_model,
            canary_phrase=access.canary_phrase,
            canary_tokens=access.canary_tokens,
            canaries_per_s=canaries_per_s(self._plan),
            contract=self._plan.contract,
            profile=self._plan.profile,
            scale=self._plan.settings.scale,
            seed=self._plan.settings.seed,
            shards=access.shards,
            duration_s_max=DURATION_S_MAX,
            record_dir=self._bundle,
            file_sd=Path(access.file_sd) if access.file_sd else None,
            metrics_host=access.metrics_host,
            raw_share=access.raw_share,
            trace=home.root() / access.trace if access.trace else None,
            outlives_parent=True,
        )

    def _with_placeholders(self) -> Target:
        """The target as written, with the endpoints of a testbed and without any secret."""
        written = self._plan.target
        state = testbed.status(written.name) if written.class_ == "testbed" else None
        endpoints = None if state is None else state.endpoints
        return resolve(written, testbed=endpoints, environment=AS_WRITTEN)


def _unwritable(file: Path | None) -> Iterator[str]:
    """Prometheus learns of the load by a file: without it there are no counts of the load."""
    if file is None:
        return
    place = next(one for one in file.absolute().parents if one.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        yield f"load.file_sd: {file} cannot be written: nothing can be created in {place}"
