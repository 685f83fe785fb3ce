"""How far a drill may reach: refused before anything is locked or started, and at the effect."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from drill_runner import FAILOVER, drill, drill_files
from floor_fixtures import OTHER, REGION
from shared_targets import shared_document, write_target
from strict_aws import strict_aws, weighted

from muster import targets
from muster.drill.plan.describe import describe
from muster.drill.plan.outline import steps_of
from muster.drill.plan.permit import permit
from muster.drill.plan.plan import make_plan
from muster.drill.plan.reach import outside
from muster.drill.session import Session
from muster.drill.sight import observe
from muster.drill.stop import StopFlag
from muster.errors import BadInput, DrillAborted
from muster.faults.model import RegionalFault
from muster.platform import platform_of
from muster.platform.port import Touch

METHODS = {path.stem: json.loads(path.read_text())["method"] for path in drill_files()}

OF_A_STUB = {
    "provider_429",
    "provider_503",
    "provider_cut",
    "provider_first_token",
    "provider_reset",
    "provider_silent",
    "provider_stream_error",
    "provider_trickle",
}
SENTINEL = {"url": "redis://127.0.0.1:9", "master": "chat", "promoted_s_max": 10}


OF_DNS = {"dns_slow", "dns_empty", "dns_stale"}


NODE = "node-1"


def document(url="http://127.0.0.1:9", **blast_radius):
    """A staging target with Kubernetes, proxies and drain hooks, all of it allowed."""
    data = shared_document(url)
    proxies = {"redis": "redis", "provider_primary": "primary", "provider_fallback": "fallback"}
    for region in (REGION, OTHER):
        data["regions"][region] |= {
            "power": {
                "kind": "kubernetes",
                "context": "staging",
                "namespace": "chat",
                "workloads": ["deployment/gateway"],
            },
            "cluster": {
                "kind": "kubernetes",
                "context": "staging",
                "namespace": "chat",
                "workloads": ["deployment/gateway"],
                "node": NODE,
            },
            "toxiproxy": {"url": "http://127.0.0.1:9", "proxies": proxies},
            "drain": {"url": "http://127.0.0.1:9/drain"},
            "redis_url": "redis://127.0.0.1:9",
            "partition": {
                "kind": "process",
                "url": "http://127.0.0.1:9",
                "token": "${env.PATH}",
            },
            "redis_process": {
                "kind": "process",
                "url": "http://127.0.0.1:9",
                "token": "${env.PATH}",
            },
        }
    for kind in ("region_loss", "region_partition", "region_grey"):
        data[kind] = {"rto_s_max": 60, "streams_broken_share_max": 0.6}
    allowed = [f"{REGION}/{name}" for name in proxies.values()]
    data["blast_radius"] |= {"proxies": allowed, "redis": [REGION]}
    data["blast_radius"] |= {"namespaces": ["chat"], "nodes": [NODE], **blast_radius}
    return data


def plan_of(tmp_path, data, name="region_failover", **configuration):
    target = write_target(tmp_path / "t.yaml", data)
    return make_plan(
        {"target": target, "scale": 0.01, **configuration},
        drill=name,
        title=name,
        kind="failover",
        gate="M3",
        method=METHODS[name],
    )


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_drill_that_comes_along_is_known_step_by_step(tmp_path, name):
    """And is allowed where the target names what it touches."""
    data = document()
    if name in OF_A_STUB:
        data["provider_stub"] = {"url": "http://127.0.0.1:9", "token": "${env.PATH}"}
    if name in OF_DNS:
        told_to_fail(data)
    if name == "redis_promoted":
        data["regions"][REGION]["redis_sentinel"] = SENTINEL
    if name == "compound_steering_unavailable":
        data["steering_stub"] = {"url": "http://127.0.0.1:9", "token": "${env.PATH}"}
    if name.startswith("compound_"):
        data["blast_radius"]["proxies"] += [f"{OTHER}/primary", f"{OTHER}/redis"]
    steps = permit(plan_of(tmp_path, data, name))
    assert len(steps) == len(METHODS[name])


def told_to_fail(data):
    """A name server that can be told, and limits for what nobody passes under a tier."""
    data["dns_stub"] = {"url": "http://127.0.0.1:9", "token": "${env.PATH}"}
    data["load"]["dns_server"] = "127.0.0.1:9"
    data |= {"dns_outage": {"rto_s_max": 5}, "dns_stale": {"rto_s_max": 15}}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *((name, "dns_stub") for name in sorted(OF_DNS)),
        ("dns_empty", "dns_outage"),
        ("dns_stale", "dns_stale"),
        ("region_loss", "region_loss"),
        ("region_partition", "region_partition"),
        ("region_grey", "region_grey"),
    ],
)
def test_what_a_fault_needs_of_the_target_is_named_before_any_lock(tmp_path, name, key):
    """A stub that can be told, or the limit by which it is judged; one line."""
    data = document()
    told_to_fail(data)
    del data[key]
    with pytest.raises(BadInput, match=rf"{key}: got None, expected") as caught:
        permit(plan_of(tmp_path, data, name))
    assert "\n" not in str(caught.value)


def test_a_partition_needs_a_way_to_cut(tmp_path):
    """Named by its key; a command is named by its first word in the blast radius."""
    data = document(commands=["/bin/true"])
    del data["regions"][REGION]["partition"]
    with pytest.raises(BadInput, match=rf"{REGION}\.partition\.kind: got 'none', expected proc"):
        permit(plan_of(tmp_path, data, "region_partition"))
    data["regions"][REGION]["partition"] = {"kind": "command", "argv": ["/bin/true"]}
    permit(plan_of(tmp_path, data, "region_partition"))
    data["blast_radius"]["commands"] = []
    with pytest.raises(DrillAborted, match=r"blast_radius\.commands does not allow /bin/true"):
        permit(plan_of(tmp_path, data, "region_partition"))


def test_a_fault_in_the_survivor_must_be_allowed_there(tmp_path):
    """What is allowed in the region that is evacuated says nothing of the one that stays."""
    with pytest.raises(DrillAborted, match=f"blast_radius.proxies does not allow {OTHER}/primary"):
        permit(plan_of(tmp_path, document(), "compound_provider_dark"))


@pytest.mark.parametrize("name", sorted(OF_A_STUB))
def test_without_a_stub_nobody_can_tell_the_provider_to_fail(tmp_path, name):
    """The missing key is one line, before anything is asked."""
    with pytest.raises(BadInput, match="provider_stub: got None, expected url and token of a test"):
        permit(plan_of(tmp_path, document(), name))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("redis_full", "redis_url"),
        ("redis_exhausted", "redis_url"),
        ("redis_hung", "redis_url"),
        ("redis_restarted", "redis_url"),
        ("redis_hung", "redis_process"),
        ("redis_restarted", "redis_process"),
        ("redis_promoted", "redis_url"),
        ("redis_promoted", "redis_process"),
        ("redis_promoted", "redis_sentinel"),
    ],
)
def test_what_a_fault_of_redis_needs_is_named(tmp_path, name, key):
    """By its key in the target."""
    data = document()
    if name == "redis_promoted":
        data["regions"][REGION]["redis_sentinel"] = SENTINEL
    del data["regions"][REGION][key]
    with pytest.raises(BadInput, match=rf"regions\.{REGION}\.{key}[.a-z]*: got"):
        permit(plan_of(tmp_path, data, name))


@pytest.mark.parametrize("name", ["redis_hung", "redis_restarted", "redis_exhausted"])
def test_what_sentinel_would_take_for_a_loss_is_refused_beside_one(tmp_path, name):
    """It would end in a promotion, which another fault is for."""
    data = document()
    data["regions"][REGION]["redis_sentinel"] = SENTINEL
    with pytest.raises(BadInput, match=r"redis_sentinel: got .?chat.?, expected .*redis_promoted"):
        permit(plan_of(tmp_path, data, name))


@pytest.mark.parametrize(
    ("name", "key", "what"),
    [
        ("region_failover", "regions", REGION),
        ("region_failover", "zones", "staging.example.com."),
        ("region_failover", "records", "chat.staging.example.com."),
        ("region_failover", "namespaces", "chat"),
        ("region_loss", "regions", REGION),
        ("region_loss", "namespaces", "chat"),
        ("redis_outage", "regions", REGION),
        ("redis_outage", "proxies", f"{REGION}/redis"),
        ("provider_latency", "proxies", f"{REGION}/primary"),
        ("pods_killed", "namespaces", "chat"),
        ("node_drained", "namespaces", "chat"),
        ("node_drained", "nodes", NODE),
        ("readiness_broken", "namespaces", "chat"),
        ("image_unpullable", "namespaces", "chat"),
        ("redis_full", "redis", REGION),
        ("redis_hung", "redis", REGION),
        ("safety_net", "records", "_muster-drill.chat.staging.example.com."),
        ("safety_net", "zones", "staging.example.com."),
    ],
)
def test_what_the_blast_radius_does_not_name_is_refused(tmp_path, name, key, what):
    """Each kind of thing by its own key, before anything is asked."""
    nothing = [OTHER] if key == "regions" else []
    with pytest.raises(DrillAborted) as caught:
        permit(plan_of(tmp_path, document(**{key: nothing}), name))
    assert caught.value.by == "preflight:blast_radius"
    assert f"blast_radius.{key} does not allow {what} (" in str(caught.value)


def by_command(tmp_path, program="/bin/true", **blast_radius):
    """The staging target with its region's power and drain, and a restart, by one command."""
    data = document(**{"commands": [program], "namespaces": []} | blast_radius)
    command = {"kind": "command", "argv": [program, "region"]}
    for region in (REGION, OTHER):
        data["regions"][region]["power"] = {**command, "kills": True}
        data["regions"][region]["drain"] = {**command, "argv": [program]}
        data["regions"][region]["toxiproxy"]["restart"] = {**command, "argv": [program]}
    return data


