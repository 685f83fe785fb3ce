"""Kill a drill anywhere, then look at the real systems: is everything as it was before?

`python tests/torture.py --kills 100 --seed 1` (`make torture`). Each kill draws, from the seed, a
drill, a victim (the drill's process, its watchdog, or both), a signal and a moment. Two lanes run
side by side, each on a testbed of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drill_runner import ROOT, TARGET, Drill

from muster import targets
from muster.faults.drain import Drain
from muster.faults.proxies import proxy_of
from muster.faults.redis_outage import RedisOutage
from muster.faults.region_power import RegionPower
from muster.judge.guarded import duty_over
from muster.ledger import read_ledger
from muster.platform import platform_of
from muster.platform.steering.route53 import Route53
from muster.targets import Target
from muster.undo import read_undo

DRILLS = {
    "region_failover": ROOT / "drills" / "region_failover.json",
    "redis_outage": ROOT / "experiments" / "redis_outage.json",
    "provider_latency": ROOT / "experiments" / "provider_latency.json",
}
VICTIMS = ("drill", "watchdog", "both")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP)
DEADLY = (signal.SIGKILL, signal.SIGSTOP)
MOMENT_S_MAX = 24.0
SETTLE_S_MAX = 300.0
EXIT_S_MAX = 10.0
"""An interpreter on its way out is no stray yet."""
SCALE = "0.25"


@dataclass(frozen=True)
class Kill:
    """One kill: what, whom, how, and how many seconds after the start of `chaos run`."""

    number: int
    drill: str
    victim: str
    signal: signal.Signals
    moment_s: float
    own_testbed: bool

    def __str__(self) -> str:
        testbed = "its own testbed" if self.own_testbed else "a testbed that was up"
        return (
            f"#{self.number} {self.drill} on {testbed}: {self.signal.name} to {self.victim} "
            f"after {self.moment_s:.1f} s"
        )


def draw(seed: int, count: int) -> list[Kill]:
    """The kills of a seed: every victim with every signal in turn, the rest by chance."""
    chance = random.Random(seed)
    pairs = [(victim, number) for victim in VICTIMS for number in SIGNALS]
    chance.shuffle(pairs)
    kills = []
    for number in range(count):
        victim, what = pairs[number % len(pairs)]
        drill = chance.choices(list(DRILLS), weights=(3, 1, 1))[0]
        moment_s = chance.uniform(0.5, MOMENT_S_MAX)
        kills.append(Kill(number, drill, victim, what, moment_s, chance.random() < 0.2))
    return kills


def short_drill(name: str, folder: Path) -> Path:
    """The drill with its holds cut short: what is killed here need not be judged fairly."""
    data = json.loads(DRILLS[name].read_text())
    for activity in data["method"]:
        given = activity["provider"].get("arguments", {})
        for key, value in (("minutes", 1.5), ("seconds", 3)):
            if key in given:
                given[key] = value
        if "shares_pct" in given:
            given["shares_pct"] = given["shares_pct"][-1:]
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data))
    return path


class Lane:
    """A state directory with a testbed of its own, and the kills done on it one after another."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.up = False

    def run(self, kills: Sequence[Kill]) -> list[str]:
        """What went wrong, a line each."""
        wrong: list[str] = []
        try:
            for kill in kills:
                began = time.monotonic()
                found = self.one(kill)
                took_s = time.monotonic() - began
                print(f"{'WRONG' if found else 'ok':5} {kill} ({took_s:.0f} s)", flush=True)
                wrong += [f"{kill}: {line}" for line in found]
        finally:
            self._command("down")
        return wrong

    def one(self, kill: Kill) -> list[str]:
        """Start the drill, kill, let whoever is left clean up, and look."""
        drill = Drill(self.work / f"kill-{kill.number}", variables=self._variables())
        if kill.own_testbed == self.up:
            self._command("down" if self.up else "up")
            self.up = not self.up
        drill.start(short_drill(kill.drill, self._folder(drill.work)))
        assert drill.process is not None
        with suppress(Exception):
            drill.process.wait(kill.moment_s)
        over = drill.process.poll() is not None
        hit = [] if over else self._strike(kill, drill)
        wrong = self._settle(kill, drill, hit)
        wrong += self._look(kill, drill, hit)
        if not wrong:
            shutil.rmtree(drill.work)
        return wrong

    def _strike(self, kill: Kill, drill: Drill) -> list[str]:
        """Who was there to be hit."""
        assert drill.process is not None
        pids = {"drill": drill.process.pid, "watchdog": watchdog_of(drill.process.pid)}
        hit = []
        for role in ("drill", "watchdog"):
            pid = pids[role]
            if kill.victim in (role, "both") and pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, kill.signal)
                    hit.append(role)
        if kill.signal == signal.SIGSTOP and pids["watchdog"] is None:
            # Stopped before it had a watchdog, and so before anything: ended by hand.
            drill.process.kill()
        return hit

    def _settle(self, kill: Kill, drill: Drill, hit: Sequence[str]) -> list[str]:
        """Until nobody is at work any more; `recover` where both were hit by what they can't."""
        assert drill.process is not None
        both_gone = kill.signal in DEADLY and kill.victim == "both" and "drill" in hit
        if not both_gone:
            end = time.monotonic() + SETTLE_S_MAX
            while drill.process.poll() is None or runs_in(self.work):
                if time.monotonic() > end:
                    drill.process.kill()
                    return [f"not over after {SETTLE_S_MAX:g} s: {drill.output[-2000:]}"]
                time.sleep(0.1)
        else:
            result = self._recover_until_it_may(drill)
            with suppress(Exception):
                drill.process.wait(10)
            if result.returncode != 0:
                return [f"recover: {result.returncode} {result.stdout} {result.stderr}"]
        return []

    def _recover_until_it_may(self, drill: Drill) -> Any:
        """`recover` refuses for as long as a process may still be awake."""
        end = time.monotonic() + 60.0
        while True:
            result = drill.command("recover", "--target", str(TARGET))
            if "is held by" not in result.stderr or time.monotonic() > end:
                return result
            time.sleep(0.5)

    def _look(self, kill: Kill, drill: Drill, hit: Sequence[str]) -> list[str]:
        wrong: list[str] = []
        for bundle in drill.bundles:
            if read_undo(bundle / "undo.jsonl").pending:
                wrong.append("the undo log has pending entries")
            if not read_ledger(bundle / "ledger.jsonl").events:
                wrong.append("the ledger cannot be read")
            wrong += self._verdict(kill, drill, bundle, hit)
        if self.up:
            wrong += changed(self._target())
        strays = self._strays()
        if strays:
            wrong.append(f"stray processes: {[command_of(pid) for pid in strays]}")
        for pid in strays:  # they are this lane's, and must not spoil its next kill
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return wrong

    def _verdict(self, kill: Kill, drill: Drill, bundle: Path, hit: Sequence[str]) -> list[str]:
        """PASS only where neither end was hurt."""
        assert drill.process is not None
        path = bundle / "verdict.json"
        if not path.exists():
            # Killed before its first phase it has changed nothing, and there is nothing to judge.
            begun = read_ledger(bundle / "ledger.jsonl").of("phase_started")
            return ["no verdict.json"] if begun else []
        verdict = json.loads(path.read_text())["verdict"]
        released = duty_over(read_ledger(bundle / "ledger.jsonl").events)
        if released and "drill" in hit and kill.signal in DEADLY and verdict != "ROLLBACK_FAILED":
            # Nothing was left to guard: the evidence is judged as it stands, whoever is killed.
            return []
        harmless = not hit or (hit == ["watchdog"] and kill.signal not in DEADLY)
        if verdict == "PASS" and not harmless and drill.process.returncode != 0:
            return [f"PASS although {', '.join(hit)} was hit by {kill.signal.name}"]
        if verdict == "ROLLBACK_FAILED":
            return ["ROLLBACK_FAILED"]
        if (drill.process.returncode == 0) != (verdict == "PASS"):
            return [f"exit code {drill.process.returncode} with {verdict}"]
        return []

    def _variables(self) -> dict[str, str]:
        return {
            "MUSTER_STATE_DIR": str(self.work / "state"),
            "MUSTER_SCALE": SCALE,
            "MUSTER_TORTURE": str(self.work),
        }

    def _folder(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _command(self, verb: str) -> None:
        drill = Drill(self._folder(self.work / "hand"), variables=self._variables())
        extra = ("--profile", "test_short", "--scale", SCALE) if verb == "up" else ()
        result = drill.command(verb, "--target", str(TARGET), *extra)
        if result.returncode != 0:
            raise RuntimeError(f"chaos drill {verb}: {result.stdout} {result.stderr}")

    def _state(self) -> dict[str, Any] | None:
        path = self.work / "state" / "testbed-test" / "state.json"
        try:
            data: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        return data

    def _target(self) -> Target:
        state = self._state()
        assert state is not None, "the testbed that was up is gone"
        return targets.resolve(targets.load(str(TARGET)), testbed=state["endpoints"])

    def _strays(self) -> list[int]:
        """Processes that are still there, but for the testbed's, a while after all was over."""
        end = time.monotonic() + EXIT_S_MAX
        while True:
            expected = self._testbed_pids()
            found = [pid for pid in marked(self.work) if pid not in expected]
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.1)

    def _testbed_pids(self) -> set[int]:
        state = self._state() if self.up else None
        if state is None:
            return set()
        return {state["pid"], *(p["pid"] for p in state["processes"] if p["pid"])}


