"""The drill's background load: the engine of `chaos drill load`, with the target's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from muster import home
from muster.drill.plan.enough import canaries_per_s
from muster.drill.plan.plan import DrillPlan
from muster.targets import Target

if TYPE_CHECKING:
    from muster.load import LoadHandle, LoadPlan

DURATION_S_MAX = 12 * 3600.0
STOP_GRACE_S = 1.0


class DrillLoad:
    """Started once; `alive` is False as soon as one of its processes has ended by itself."""

    def __init__(
        self,
        plan: DrillPlan,
        target: Target,
        addresses: Mapping[str, Sequence[str]],
        bundle: Path,
    ) -> None:
        self._plan = plan
        self._target = target
        self._bundle = bundle
        self._regions_by_address = {
            address: region
            for region, spec in target.regions.items()
            for address in (spec.addresses or addresses.get(region, ()))
        }
        self._handle: LoadHandle | None = None

    @property
    def started(self) -> bool:
        """Whether the load was started and not stopped."""
        return self._handle is not None

    @property
    def pids(self) -> list[int]:
        """The load's processes; empty before the start."""
        return list(self._handle.pids) if self._handle is not None else []

    @property
    def shards(self) -> int:
        """How many processes the load has; 0 before the start and after the end."""
        return self._handle.shards if self._handle is not None else 0

    @property
    def lifelines(self) -> list[int]:
        """Descriptors that keep the load's processes alive until they are closed."""
        return self._handle.lifelines if self._handle is not None else []

    def start(self) -> None:
        """Start every shard. Raises MusterError when one does not come up."""
        # The engine imports numpy and uvloop: only a drill that gets this far pays for that.
        from muster import load

        self._handle = load.start(self._load_plan())

    def alive(self) -> bool:
        """Whether every shard still runs."""
        return self._handle is not None and self._handle.alive()

    def stop_arrivals(self) -> None:
        """Start no new streams; open ones go on and are still counted."""
        if self._handle is not None:
            self._handle.stop_arrivals()

    def stop(self) -> None:
        """End the load; calling it again changes nothing."""
        if self._handle is not None:
            self._handle.stop(STOP_GRACE_S)
            self._handle = None

    def _load_plan(self) -> LoadPlan:
        from muster.load import LoadPlan

        access = self._target.load
        return LoadPlan(
            url=self._target.public_url,
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