@pytest.mark.parametrize("name", ["region_failover", "region_loss"])
def test_a_command_is_named_by_its_first_word(tmp_path, name):
    """Allowed where blast_radius.commands holds it; refused where it does not."""
    permit(plan_of(tmp_path, by_command(tmp_path), name))
    for other in ([], ["/bin/false"], ["true"]):
        with pytest.raises(DrillAborted) as caught:
            permit(plan_of(tmp_path, by_command(tmp_path, commands=other), name))
        assert caught.value.by == "preflight:blast_radius"
        assert "blast_radius.commands does not allow /bin/true (" in str(caught.value)


@pytest.mark.parametrize("name", ["redis_outage", "provider_latency"])
@pytest.mark.parametrize(
    ("way", "key", "what"),
    [
        ({"kind": "command", "argv": ["/bin/true", "now"]}, "commands", "/bin/true"),
        (
            {"kind": "kubernetes", "namespace": "away", "deployment": "t", "context": "c"},
            "namespaces",
            "away",
        ),
    ],
)
def test_a_restart_of_a_proxys_server_is_named(tmp_path, name, way, key, what):
    """Refused before anything is locked: without it a fault that hangs could not be taken back."""
    others = ["chat"] if key == "namespaces" else []
    data = document(**{key: others})
    data["regions"][REGION]["toxiproxy"]["restart"] = way
    with pytest.raises(DrillAborted) as caught:
        permit(plan_of(tmp_path, data, name))
    assert caught.value.by == "preflight:blast_radius"
    assert f"blast_radius.{key} does not allow {what} (toxiproxy" in str(caught.value)
    data["blast_radius"][key] = [*others, what]
    assert permit(plan_of(tmp_path, data, name))


