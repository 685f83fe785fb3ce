"""Target files: every misfit is one line that names file, key, value and what was expected."""

# ruff: noqa: E501 -- a table of messages reads best one a line

from __future__ import annotations

import copy
import datetime

import pytest
import yaml
from floor_fixtures import OTHER, REGION, testbed_document
from hypothesis import given
from hypothesis import strategies as st

from muster import home, targets
from muster.documents import parse
from muster.errors import BadInput
from muster.targets.check import check
from muster.targets.declared import DECLARABLE
from muster.targets.model import Target
from muster.targets.power import KubernetesPower
from muster.targets.signals import SIGNALS_CLIENT, SIGNALS_SERVER

EXAMPLE = "targets/staging.example.yaml"
SECRETS = {
    "MUSTER_LOAD_TOKEN": "load-secret",
    "MUSTER_CANARY_TOKEN": "canary-secret",
    "MUSTER_ADMIN_TOKEN": "admin-secret",
    "MUSTER_REDIS_URL_EU_WEST_1": "redis://one",
    "MUSTER_REDIS_URL_EU_CENTRAL_1": "rediss://two",
}


def example_document():
    return yaml.safe_load((home.root() / EXAMPLE).read_text())


def put(dotted, value):
    """A change: the key at `dotted` becomes `value`."""

    def change(data):
        *path, last = dotted.split("/")
        for part in path:
            data = data[part]
        data[last] = value

    return change


def drop(dotted):
    """A change: the key at `dotted` is gone."""

    def change(data):
        *path, last = dotted.split("/")
        for part in path:
            data = data[part]
        del data[last]

    return change


def refused(path, data):
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(BadInput) as caught:
        targets.load(str(path))
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return lines[0].removeprefix(f"{path}: ")


MISFITS = [
    (put("klass", 1), "klass: got 1, expected one of the known keys: blast_radius, calendar, class,"),
    (put("load/tokn", "x"), "load.tokn: got 'x', expected one of the known keys: body, budget, canary_model,"),
    (put(f"regions/{REGION}/redis", 1), f"regions.{REGION}.redis: got 1, expected one of the known"),
    (
        put(f"regions/{REGION}/power/namespace", "x"),
        f"regions.{REGION}.power.namespace: got 'x', expected one of the known keys: kind,",
    ),
    (drop("name"), "name: got nothing, expected this key to be given"),
    (drop("class"), "class: got nothing, expected this key to be given"),
    (drop("steering/zone"), "steering.zone: got nothing, expected this key to be given"),
    (
        drop(f"regions/{REGION}/power/url"),
        f"regions.{REGION}.power.url: got nothing, expected this key to be given",
    ),
    (
        drop(f"regions/{REGION}/power/kind"),
        f"regions.{REGION}.power.kind: got nothing, expected one of 'process', 'kubernetes', 'command', 'none'",
    ),
    (
        put(f"regions/{REGION}/power/kind", "vm"),
        f"regions.{REGION}.power.kind: got 'vm', expected one of 'process', 'kubernetes', 'command', 'none'",
    ),
    (put("steering/kind", "dns"), "steering.kind: got 'dns', expected one of 'route53', 'command'"),
    (put("class", "prod"), "class: got 'prod', expected 'testbed', 'staging' or 'production'"),
    (put("class", "staging"), "testbed: got 'a section', expected none, since class is staging"),
    (drop("testbed"), "testbed: got None, expected a testbed section, since class is testbed"),
    (
        drop(f"testbed/regions/{OTHER}"),
        f"testbed.regions: got '{REGION}', expected the same regions as regions: {REGION}, {OTHER}",
    ),
    (put("evacuate", "mars"), f"evacuate: got 'mars', expected one of the regions {REGION}, {OTHER}"),
    (
        put("blast_radius/regions", [REGION, "mars"]),
        f"blast_radius.regions.1: got 'mars', expected one of the regions {REGION}, {OTHER}",
    ),
    (put("blast_radius/regions", []), "blast_radius.regions: got [], expected at least 1 of them"),
    (put("schema_version", 2), "schema_version: got 2, expected 1"),
    (put("name", "Test Bed"), "name: got 'Test Bed', expected a text that matches ^[a-z0-9]"),
    (put("tokens_max", 0), "tokens_max: got 0, expected greater than or equal to 1"),
    (put("tokens_max", "many"), "tokens_max: got 'many', expected a whole number"),
    (put("time_scale", -1), "time_scale: got -1, expected greater than 0"),
    (put("time_scale", float("nan")), "time_scale: got nan, expected a finite number"),
    (put("stream_seconds_max", "long"), "stream_seconds_max: got 'long', expected a number"),
    (put("provider", "fake"), "provider: got 'fake', expected 'stub' or 'real'"),
    (put("load", 3), "load: got 3, expected a mapping of keys to values"),
    (put("load/body", 3), "load.body: got 3, expected a mapping of keys to values"),
    (put("load/body", {"stream": False}), "load.body.stream: got False, expected another field: the"),
    (put("load/body", {"a": 1, "max_tokens": 5}), "load.body.max_tokens: got 5, expected another"),
    (put("load/body", {"user": "x"}), "load.body.user: got 'x', expected another field: the load sets"),
    (put("load/body", {"x": float("nan")}), "load.body.x: got nan, expected a JSON value: text, number"),
    (
        put("load/body", {"x": [datetime.date(2026, 1, 2)]}),
        "load.body.x: got [datetime.date(2026, 1, 2)], expected a JSON value: text, number, true,",
    ),
    (
        put("load/body", {"x": {"k": "${home}"}}),
        "load.body.x.k: got '${home}', expected ${testbed.KEY} or ${env.NAME}",
    ),
    (put("signals/requests", None), "signals.requests: got None, expected a text"),
    (put("signals/requests", " "), "signals.requests: got ' ', expected a PromQL selector"),
    (put("signals/reqs", "x"), "signals.reqs: got 'x', expected one of the signals admission_"),
    (put("steering/record", "chat.muster.test"), "steering.record: got 'chat.muster.test', expected a"),
    (put("prometheus/url", "localhost:9090"), "prometheus.url: got 'localhost:9090', expected a URL"),
    (put("public_url", "http://[x"), "public_url: got 'http://[x', expected a URL that begins http://"),
    (put(f"regions/{REGION}/redis_url", "h:1"), f"regions.{REGION}.redis_url: got 'h:1', expected a"),
    (
        put("load/token", "${tesbed.token}"),
        "load.token: got '${tesbed.token}', expected ${testbed.KEY} or ${env.NAME}",
    ),
    (put("load/token", "${env.A"), "load.token: got '${env.A', expected ${testbed.KEY} or ${env."),
    (put("testbed/health_check/interval_s", 7), "testbed.health_check.interval_s: got 7, expected 10 or"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "line"), MISFITS, ids=[line[:40] for _, line in MISFITS])