def changed(target: Target) -> list[str]:
    """What of the target is not as a drill finds it, read from the real systems."""
    wrong = []
    weights = Route53(target.steering).weights()
    if len(set(weights.values())) != 1 or 0 in weights.values():
        wrong.append(f"weights {weights}")
    for region, spec in target.regions.items():
        if not RegionPower(platform_of(target), region).ready():
            wrong.append(f"{region} is not ready")
        if Drain(platform_of(target), region).shown() != "serving":
            wrong.append(f"{region} drains")
        if not RedisOutage(platform_of(target), region).redis_answers():
            wrong.append(f"Redis of {region} is away")
        for role in spec.toxiproxy.proxies if spec.toxiproxy else ():
            state = proxy_of(target, region, role).state()
            if state.get("toxics") or not state.get("enabled"):
                wrong.append(f"{region} {role}: {state}")
    return wrong


def watchdog_of(pid: int) -> int | None:
    """The watchdog among the children of `pid`."""
    for child in children_of(pid):
        if "muster.drill.watchdog" in command_of(child):
            return child
    return None


def children_of(pid: int) -> list[int]:
    """Child processes of every thread of `pid`."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def command_of(pid: int) -> str:
    """Its command line."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def marked(work: Path) -> list[int]:
    """Processes that were started, however indirectly, for the lane at `work`."""
    mark = f"MUSTER_TORTURE={work}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def runs_in(work: Path) -> bool:
    """Whether a drill of the lane has not been cleaned up after."""
    return any((work / "state" / "drills").glob("*/target"))


def torture(kills: Sequence[Kill], work: Path, lanes: int) -> list[str]:
    """Do the kills on so many lanes; what went wrong, a line each."""
    with ThreadPoolExecutor(lanes) as pool:
        futures = [
            pool.submit(Lane(work / f"lane-{lane}").run, kills[lane::lanes])
            for lane in range(lanes)
        ]
        return [line for future in futures for line in future.result()]


def main() -> int:
    """Exit 0 when every kill was survived."""
    parser = argparse.ArgumentParser(description="Kill drills anywhere; see that all comes back.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--only", type=int, default=None, metavar="N", help="kill number N alone")
    chosen = parser.parse_args()
    kills = draw(chosen.seed, chosen.kills)
    if chosen.only is not None:
        kills = [replace(kills[chosen.only])]
    work = Path(tempfile.mkdtemp(prefix="muster-torture-"))
    wrong = torture(kills, work, min(chosen.lanes, len(kills)))
    for line in wrong:
        print(f"WRONG {line}", file=sys.stderr)
    print(f"{len(kills) - len({line.split(':')[0] for line in wrong})} of {len(kills)} survived")
    if wrong:
        print(f"evidence is in {work}", file=sys.stderr)
        return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