@pytest.mark.parametrize(
    ("section", "key", "name"),
    [
        ("power", "power.argv.0", "region_failover"),
        ("power", "power.argv.0", "region_loss"),
        ("drain", "drain.argv.0", "region_failover"),
        ("restart", "toxiproxy.restart.argv.0", "redis_outage"),
        ("restart", "toxiproxy.restart.argv.0", "provider_latency"),
    ],
)
def test_a_program_that_cannot_be_started_is_refused_before_any_lock(tmp_path, section, key, name):
    """One line: file, key, value, and what was expected."""
    data = by_command(tmp_path, commands=["/bin/true", "/no/such/program"])
    region = data["regions"][REGION]
    (region["toxiproxy"] if section == "restart" else region)[section]["argv"][0] = (
        "/no/such/program"
    )
    plan = plan_of(tmp_path, data, name)
    with pytest.raises(BadInput) as caught:
        permit(plan)
    assert str(caught.value) == (
        f"{plan.target_file}: regions.{REGION}.{key}: got '/no/such/program', expected a program "
        "that can be started on this machine"
    )
    assert caught.value.exit_code == 2


def test_a_plan_shows_a_program_that_cannot_be_started(tmp_path, monkeypatch):
    """As things stand it would be refused; the plan is shown all the same."""
    data = by_command(tmp_path, program="/no/such/program")
    lines = list(describe(plan_of(tmp_path, data)).lines())
    assert any("REFUSED at present" in one and "drain.argv.0" in one for one in lines)


