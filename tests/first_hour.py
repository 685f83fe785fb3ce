"""The first hour on a platform that Muster did not write: `make drill TARGET=foreign`.

It takes the steps of docs/your_platform.md on the foreign testbed, each by Muster's own commands:
the platform is up, `init` writes its target from what its Prometheus shows, eight lines are edited,
`doctor` says that a drill would start, a share of the traffic is shifted, and a region is stopped.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from drill_runner import ROOT, Drill
from floor_fixtures import await_true

from muster import targets

EDITS = 8
"""Lines that a person edits in the written target; fewer than ten are promised."""
GATE = "M1"
"""Tier L: what so few streams and canaries can be judged by in minutes."""
UP_S_MAX, LOOK_S_MAX, DRILL_S_MAX, END_S_MAX = 600.0, 120.0, 900.0, 180.0
PROFILE, TIME_SCALE = "chat_60", "6"
Arguments = Mapping[str, Mapping[str, Any]]


class FirstHour:
    """The foreign testbed, and one directory for each step on it."""

    def __init__(self, work: Path, profile: str = PROFILE) -> None:
        """`profile`: for drills with the testbed's own target; a written one has `own`."""
        self.work = work
        self._profile = profile
        self.target = work / "shop.yaml"
        self._environment = {
            "MUSTER_STATE_DIR": str(work / "state"),
            "MUSTER_TARGET": "foreign",
            "MUSTER_PROFILE": profile,
            "MUSTER_SCALE": "1",
            "MUSTER_TIME_SCALE": TIME_SCALE,
        }

    def step(self, name: str, **variables: str) -> Drill:
        """Commands and drills with evidence of their own on the one testbed."""
        one = Drill(self.work / name, variables={**self._environment, **variables})
        one.work.mkdir(exist_ok=True)
        return one

    def up(self) -> None:
        """Start the testbed; its tokens and the place of its API reach later steps by the
        environment, as a user's own do.
        """
        asked = ("--target", "foreign", "--profile", self._profile, "--scale", "1")
        said = self.step("up").command("up", *asked, seconds_max=UP_S_MAX)
        assert said.returncode == 0, said.stdout + said.stderr
        self._environment |= {
            "MUSTER_LOAD_TOKEN": self.places["load_token"],
            "MUSTER_CANARY_TOKEN": self.places["canary_token"],
            "CONTROL_TOKEN": self.places["control_token"],
            "AWS_ENDPOINT_URL_ROUTE_53": self.places["route53_url"],
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }

    def down(self) -> None:
        """Nothing of the testbed is left."""
        self.step("up").command("down", "--target", "foreign")

    @property
    def places(self) -> dict[str, Any]:
        """Addresses and tokens of the running testbed."""
        state = json.loads((self.work / "state/testbed-foreign/state.json").read_text())
        found: dict[str, Any] = state["endpoints"]
        return found

    def write_target(self) -> None:
        """`init`, and what only a person can know."""
        own = targets.resolve(targets.load("foreign"), testbed=self.places)
        asked = ["--prometheus", str(own.prometheus.url), "--public-url", own.public_url]
        asked += ["--model", own.load.model, "--region-header", str(own.load.region_header)]
        for region in own.regions:
            asked += ["--region", region, "--ready", f"{region}={own.regions[region].ready_url}"]
        asked += ["--streams", str(own.profiles[PROFILE]["streams"]), "--output", str(self.target)]
        said = self.step("init").command("init", "shop", *asked, seconds_max=LOOK_S_MAX)
        assert said.returncode == 0, said.stdout + said.stderr
        self.target.write_text("\n".join(edited(self.target.read_text().splitlines(), own)))
        self._environment |= {"MUSTER_TARGET": str(self.target), "MUSTER_PROFILE": "own"}

    def doctor(self, file: Path) -> tuple[int, str]:
        """Whether the drill in `file` would start: exit code and report."""
        told = [f"profile={self._environment['MUSTER_PROFILE']}", "scale:float=1"]
        told += [f"time_scale:float={TIME_SCALE}"]
        variables = [part for one in told for part in ("--var", one)]
        target = self._environment["MUSTER_TARGET"]
        asked = ("doctor", target, "--drill", str(file), *variables)
        said = self.step("doctor").command(*asked, seconds_max=LOOK_S_MAX)
        return said.returncode, said.stdout + said.stderr

    def experiment(self, path: str, changed: Arguments | None = None) -> Path:
        """The JSON at `path` of the clone, judged by the gate of so small a load.

        `changed`: other arguments of steps, by function and argument.
        """
        document = json.loads((ROOT / path).read_text())
        document["controls"][0]["provider"]["arguments"]["gate"] = GATE
        for func, arguments in (changed or {}).items():
            (step,) = [one for one in document["method"] if one["provider"]["func"] == func]
            step["provider"]["arguments"].update(arguments)
        file = self.work / Path(path).name
        file.write_text(json.dumps(document))
        return file

    def run(self, path: str, changed: Arguments | None = None, **variables: str) -> Drill:
        """A whole drill, to its end; its exit code is 0 for PASS alone."""
        file = self.experiment(path, changed)
        one = self.step(file.stem, **variables)
        one.start(file)
        code = one.wait(DRILL_S_MAX)
        # If the watchdog took over, it completes the evidence after the drill's process has ended.
        await_true(lambda: not list((self.work / "state/drills").glob("*")), "the end", END_S_MAX)
        assert (code == 0) == (one.verdict["verdict"] == "PASS"), one.output
        return one


def edited(lines: list[str], own: targets.Target) -> list[str]:
    """`lines` of a written target as a person edits them for `own`, the testbed that runs."""
    region, found = "", []
    for line in lines:
        region = line.strip(" :") if line.strip(" :") in own.regions else region
        key = line.strip().partition(":")[0]
        if line.startswith("provider:"):
            line = "provider: stub"
        elif key == "file_sd":
            line = f"  file_sd: {own.load.file_sd}"
        elif key == "power":
            power = {**own.regions[region].power.model_dump(), "token": "${env.CONTROL_TOKEN}"}
            flow = yaml.safe_dump(power, default_flow_style=True, width=999).strip()
            line = f"    power: {flow}"
        elif key == "drain":
            url = own.regions[region].drain.url  # type: ignore[union-attr]
            line = f"    drain: {{url: '{url}', token: '${{env.CONTROL_TOKEN}}'}}"
        elif key == "canaries_per_s":
            line = f"    canaries_per_s: {own.profiles[PROFILE]['canaries_per_s']}"
        found.append(line)
        if key == "metrics_host":
            found.append(f"  dns_server: {own.load.dns_server}")
    return found


def main() -> int:
    """Exit 0 when the doctor finds nothing in the way and both drills pass."""
    work = Path(tempfile.mkdtemp(prefix="muster-first-hour-"))
    hour = FirstHour(work)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {line}", flush=True)

    try:
        say("starting two regions of LiteLLM behind Envoy")
        hour.up()
        hour.write_target()
        say(f"`init` wrote {hour.target}; {EDITS} lines were edited")
        code, report = hour.doctor(hour.experiment("drills/region_failover.json"))
        say(f"`doctor` exits {code}")
        if code != 0:
            print(report)
            return code
        for path, time_scale in (("drills/hello.json", "1"), ("drills/region_failover.json", "6")):
            one = hour.run(path, MUSTER_TIME_SCALE=time_scale)
            verdict = one.verdict
            say(f"{path}: {verdict['verdict']} {verdict['stopped_by'] or ''}".rstrip())
            say(f"its report: {one.bundle / 'report.html'}")
            if verdict["verdict"] != "PASS":
                return 1
    finally:
        hour.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
