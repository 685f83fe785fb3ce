"""One part of a load in a pod: `python -m muster.load --part`.

The pod says which part it is (`JOB_COMPLETION_INDEX`) and where its orders are: in a ConfigMap,
which the part watches. The configuration there has no secret: `${env.NAME}` in it is filled from
the pod's own environment, which gets it from a Secret. The record goes to the standard output.
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muster.documents import parse
from muster.errors import BadInput, MusterError
from muster.load.config import ShardConfig
from muster.load.orders import (
    ADDRESS_VARIABLE,
    CONFIG,
    DRILL_VARIABLE,
    INDEX_VARIABLE,
    ORDERS,
    READY_VARIABLE,
    Obedience,
    Orders,
    PartConfig,
)
from muster.load.recorder import HEARD
from muster.load.shard import STDOUT, Control, Listen, in_loop, run
from muster.load.watched import Watch, Watched
from muster.machine import raise_open_files
from muster.redact import Redacting, redacted
from muster.targets.parse import refilled

ORDERS_S_MAX = 120.0
"""For so long a part waits for its first orders: they are created right after its Job."""
REFUSED_MAX = 10
LOOK_S = 0.5
HEED_S = 0.1
"""Before it begins a part looks for orders so often: how late it says that one came is how little
the drill knows of its clock."""
FAILED = 3

Data = Mapping[str, Any]


def main_part(environment: Mapping[str, str]) -> int:
    """Exit code 0: it was told to end; 2: it cannot begin; 3: it had to end by itself."""
    # The first process of a container: without a handler SIGTERM would not end it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    logging.getLogger("asyncio").addFilter(Redacting())
    changes: queue.SimpleQueue[Data | None] = queue.SimpleQueue()
    try:
        watched, drill = Watched.of(environment), _of(environment, DRILL_VARIABLE)
        watch = Watch(watched, drill, changes.put)
        watch.start()
        first = _first(changes, watch)
        told = _parsed(PartConfig, first, CONFIG)
        config = config_of(told, environment)
        _check_files(told.files_needed)
        ready = Path(_of(environment, READY_VARIABLE))
        changes.put(first)
        listen = _listens(changes, watch, drill, told.lifeline_s)
        why = in_loop(run(config, listen, lambda port: _say_ready(ready, port)))
        watch.close()
    except (MusterError, OSError) as error:
        print(f"muster.load: {redacted(str(error))}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    except Exception as error:
        # Only this process knows the secrets: what it prints stands in the drill's report.
        print(f"muster.load: {redacted(f'{type(error).__name__}: {error}')}", file=sys.stderr)
        return 1
    if why:
        print(f"muster.load: part {config.shard + 1}: {why}", file=sys.stderr)
        return FAILED
    return 0


def config_of(told: PartConfig, environment: Mapping[str, str]) -> ShardConfig:
    """The configuration of this pod's shard, its secrets filled in. Raises BadInput."""
    index = _of(environment, INDEX_VARIABLE)
    if not index.isdigit() or int(index) >= told.parts:
        wanted = f"a whole number below {told.parts}"
        raise BadInput("environment", INDEX_VARIABLE, index, wanted)
    data = {
        **told.shard,
        "shard": int(index),
        "shards": told.parts,
        "metrics": (_of(environment, ADDRESS_VARIABLE), told.metrics_ports[int(index)]),
        "record": STDOUT,
        "wait_start": True,
        "parent_pid": None,
    }
    return refilled(ShardConfig, data, "the part's configuration", "", environment=environment)


def _say_ready(file: Path, port: int) -> None:
    """To the kubelet, whose startup probe looks for the file."""
    file.write_text(f"{port}\n", encoding="ascii")


def _of(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise BadInput("environment", name, value, "a value, as a pod of the load has it")
    return value


def _check_files(needed: int) -> None:
    limit = raise_open_files()
    if limit < needed:
        wanted = f"{needed} or more: raise the limit of the node's container runtime, or use more "
        raise BadInput("open files", "", limit, f"{wanted}parts")


def _first(changes: queue.SimpleQueue[Data | None], watch: Watch) -> Data:
    """The first orders. Raises MusterError if none come, or nobody may read them here."""
    end_s = time.monotonic() + ORDERS_S_MAX
    while time.monotonic() < end_s and watch.refused < REFUSED_MAX:
        try:
            found = changes.get(timeout=LOOK_S)
        except queue.Empty:
            continue
        if found is not None:
            return found
    raise MusterError(f"no orders came: {watch.trouble or 'there is no such ConfigMap'}")


def _parsed(model: Any, data: Data, key: str) -> Any:
    try:
        found = json.loads(str(data.get(key)))
    except ValueError as error:
        raise BadInput("the part's ConfigMap", key, "no JSON", "a JSON document") from error
    return parse(model, found, f"the part's ConfigMap: {key}")


def _listens(
    changes: queue.SimpleQueue[Data | None], watch: Watch, drill: str, lifeline_s: float
) -> Listen:
    """Carries the orders from the watch's thread into the loop, twice a second or more often, and
    says when each came, by this node's clock.
    """

    async def listen(control: Control) -> None:
        obedience = Obedience(control, drill, lifeline_s)
        while not control.ended.is_set():
            while not changes.empty():
                found = changes.get_nowait()
                if found is None:
                    control.fail("its orders were deleted: the drill is over")
                    return
                try:
                    orders = _parsed(Orders, found, ORDERS)
                    if obedience.is_new(orders) and control.recorder is not None:
                        control.recorder.note(HEARD, time.time(), sent=orders.sent_at)
                    obedience.take(orders)
                except BadInput as error:
                    # Orders of a kind that this version does not know are no orders.
                    print(f"muster.load: {error}", file=sys.stderr, flush=True)
            obedience.look(watch.trouble)
            await asyncio.sleep(LOOK_S if obedience.begun else HEED_S)

    return listen