def test_each_misfit_of_a_target_file_is_named_by_its_exact_key(tmp_path, change, line):
    """Unknown, missing, wrong and inconsistent keys each give the key's own line."""
    data = testbed_document()
    change(data)
    assert refused(tmp_path / "t.yaml", data).startswith(line)


@pytest.mark.parametrize("signal", [*SIGNALS_SERVER, *SIGNALS_CLIENT])
def test_every_signal_that_is_judged_must_be_given(tmp_path, signal):
    """A target without a signal that an SLO or trigger needs is refused by the signal's name."""
    data = testbed_document()
    del data["signals"][signal]
    line = refused(tmp_path / "t.yaml", data)
    wanted = f"signals.{signal}: got None, expected a PromQL selector: it is judged"
    if signal in DECLARABLE:
        wanted += "; or {none: the reason} where the platform has no such thing"
    assert line == wanted


def test_a_doubled_key_is_refused(tmp_path):
    """A key given twice is no silent choice of the second."""
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(testbed_document()) + "\nname: other\n")
    with pytest.raises(
        BadInput, match=r"t\.yaml: name: got 'the key twice', expected this key once"
    ):
        targets.load(str(path))


def test_off_the_testbed_a_testbed_placeholder_is_refused(tmp_path):
    """What only a testbed could fill is refused when the file is read, not in mid-drill."""
    data = example_document()
    data["public_url"] = "http://x:${testbed.chat_port}/"
    line = refused(tmp_path / "t.yaml", data)
    assert line.startswith(
        "public_url: got '${testbed.chat_port}', expected ${env.NAME} or a value"
    )


@pytest.mark.parametrize(
    "key", ["load/token", "load/canary_token", f"regions/{REGION}/drain/token"]
)
def test_off_the_testbed_no_secret_stands_in_a_file(tmp_path, key):
    """A literal token is refused, and the line does not repeat it."""
    data = example_document()
    put(key, "sk-live-1234")(data)
    line = refused(tmp_path / "t.yaml", data)
    assert line == (
        f"{key.replace('/', '.')}: got 'a literal', expected ${{env.NAME}}: a target file contains no secrets"
    )


def test_the_example_for_a_real_platform_is_a_valid_target():
    """The example parses, asks for the real Route 53 and Kubernetes, and fills from the environment."""
    target = targets.load(EXAMPLE)
    assert (target.class_, target.provider, target.testbed) == ("staging", "real", None)
    assert target.steering.endpoint_url is None
    assert target.incident
    assert {region.power.kind for region in target.regions.values()} == {"kubernetes"}
    filled = targets.resolve(target, environment=SECRETS)
    assert filled.load.token == "load-secret"
    assert filled.regions[OTHER].redis_url == "rediss://two"


