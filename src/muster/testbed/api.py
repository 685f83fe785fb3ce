"""`up`, `down` and `status`: starts, ends and inspects a testbed for a drill or a person."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from muster.errors import BadInput, MusterError
from muster.machine import Machine, measured
from muster.testbed.rig.state import State, directory_of, is_locked, lock_directory, read_state

if TYPE_CHECKING:
    from muster.targets.model import Target
    from muster.targets.testbed import TestbedSpec
    from muster.testbed.design.capacity import Capacity
    from muster.testbed.design.shape import LoadProfile

DOWN_S_MAX = 30.0
SUPERVISORS = {
    "muster": "muster.testbed.rig.supervisor",
    "foreign": "muster.testbed.foreign.supervisor",
}
"""The module that runs a testbed of processes, by the software of its regions."""
PODS = "muster.testbed.kubernetes.regions.supervisor"
"""The one that runs a testbed whose regions' parts are pods."""
_POLL_S = 0.05


class TestbedError(MusterError):
    """The testbed did not come up or did not go down."""

    __test__ = False


def up(
    target: Target,
    profile: LoadProfile,
    *,
    scale: float,
    seed: int,
    defect: str | None = None,
    owner: str = "up",
    progress: Callable[[str], None] = lambda line: None,
) -> State:
    """Start the testbed of `target` for `profile` at `scale` and return once it is ready.

    `owner` says who ends it ("up": whoever runs `down`; else a drill's id). If this does not
    return, for example because of an interrupt, nothing is left running. Raises BadInput for wrong
    settings, a missing program, a port that is in use or a testbed that is already up; TestbedError
    if a part does not come up.
    """
    # The supervisor's own modules are imported here, so that `status` stays fast.
    from muster.testbed.design import config as settings

    machine = measured()
    fits = room(target, profile, scale=scale, machine=machine)
    config = settings.build(
        target, profile, scale=scale, seed=seed, defect=defect, owner=owner, machine=machine
    )
    directory = Path(config.directory)
    if is_locked(directory):
        raise already_up(target.name, read_state(directory))
    progress(f"{fits.line()}; {config.shape_line()}")
    supervisor = subprocess.Popen(
        [sys.executable, "-m", _supervisor_of(config.spec), "--config", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return _follow(supervisor, config.model_dump_json(), directory, progress)
    except BaseException:
        _end(supervisor)
        raise
    finally:
        for stream in (supervisor.stdin, supervisor.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def room(
    target: Target, profile: LoadProfile, *, scale: float, machine: Machine | None = None
) -> Capacity:
    """The capacity of this machine, limit by limit, while nothing of that testbed runs yet.

    Raises BadInput, with the largest scale that fits, if the load at `scale` is more; and if the
    machine cannot run the testbed's parts as what they are to be.
    """
    from muster.testbed.design import capacity
    from muster.testbed.design import config as settings

    settings.check_scale(scale)
    machine = machine or measured()
    spec = settings.spec_of(target)
    if spec.run_as == "pods":
        from muster.testbed.kubernetes.regions.here import lacking

        if why := lacking():
            raise BadInput(f"target {target.name}", "testbed.run_as", "pods", why)
    limits = settings.limits_of(spec, machine)
    return capacity.check(profile, scale, machine, limits)


def down(target_name: str) -> bool:
    """End that target's testbed; False if none was up. Raises TestbedError if it stays.

    Returns when its processes, ports and files are gone.
    """
    directory = directory_of(target_name)
    if not is_locked(directory):
        _sweep(directory)
        return False
    state = _state_within(directory, DOWN_S_MAX)
    if state is not None:
        with suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGTERM)
        if not _until(lambda: not is_locked(directory), DOWN_S_MAX):
            with suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGKILL)
    if not _until(lambda: not is_locked(directory), DOWN_S_MAX):
        raise TestbedError(f"testbed {target_name}: still there after {2 * DOWN_S_MAX:g} s")
    _reap(state)
    _sweep(directory)
    return True


def status(target_name: str) -> State | None:
    """The testbed of that target that is up (or coming up) now; None if there is none."""
    return read_state(directory_of(target_name))


def already_up(name: str, state: State | None) -> BadInput:
    """The one line that says so."""
    which = f"already up (pid {state.pid}, {state.profile} at {state.scale:g})" if state else "up"
    return BadInput(f"testbed {name}", "", which, "none: end it with `chaos drill down`")


def _supervisor_of(spec: TestbedSpec) -> str:
    """The module that runs a testbed built like that."""
    return PODS if spec.run_as == "pods" else SUPERVISORS[spec.platform]


def _follow(
    supervisor: subprocess.Popen[bytes],
    config: str,
    directory: Path,
    progress: Callable[[str], None],
) -> State:
    """Hand over the configuration and read the supervisor's lines until it is ready."""
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    with suppress(BrokenPipeError):
        supervisor.stdin.write(config.encode())
        supervisor.stdin.close()
    said: list[str] = []
    for raw in supervisor.stdout:
        text = raw.decode("utf-8", "replace").strip()
        try:
            line = json.loads(text)
        except ValueError:
            said.append(text)
            continue
        if "progress" in line:
            progress(line["progress"])
        elif "bad_input" in line:
            raise BadInput(*line["bad_input"])
        elif "error" in line:
            raise TestbedError(line["error"])
        elif line.get("ready"):
            state = read_state(directory)
            if state is None:
                break
            # From here on this process no longer owns it: `down` ends it, and not this Popen.
            supervisor.returncode = 0
            return state
    detail = said[-1] if said else f"see {directory / 'logs'}"
    raise TestbedError(f"testbed: its supervisor ended before it was ready: {detail}")


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    """SIGTERM and wait; SIGKILL if it stays (its parts die with it)."""
    with suppress(ProcessLookupError):
        supervisor.terminate()
    try:
        supervisor.wait(DOWN_S_MAX)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()


def _reap(state: State | None) -> None:
    """Collect the exit code of a supervisor that is a child of this process, or it stays a
    zombie.
    """
    if state is not None:
        with suppress(ChildProcessError):
            os.waitpid(state.pid, 0)


def _state_within(directory: Path, seconds: float) -> State | None:
    """The state of a testbed that may not have written one yet."""
    found: list[State] = []

    def look() -> bool:
        state = read_state(directory)
        if state is not None:
            found.append(state)
        return state is not None or not is_locked(directory)

    _until(look, seconds)
    return found[0] if found else None


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_S)
    return True


def _sweep(directory: Path) -> None:
    """Remove what a killed supervisor left; logs stay. No process may be using it."""
    if not directory.is_dir():
        return
    lock = lock_directory(directory)
    if lock is None:
        return
    for entry in directory.iterdir():
        if entry.name == "logs":
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    with suppress(OSError):
        directory.rmdir()
    os.close(lock)
