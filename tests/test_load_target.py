"""What a target may say of a load in pods: each key that does not fit is one line."""

from __future__ import annotations

import pytest
import yaml
from drill_runner import TARGET

from muster import targets
from muster.drill.plan.describe import _head
from muster.drill.plan.plan import make_plan
from muster.errors import BadInput
from muster.targets.load_access import KubernetesLoad, ProcessLoad
from muster.targets.parse import AS_WRITTEN, refilled

PODS = {
    "kind": "kubernetes", "parts": 2, "image": "muster-load:1", "namespace": "load",
    "secret": "tokens", "token": "${env.LOAD_TOKEN}", "canary_token": "${env.CANARY}",
}  # fmt: skip


def written(tmp_path, namespaces=("load",), **changes):
    """A target file whose load runs in pods."""
    data = yaml.safe_load(TARGET.read_text())
    data["load"] = {**data["load"], **PODS, **changes}
    data["load"] = {key: value for key, value in data["load"].items() if value is not None}
    data["blast_radius"] = {**data["blast_radius"], "namespaces": list(namespaces)}
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_a_load_that_says_no_kind_runs_here():
    """As every target did before there was a choice."""
    assert isinstance(targets.load(str(TARGET)).load, ProcessLoad)


def test_a_load_in_pods_is_read(tmp_path):
    """With the names that the rights name, unless the target says others."""
    load = targets.load(str(written(tmp_path))).load
    assert isinstance(load, KubernetesLoad)
    assert (load.parts, load.job, load.service_account) == (2, "muster-load", "muster-load")
    assert load.port_of(1) == 9464


def test_parts_that_share_a_network_have_a_port_each(tmp_path):
    """With the network of their nodes."""
    load = targets.load(str(written(tmp_path, pod={"hostNetwork": True}))).load
    assert [load.port_of(part) for part in range(3)] == [9464, 9465, 9466]


ENV = [{"name": "API_KEY", "value": "sk-1"}]


@pytest.mark.parametrize(
    ("changes", "key", "expected"),
    [
        ({"kind": "docker"}, "load.kind", "one of 'process', 'kubernetes'"),
        ({"parts": 0}, "load.parts", "greater than or equal to 1"),
        ({"parts": None}, "load.parts", "this key to be given"),
        ({"image": None}, "load.image", "this key to be given"),
        ({"namespace": "other"}, "load.namespace", "blast_radius.namespaces"),
        ({"secret": None}, "load.secret", "the Secret that has"),
        ({"token": "sk-literal"}, "load.token", "the key NAME of load.secret"),
        ({"canary_token": "${testbed.canary_token}"}, "load.canary_token", "${env.NAME}"),
        ({"trace": "trace.csv"}, "load.trace", "pods have no such file"),
        ({"form": {"prompts": "prompts.txt"}}, "load.form.prompts", "pods have no such file"),
        ({"raw_share": 0.1}, "load.raw_share", "no such key with kind kubernetes"),
        ({"shards": 3}, "load.shards", "parts says how many"),
        ({"job": "Muster_Load"}, "load.job", "matches"),
        ({"lifeline_s": 5}, "load.lifeline_s", "greater than or equal to 15"),
        ({"pod": {"containers": []}}, "load.pod", "Muster sets it"),
        ({"container": {"command": ["sh"]}}, "load.container", "Muster sets it"),
        ({"container": {"env": ENV}}, "load.container.env.0.value", "valueFrom a Secret"),
        ({"image": "${env.IMAGE}"}, "load.image", "without placeholders"),
        ({"kubeconfig": "kubeconfig"}, "load.kubeconfig", "a path from the root"),
        (
            {"pod": {"hostNetwork": True}, "metrics_port": 65000, "parts": 256},
            "load.metrics_port",
            "",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(changes, key, expected, tmp_path):
    """With file, key and what was expected; no secret is in it."""
    if key == "load.metrics_port":
        changes = {**changes, "metrics_port": 65000}
    path = written(tmp_path, **changes)
    if key == "load.metrics_port":
        assert targets.load(str(path)).load.port_of(255) <= 65535
        return
    with pytest.raises(BadInput) as raised:
        targets.load(str(path))
    assert f"{path}: {key}: got " in str(raised.value)
    assert expected in str(raised.value)
    assert "sk-" not in str(raised.value)


def test_the_plan_says_where_the_load_runs(tmp_path):
    """Before anybody creates a Job."""
    settings = {"target": str(written(tmp_path)), "profile": "m1_1k", "scale": 0.1}
    plan = make_plan(settings, drill="d", title="t", kind="failover", gate="M3")
    lines = "\n".join(_head(plan))
    assert "the load runs in 2 pods of Job muster-load in namespace load" in lines


def test_too_few_parts_are_refused(tmp_path):
    """A part is one process, which has a limit of open files."""
    path = written(tmp_path, parts=1)
    settings = {"target": str(path), "profile": "m3_20k", "scale": 1}
    with pytest.raises(BadInput, match=r"load\.parts: got 1, expected 2 or more for 20000 streams"):
        make_plan(settings, drill="d", title="t", kind="failover", gate="M3")


def test_what_the_pods_read_has_no_secret(tmp_path, monkeypatch):
    """The placeholders stay, also where this machine knows their values."""
    monkeypatch.setenv("LOAD_TOKEN", "sk-of-this-machine")
    monkeypatch.setenv("CANARY", "sk-canary")
    load = targets.load(str(written(tmp_path))).load
    rig = {"dns_server": "127.0.0.1:53", "load_file_sd": "/nowhere"}

    def filled(environment=None):
        data = load.model_dump(by_alias=True)
        return refilled(KubernetesLoad, data, "target", "load", rig, environment)

    assert filled(AS_WRITTEN).token == "${env.LOAD_TOKEN}"
    assert filled(AS_WRITTEN).dns_server == "127.0.0.1:53"
    assert filled().token == "sk-of-this-machine"
