"""Starts and ends the shards of a load, for drills and for the command line.

Each shard gets its configuration, with its tokens, as the first line of its standard input, so that
no secret is in an argument or a file. When that input is closed, the shard ends, so that none
outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from muster.contract import Contract, Profile
from muster.contract import load as load_contract
from muster.errors import MusterError
from muster.load.config import Endpoint, ShardConfig, server_address
from muster.load.traffic import Traffic, traffic_of
from muster.targets.request_form import RequestForm

FILES_MAX = 16_000
"""Open files that a shard may need: below the 20,000 that a process may have."""
_FILES_A_STREAM = 1.5
READY_S_MAX = 30.0


@dataclass(frozen=True)
class LoadPlan:
    """The load to offer, and where. Seconds throughout; secrets are left out of `repr`."""

    url: str
    profile: Profile | Traffic
    scale: float = 1.0
    seed: int = 1
    dns_server: str | None = None
    regions_by_address: dict[str, str] = field(default_factory=dict)
    region_header: str | None = None
    token: str = field(default="", repr=False)
    canary_token: str = field(default="", repr=False)
    model: str = "muster-stub"
    body: Mapping[str, object] = field(default_factory=dict)
    """Fields of a request besides the load's own."""
    form: RequestForm = field(default_factory=RequestForm)
    canary_model: str | None = None
    """The model that answers to canaries name, if it is not `model`."""
    canary_phrase: str | None = None
    canary_tokens: int = 1
    canaries_per_s: float | None = None
    """Of all shards together; None: the profile's, at `scale`."""
    contract: Contract | None = None
    """The contract with the edges, thresholds and the load's own limits; None: the project's
    own.
    """
    shards: int = 0
    duration_s_max: float | None = None
    record_dir: Path | None = None
    file_sd: Path | None = None
    metrics_host: str = "127.0.0.1"
    trace: Path | None = None
    raw_share: float = 0.0
    stream_s_max: float | None = None
    only_shard: tuple[int, int] | None = None
    metrics_port: int = 0
    start_at: float | None = None
    drain_s: float = 0.0
    linger_s: float = 0.0
    outlives_parent: bool = False
    """Live as long as any process holds the shards' standard inputs, and not only as long as the
    parent.
    """

    @property
    def traffic(self) -> Traffic:
        """The profile as plain numbers."""
        return self.profile if isinstance(self.profile, Traffic) else traffic_of(self.profile)


def shards_for(streams: float, files_max: int = FILES_MAX) -> int:
    """Processes needed for this many concurrent streams, with room for half as many again."""
    return max(1, math.ceil(streams * _FILES_A_STREAM / files_max))


def shard_configs(plan: LoadPlan) -> list[ShardConfig]:
    """One configuration for each process. Raises BadInput."""
    Endpoint(plan.url)
    if plan.dns_server is not None:
        server_address(plan.dns_server)
    traffic = plan.traffic
    shards = plan.shards or shards_for(traffic.streams * plan.scale)
    numbers: Sequence[int] = range(shards)
    if plan.only_shard is not None:
        numbers, shards = (plan.only_shard[0],), plan.only_shard[1]
    ruled = _ruled(plan.contract or load_contract())
    return [
        ShardConfig.model_validate(
            {
                "url": plan.url,
                "dns_server": plan.dns_server,
                "regions_by_address": plan.regions_by_address,
                "region_header": plan.region_header,
                "token": plan.token,
                "canary_token": plan.canary_token,
                "model": plan.model,
                "body": plan.body,
                "form": plan.form,
                "canary_model": plan.canary_model,
                "canary_phrase": plan.canary_phrase,
                "canary_tokens": plan.canary_tokens,
                "canaries_per_s": plan.canaries_per_s,
                "traffic": traffic,
                "scale": plan.scale,
                "seed": plan.seed,
                "shard": number,
                "shards": shards,
                "duration_s_max": plan.duration_s_max,
                "record": str(plan.record_dir) if plan.record_dir is not None else None,
                "raw_share": plan.raw_share,
                "metrics": (plan.metrics_host, plan.metrics_port),
                **ruled,
                "trace": str(plan.trace) if plan.trace is not None else None,
                "wait_start": True,
                "stream_s_max": plan.stream_s_max,
                "start_at": plan.start_at,
                "drain_s": plan.drain_s,
                "linger_s": plan.linger_s,
                "parent_pid": None if plan.outlives_parent else os.getpid(),
            }
        )
        for number in numbers
    ]