@pytest.mark.parametrize("power", [{"kind": "none"}, {"kind": "command", "argv": ["/bin/true"]}])
def test_a_loss_needs_a_power_that_kills(tmp_path, power):
    """Told from the file alone; the same region may be evacuated."""
    data = by_command(tmp_path)
    data["regions"][REGION]["power"] = power
    with pytest.raises(BadInput, match=rf"{REGION}\.power\.kind: got .*, expected process, kuber"):
        permit(plan_of(tmp_path, data, "region_loss"))
    permit(plan_of(tmp_path, data))


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "expected at least 1 of them"),
        ([""], "at least 1 char"),
        (["./switch"], "a path from the root, or a name on PATH"),
        (["ops/switch"], "a path from the root, or a name on PATH"),
        ("switch stop", "expected a list"),
    ],
)
def test_an_argv_that_is_none_is_bad_input(tmp_path, argv, says):
    """An empty one, a text for a shell, or a path that counts from wherever one stands."""
    data = by_command(tmp_path)
    data["regions"][REGION]["power"]["argv"] = argv
    with pytest.raises(BadInput, match=rf"regions\.{REGION}\.power") as caught:
        plan_of(tmp_path, data)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_target_that_allows_no_dark_region_refuses_a_drill_that_darkens(tmp_path):
    """One that darkens none is allowed; that all be dark is refused in the file."""
    data = document(regions_dark_max=0)
    with pytest.raises(DrillAborted, match="regions_dark_max allows no dark region"):
        permit(plan_of(tmp_path, data))
    with pytest.raises(DrillAborted, match="regions_dark_max allows no dark region"):
        permit(plan_of(tmp_path, data, "region_loss"))
    permit(plan_of(tmp_path, data, "redis_outage"))
    with pytest.raises(BadInput, match=r"regions_dark_max: got 2, expected under 2"):
        plan_of(tmp_path, document(regions_dark_max=2))


def test_a_loss_needs_what_it_is_judged_by(tmp_path):
    """A target without objectives is refused before anything is locked."""
    data = document()
    del data["region_loss"]
    with pytest.raises(BadInput, match=r"region_loss: got None, expected rto_s_max and streams"):
        permit(plan_of(tmp_path, data, "region_loss"))
    permit(plan_of(tmp_path, data))


def test_production_needs_its_name_said_twice(tmp_path):
    """Nothing, or another's name, is refused."""
    data = document() | {"class": "production"}
    for said in ("", "production", "yes"):
        with pytest.raises(BadInput, match=r"confirm: got .*expected staging, since that target"):
            permit(plan_of(tmp_path, data, confirm=said))
    permit(plan_of(tmp_path, data, confirm="staging"))


def test_a_freeze_refuses_and_says_when_next(tmp_path):
    """By the calendar of the target."""
    today = datetime.now(UTC).date()
    frozen = {"from": today - timedelta(days=2), "to": today + timedelta(days=2), "why": "sale"}
    data = document() | {"calendar": {"time_zone": "UTC", "frozen": [frozen]}}
    with pytest.raises(DrillAborted) as caught:
        permit(plan_of(tmp_path, data))
    assert caught.value.by == "preflight:calendar"
    assert f"(sale); a drill may begin next: {today + timedelta(days=3):%a %Y-%m-%d} 00:00 UTC" in (
        str(caught.value)
    )
    data["calendar"]["frozen"] = [{"from": date(2020, 1, 1), "to": date(2020, 1, 2)}]
    permit(plan_of(tmp_path, data))


