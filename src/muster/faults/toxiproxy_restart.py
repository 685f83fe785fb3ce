"""The last step when a Toxiproxy hangs: its server restarted, and what it had forgotten made anew.

A server that comes back has forgotten every proxy, not only the one that a fault worked on; so the
undo log remembers all of them.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from muster.faults.model import FaultError
from muster.faults.toxiproxy import ProxyHandle
from muster.platform.by_hand import curl, line
from muster.platform.deployments import Deployments
from muster.platform.http_hook import call
from muster.platform.port import PortError
from muster.targets.model import ToxiproxyAccess
from muster.targets.restart import CommandRestart, KubernetesRestart, NoRestart, ProcessRestart

logger = logging.getLogger("chaostoolkit")
LOOK_S = 0.1


def bring_back(
    proxy: ProxyHandle,
    access: ToxiproxyAccess,
    server: Sequence[Mapping[str, Any]],
    step: Callable[[], object],
) -> str:
    """Do `step`; where it fails, restart the server, make what it lacks, and do `step` again.

    `server` is every proxy of the server as it was before the fault. Returns `changed` or
    `restarted`. Raises FaultError when the target names no way to restart it, or that fails too.
    """
    try:
        step()
        return "changed"
    except FaultError as error:
        hung = error
    if isinstance(access.restart, NoRestart):
        raise FaultError(f"{hung}; the target names no way to restart that Toxiproxy")
    logger.warning("restore: %s; restarting that Toxiproxy", hung)
    try:
        restart(access)
        _await_answer(proxy, access.restart.timeout_s)
        _make_missing(proxy, server)
        step()
    except PortError as error:
        raise FaultError(f"{hung}; restarted: {error}") from error
    return "restarted"


def restart(access: ToxiproxyAccess) -> None:
    """Restart the server the way that the target names. Raises FaultError."""
    way = access.restart
    if isinstance(way, ProcessRestart):
        call("POST", way.url, way.token, way.timeout_s)
    elif isinstance(way, CommandRestart):
        _run(way)
    elif isinstance(way, KubernetesRestart):
        _deployment(way).restart(way.timeout_s)


def by_hand(
    proxy: ProxyHandle, access: ToxiproxyAccess, server: Sequence[Mapping[str, Any]]
) -> str | None:
    """A line that makes the proxy anew, clean, and restarts a server that does not answer.

    None without the proxies as they were before the fault.
    """
    if not server:
        return None
    delete = curl("DELETE", f"{proxy.url}/proxies/{proxy.name}")
    proxies = [dict(one) for one in server]
    make = curl("POST", f"{proxy.url}/populate", proxies)
    remake = curl("POST", f"{proxy.url}/populate", proxies, retry=20)
    way = access.restart
    if isinstance(way, CommandRestart):
        again = f"{{ {line(*way.argv)} && {remake}; }}"
    elif isinstance(way, KubernetesRestart):
        kubectl = ["kubectl", "-n", way.namespace]
        kubectl += ["--context", way.context] if way.context else []
        named = f"deployment/{way.deployment}"
        restarted = line(*kubectl, "rollout", "restart", named)
        awaited = line(*kubectl, "rollout", "status", named, f"--timeout={way.timeout_s:.0f}s")
        again = f"{{ {restarted} && {awaited} && {remake}; }}"
    else:
        again = "{ echo 'restart that Toxiproxy, then run this line again' >&2; false; }"
    return f"{delete}; {make} || {again}"


def _await_answer(proxy: ProxyHandle, seconds_max: float) -> None:
    end = time.monotonic() + seconds_max
    while True:
        try:
            proxy.server()
            return
        except FaultError as error:
            if time.monotonic() > end:
                raise FaultError(f"no answer after its restart: {error}") from error
        time.sleep(LOOK_S)


def _make_missing(proxy: ProxyHandle, server: Sequence[Mapping[str, Any]]) -> None:
    there = {one["name"] for one in proxy.server()}
    for one in server:
        if one["name"] not in there:
            proxy.create(one)


def _run(way: CommandRestart) -> None:
    """The target's own command, without a shell; it and its children end in time."""
    # A file, no pipe: a server that the command leaves running would hold a pipe open for ever.
    with tempfile.TemporaryFile() as said:
        try:
            child = subprocess.Popen(
                way.argv,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise FaultError(f"restart: {way.argv[0]}: {error.strerror or error}") from error
        try:
            code = child.wait(way.timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise FaultError(f"restart: {way.argv[0]}: not done in {way.timeout_s:g} s") from None
        if code:
            said.seek(0)
            shown = " ".join(said.read(4096).decode("utf-8", "replace").split())
            raise FaultError(f"restart: {way.argv[0]}: exit {code}: {shown[:200]}")


def _deployment(way: KubernetesRestart) -> Deployments:
    return Deployments(way.namespace, (way.deployment,), way.context)