def _ruled(contract: Contract) -> dict[str, object]:
    """The part of the contract that a shard needs; no other place holds these figures."""
    measurement, validity = contract.measurement, contract.load_validity
    tiers = contract.tiers.values()
    return {
        "canary_s_max": measurement.availability.answered_within_s,
        "late_s": validity.late_s,
        "catch_up_s_max": validity.catch_up_s_max,
        "faster_than_asked_max": validity.faster_than_asked_max,
        "first_token_edges_s": tuple(measurement.first_token_edges_s),
        "completion_edges_s": tuple(measurement.completion_edges_s),
        "first_token_over_s": tuple(sorted({t.first_token_p95_s_max for t in tiers})),
        "completion_over_s": tuple(sorted({t.completion_p95_s_max for t in tiers})),
    }


class LoadHandle:
    """A running load. `metrics` are the shards' addresses, in their order."""

    def __init__(self, processes: list[subprocess.Popen[bytes]], file_sd: Path | None) -> None:
        self._processes = processes
        self._file_sd = file_sd
        self.metrics: list[str] = []

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    @property
    def lifelines(self) -> list[int]:
        """The shards' standard inputs: a shard ends when the last copy of its input is closed."""
        inputs = [process.stdin for process in self._processes]
        return [pipe.fileno() for pipe in inputs if pipe is not None and not pipe.closed]

    @property
    def shards(self) -> int:
        return len(self._processes)

    def alive(self) -> bool:
        """False as soon as any shard has ended."""
        return all(process.poll() is None for process in self._processes)

    def running(self) -> int:
        """How many shards have not ended."""
        return sum(process.poll() is None for process in self._processes)

    def exit_codes(self) -> list[int | None]:
        return [process.poll() for process in self._processes]

    def stop_arrivals(self) -> None:
        """Start no new streams; canaries go on until `stop`."""
        self._order({"stop_arrivals": True})

    def stop(self, grace_s: float = 2.0) -> None:
        """End the shards; a shard that has not ended after `grace_s` is killed. Idempotent."""
        self._order({"end": True})
        for process in self._processes:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        until_s = time.monotonic() + grace_s
        for process in self._processes:
            try:
                process.wait(max(0.0, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if self._file_sd is not None:
            with contextlib.suppress(OSError):
                write_file_sd(self._file_sd, [])

    def __enter__(self) -> LoadHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _order(self, order: dict[str, object]) -> None:
        line = json.dumps(order).encode() + b"\n"
        for process in self._processes:
            if process.stdin is not None and not process.stdin.closed:
                # A shard that has ended reads no commands; `alive` reports it.
                with contextlib.suppress(OSError):
                    process.stdin.write(line)
                    process.stdin.flush()


def start(plan: LoadPlan) -> LoadHandle:
    """Start the load and return once every shard is ready and has begun.

    Raises BadInput for an invalid plan and MusterError if a shard does not start; then nothing is
    left running.
    """
    configs = shard_configs(plan)
    processes: list[subprocess.Popen[bytes]] = []
    handle = LoadHandle(processes, plan.file_sd)
    try:
        for config in configs:
            process = subprocess.Popen(
                [sys.executable, "-m", "muster.load", "--config", "-"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            processes.append(process)
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(config.to_json()).encode() + b"\n")
                process.stdin.flush()
        until_s = time.monotonic() + READY_S_MAX
        for process in processes:
            assert process.stdout is not None
            port = _ready(process, process.stdout, until_s)
            handle.metrics.append(f"{plan.metrics_host}:{port}")
        if plan.file_sd is not None:
            write_file_sd(plan.file_sd, handle.metrics)
        handle._order({"start": True})
    except BaseException:
        handle.stop(grace_s=0.5)
        raise
    return handle


def _ready(process: subprocess.Popen[bytes], stdout: IO[bytes], until_s: float) -> int:
    """The metrics port from the shard's line `ready`."""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        if not selector.select(max(0.0, until_s - time.monotonic())):
            raise MusterError(f"load: shard {process.pid} was not ready in {READY_S_MAX:g} s")
    words = stdout.readline().split()
    if len(words) != 2 or words[0] != b"ready":
        raise MusterError(f"load: shard {process.pid} ended with code {process.wait()}")
    return int(words[1])


def write_file_sd(path: Path, addresses: Sequence[str]) -> None:
    """Replace Prometheus' file of targets atomically: a reader never sees half of it."""
    targets = [{"targets": list(addresses), "labels": {"job": "load"}}] if addresses else []
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(targets, file)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