def test_an_action_that_is_not_known_is_refused_off_a_testbed(tmp_path):
    """What nobody bounds nobody can undo; a probe changes nothing."""
    plan = plan_of(tmp_path, document())
    foreign = [
        {"type": "probe", "name": "look", "provider": {"type": "http", "url": "http://x"}},
        {
            "type": "action",
            "name": "kill",
            "provider": {"type": "python", "module": "chaosk8s.pod.actions", "func": "delete_pods"},
        },
    ]
    METHODS["foreign"] = foreign
    try:
        with pytest.raises(BadInput, match=r"kill: method\.1\.provider: got 'chaosk8s\.pod\.ac"):
            permit(plan_of(tmp_path, document(), "foreign"))
    finally:
        del METHODS["foreign"]
    bad = [{**METHODS["region_failover"][2], "provider": {**METHODS["region_failover"][2]["provider"], "arguments": {}}}]  # fmt: skip  # noqa: E501
    METHODS["bad"] = bad
    try:
        with pytest.raises(BadInput, match=r"method\.0\.provider\.arguments: got \{\}"):
            permit(plan_of(tmp_path, document(), "bad"))
    finally:
        del METHODS["bad"]
    assert plan.method


class Elsewhere(RegionalFault):
    """A fault whose proxy no target allows."""

    kind = "elsewhere"
    subject = "proxy elsewhere"

    def touches(self):
        return (Touch("proxies", "mars/redis"),)

    def undo_params(self):
        raise AssertionError("nothing may be asked")

    restore = apply = observe = revert = read_back = command = None


def test_at_the_effect_itself_the_radius_holds_again(tmp_path):
    """Whatever a drill does, nothing is written or changed outside."""
    Elsewhere.__abstractmethods__ = frozenset()
    target = targets.load(write_target(tmp_path / "t.yaml", document()))
    session = SimpleNamespace(target=target, stop=StopFlag(), released=False)
    session.clock = SimpleNamespace(now_s=float)
    session.stop_now = lambda reason: Session.stop_now(session, reason)
    with pytest.raises(DrillAborted, match=r"blast_radius\.proxies does not allow mars/redis"):
        Session.write_undo(session, Elsewhere(platform_of(target), REGION))
    assert session.stop.reason.by == "limit:blast_radius"
    assert outside(target, Elsewhere(platform_of(target), REGION))


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        ({REGION: 100, OTHER: 100}, ""),
        ({REGION: 100, OTHER: 59}, "survivors hold 59 streams, 60 are needed"),
        ({REGION: 200, OTHER: 90}, "survivors hold 90 of 290 streams, 40% must stay"),
        ({OTHER: 90}, f"the stream limit of {REGION} is unknown"),
        ({REGION: 100}, "survivors hold 0 streams, 60 are needed"),
    ],
)
def test_capacity_that_must_stay(tmp_path, limits, line):
    """Over the drill's streams and over all that there is; what is unknown is too little."""
    radius = {"streams_headroom_min": 1.2, "capacity_share_min": 0.4}
    target = targets.load(write_target(tmp_path / "t.yaml", document(**radius)))
    session = SimpleNamespace(target=target, streams_target=50)
    assert observe.short_of_room(session, limits) == line


@pytest.mark.parametrize(
    ("ready", "most", "by"),
    [
        ({OTHER}, 1, None),
        (set(), 1, "limit:last_healthy_region"),
        ({OTHER}, 0, "limit:regions_dark"),
    ],
)
def test_never_the_last_healthy_region_nor_one_too_many(tmp_path, monkeypatch, ready, most, by):
    """Looked at right before the effect."""
    target = targets.load(write_target(tmp_path / "t.yaml", document(regions_dark_max=most)))
    monkeypatch.setattr(observe, "ready", lambda session, region: region in ready)
    said = []
    session = SimpleNamespace(target=target, fail=lambda by, detail: said.append(by))
    observe.check_last_healthy(session, REGION)
    assert said[:1] == ([by] if by else [])