@pytest.mark.parametrize("section", ["power", "toxiproxy/restart"])
def test_off_the_testbed_a_cluster_is_named(tmp_path, section):
    """The current context may be any cluster's."""
    data = example_document()
    drop(f"regions/{REGION}/{section}/context")(data)
    key = f"regions.{REGION}.{section.replace('/', '.')}.context"
    wanted = "a context of the kubeconfig, or in-cluster, since class is staging"
    assert refused(tmp_path / "t.yaml", data) == f"{key}: got None, expected {wanted}"


def test_off_a_testbed_the_cluster_of_the_store_is_named(tmp_path):
    """Lock and undo entries in another cluster than meant would guard nothing."""
    data = example_document()
    data["shared"] = {"kind": "kubernetes", "namespace": "muster"}
    wanted = "a context of the kubeconfig, or in-cluster, since class is staging"
    assert refused(tmp_path / "t.yaml", data) == f"shared.context: got None, expected {wanted}"
    data["shared"]["context"] = "in-cluster"
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(data))
    assert targets.load(str(tmp_path / "t.yaml")).shared.kind == "kubernetes"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("workloads", ["gateway"], "workloads.0: got 'gateway', expected KIND/NAME, for example"),
        ("workloads", ["pod/x"], "workloads.0: got 'pod/x', expected KIND/NAME, for example"),
        ("workloads", [], "workloads: got [], expected at least 1 of them"),
        ("kubeconfig", "config", "kubeconfig: got 'config', expected a path from the root"),
        (
            "deployments",
            ["gateway"],
            "deployments: got ['gateway'], expected one of the known keys",
        ),
    ],
)
def test_a_wrong_cluster_section_is_told(tmp_path, key, value, says):
    """Each by its key; `deployments` only instead of `workloads`."""
    data = example_document()
    put(f"regions/{REGION}/power/{key}", value)(data)
    assert refused(tmp_path / "t.yaml", data).startswith(f"regions.{REGION}.power.{says}")


def test_deployments_of_older_targets_are_workloads():
    """What is written so is read so; another kind is written with its kind."""
    old = {"kind": "kubernetes", "namespace": "chat", "deployments": ["gateway"]}
    assert KubernetesPower.model_validate(old).workloads == ("deployment/gateway",)
    new = {"kind": "kubernetes", "namespace": "chat", "workloads": ["rollouts.argoproj.io/web"]}
    assert KubernetesPower.model_validate(new).workloads == ("rollouts.argoproj.io/web",)


@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_or_empty_variable_is_named(name, value):
    """A placeholder without a value stops before anything starts, named by key and variable."""
    environment = {key: text for key, text in SECRETS.items() if key != name}
    if value is not None:
        environment[name] = value
    with pytest.raises(
        BadInput, match=rf"^target staging: \S+: got '\$\{{env\.{name}\}}', expected"
    ):
        targets.resolve(targets.load(EXAMPLE), environment=environment)


def test_what_a_placeholder_was_filled_with_is_not_shown():
    """A filled value that does not fit is shown as the file writes it: it may be a secret."""
    environment = SECRETS | {"MUSTER_REDIS_URL_EU_WEST_1": "hunter2"}
    with pytest.raises(BadInput) as caught:
        targets.resolve(targets.load(EXAMPLE), environment=environment)
    assert "hunter2" not in str(caught.value)
    assert "regions.eu-west-1.redis_url: got '${env.MUSTER_REDIS_URL_EU_WEST_1}'" in str(
        caught.value
    )


def test_testbed_placeholders_are_filled_from_nested_endpoints():
    """Dotted names reach into the endpoints, and a missing one is named."""
    target = targets.load("testbed")
    region = {"ready_url": "http://h/r", "toxiproxy_url": "http://h:1", "redis_url": "redis://h"}
    flat = ("dns_server", "load_file_sd", "load_token", "canary_token", "control_token")
    urls = ("prometheus_url", "route53_url", "control_url")
    endpoints = {
        "chat_port": 7400,
        "regions": {REGION: region, OTHER: dict(region)},
        **dict.fromkeys(flat, "x"),
        **dict.fromkeys(urls, "http://h"),
    }
    filled = targets.resolve(target, testbed=endpoints, environment={})
    assert filled.public_url == "http://chat.muster.test:7400/v1/chat/completions"
    assert filled.regions[REGION].power.url == f"http://h/regions/{REGION}"
    assert targets.resolve(filled, environment={}) == filled
    missing = copy.deepcopy(endpoints)
    del missing["regions"][OTHER]["redis_url"]
    with pytest.raises(BadInput, match=rf"regions\.{OTHER}\.redis_url: got .*, expected a running"):
        targets.resolve(target, testbed=missing, environment={})