def test_the_plan_says_from_what_to_what_and_how_back_and_changes_nothing(tmp_path):
    """Real weights, each step from what the one before left, the line by hand."""
    with strict_aws() as aws:
        for region, weight in ((REGION, 60), (OTHER, 140)):
            row, xml = weighted("chat.staging.example.com.", region, weight, "192.0.2.1")
            aws.records[row] = xml
        data = document(aws.url)
        for region in (REGION, OTHER):
            data["regions"][region] |= {"power": {"kind": "none"}, "drain": None}
        lines = list(describe(plan_of(tmp_path, data)).lines())
        assert aws.writes == 0
    text = "\n".join(lines)
    rows = [line.strip() for line in lines if line.strip().startswith("route53 ")]
    assert rows == [
        "route53 chat.staging.example.com.: eu-central-1 140, eu-west-1 60 -> "
        "eu-central-1 75, eu-west-1 25",
        "route53 chat.staging.example.com.: eu-central-1 75, eu-west-1 25 -> "
        "eu-central-1 90, eu-west-1 10",
        "route53 chat.staging.example.com.: eu-central-1 90, eu-west-1 10 -> "
        "eu-central-1 100, eu-west-1 0",
        "route53 chat.staging.example.com.: eu-central-1 100, eu-west-1 0 -> "
        "eu-central-1 140, eu-west-1 60",
    ]
    assert "by hand: aws route53 change-resource-record-sets" in text
    assert "REFUSED" not in text


def test_what_can_not_be_read_is_unknown_in_the_plan_and_refusals_are_in_it(tmp_path):
    """A plan is shown all the same."""
    data = document(zones=[]) | {"class": "production"}
    text = "\n".join(describe(plan_of(tmp_path, data)).lines())
    assert "chat.staging.example.com.: unknown: Route 53" in text
    assert "REFUSED at present: blast_radius.zones does not allow" in text
    assert "REFUSED at present: staging, since that target is production" in text


@pytest.mark.parametrize("dry", ["activities", "pause"])
def test_a_dry_run_starts_nothing_shows_the_plan_and_does_not_exit_0(tmp_path, dry):
    """Whatever kind of dry run: also `pause`, with which Chaos Toolkit runs every activity."""
    with drill(tmp_path) as one:
        one.start(FAILOVER, f"--dry={dry}")
        assert one.wait(60) == 1
        assert (
            "evacuate: lowers the traffic share of eu-west-1 step by step: 25, 10, 0 %"
            in one.output
        )
        assert "dry run: nothing was started or changed" in one.output
        assert not one.bundles
        assert not list((one.work / "state").glob("*"))


def test_the_plan_command(tmp_path):
    """Exit 0 with the plan, 2 with one line for what is no drill or no setting."""
    with drill(tmp_path) as one:
        one.work.mkdir(parents=True, exist_ok=True)
        shown = one.command("plan", str(FAILOVER), "--var", "scale:float=0.5")
        assert shown.returncode == 0, shown.stderr
        assert "100 streams" in shown.stdout
        for arguments, word in (
            (["nowhere.json"], "nowhere.json"),
            ([str(FAILOVER), "--var", "scale"], "KEY=VALUE"),
            ([str(FAILOVER), "--var", "scale=0"], "over 0"),
        ):
            refused = one.command("plan", *arguments)
            assert refused.returncode == 2
            assert word in refused.stderr
            assert "Traceback" not in refused.stderr
        assert not list((one.work / "state").glob("*"))


def test_a_drill_outside_its_hours_touches_nothing(tmp_path):
    """Through `chaos run`: no lock file, no testbed, no evidence."""
    data = json.loads(json.dumps(document(), default=str))
    now = datetime.now(UTC)
    hour = (now + timedelta(hours=6)).hour
    allowed = {"from": f"{hour:02}:00", "to": f"{hour:02}:30"}
    data["calendar"] = {"time_zone": "UTC", "allowed": [allowed]}
    with drill(
        tmp_path, target=write_target(tmp_path / "t.yaml", data), scale="0.01", profile="m1_1k"
    ) as one:
        one.start()
        assert one.wait(60) == 4
        assert "preflight:calendar" in one.output
        assert "a drill may begin next:" in one.output
        assert not one.bundles
        assert not list((one.work / "state").glob("*"))


def test_steps_need_no_endpoint(tmp_path):
    """Everything that a drill would touch is known from the files alone."""
    target = targets.load("testbed")
    plan = make_plan(
        {}, drill="d", title="d", kind="failover", gate="M3", method=METHODS["region_failover"]
    )
    steps = steps_of(platform_of(target), plan.method, 6.0)
    assert {touch.kind for step in steps for fault in step.faults for touch in fault.touches()} == {
        "regions",
        "zones",
        "records",
    }