@pytest.mark.parametrize("name", ["nowhere", "../testbed", "targets/none.yaml", "", "a b"])
def test_an_unknown_target_is_one_line_with_the_known_ones(name):
    """A name without a file says which names there are."""
    with pytest.raises(BadInput, match=r"^target: got '.*', expected ") as caught:
        targets.load(name)
    assert len(str(caught.value).splitlines()) == 1


def test_off_the_testbed_a_store_off_the_machine_must_be_named(tmp_path):
    """Without one a lost machine would leave a region dark for good."""
    data = example_document()
    del data["shared"]
    line = refused(tmp_path / "t.yaml", data)
    assert line.startswith("shared: got None, expected a store off the machine")
    assert line.endswith("since class is staging")


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("kind", "etcd", "shared.kind: got 'etcd', expected one of 'route53_txt', 's3'"),
        (
            "name",
            "muster.example.org.",
            "shared.name: got 'muster.example.org.', expected a name in",
        ),
        ("zone", "staging.example.com", "shared.zone: got 'staging.example.com', expected a full"),
        ("lease_s", 1, "shared.lease_s: got 1, expected greater than or equal to 5"),
        ("bucket", "x", "shared.bucket: got 'x', expected one of the known keys: calls_per_s_max,"),
    ],
)
def test_a_store_that_makes_no_sense_is_refused(tmp_path, key, value, line):
    """Each misfit by its own key."""
    data = example_document()
    data["shared"][key] = value
    assert refused(tmp_path / "t.yaml", data).startswith(line)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=3))
def test_any_value_in_place_of_a_section_is_bad_input_and_nothing_else(value):
    """Whatever stands where a mapping must be, the answer is the house's line, never a traceback."""
    for key in ("load", "prometheus", "steering", "regions", "blast_radius", "signals", "testbed"):
        data = testbed_document()
        data[key] = value
        with pytest.raises(BadInput):
            check(parse(Target, data, "t.yaml"), "t.yaml")


BY_COMMAND = {"kind": "command", "argv": ["/opt/lb/weights"]}
STATED = {"kind": "stated", "ttl_s": 0, "detection_s_max": 15}


@pytest.mark.parametrize(
    ("steering", "names", "addresses", "line"),
    [
        ({"argv": []}, STATED, True, "steering.argv: got [], expected "),
        ({"argv": [""]}, STATED, True, "steering.argv.0: got '', expected "),
        ({"argv": "/opt/lb/weights"}, STATED, True, "steering.argv: got '/opt/lb/weights', "),
        ({"weight_sum": 1}, STATED, True, "steering.weight_sum: got 1, expected "),
        ({"weight_sum": 2.5}, STATED, True, "steering.weight_sum: got 2.5, expected "),
        ({"timeout_s": 0}, STATED, True, "steering.timeout_s: got 0, expected "),
        ({"zone": "a.test."}, STATED, True, "steering.zone: got 'a.test.', expected one of the kn"),
        ({}, None, True, "names: got None, expected kind: stated, ttl_s and detection_s_max: a "),
        ({}, {"kind": "steering"}, True, "names: got None, expected kind: stated"),
        ({}, {**STATED, "ttl_s": -1}, True, "names.ttl_s: got -1, expected "),
        (
            {},
            {"kind": "stated", "ttl_s": 1},
            True,
            "names.detection_s_max: got nothing, expected this key",
        ),
        ({}, {**STATED, "detection_s_max": 0}, True, "names.detection_s_max: got 0, expected "),
        ({}, STATED, False, "regions.eu-central-1.addresses: got None, expected what its name is "),
    ],
)
def test_each_misfit_of_a_command_is_named_by_its_key(tmp_path, steering, names, addresses, line):
    """Steering by a command: its own settings, its names, and what tells regions apart."""
    data = yaml.safe_load(targets.path_of("testbed").read_text())
    data["steering"] = BY_COMMAND | steering
    if names is not None:
        data["names"] = names
    data["testbed"].setdefault("dns", {}).update(zone="a.test.", record="chat.a.test.")
    for number, region in enumerate(sorted(data["regions"]), 1):
        if addresses or number > 1:
            data["regions"][region]["addresses"] = [f"127.0.{number}.1"]
    assert refused(tmp_path / "t.yaml", data).startswith(line)


def test_a_header_that_names_regions_needs_no_addresses(tmp_path):
    """The load tells regions apart by its answers then."""
    data = yaml.safe_load(targets.path_of("testbed").read_text())
    data |= {"steering": BY_COMMAND, "names": STATED}
    data["load"]["region_header"] = "x-served-by"
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(data))
    assert targets.load(str(path)).steering.kind == "command"
