"""Other controllers of weights and replicas, and the region of Prometheus, with the evidence."""

from __future__ import annotations

import boto3
import pytest
from doctored import OTHER, REGION, document, patient
from floor_fixtures import (
    KubernetesStandIn,
    free_port,
    kubeconfig,
    moto_server,
    prometheus_server,
    stand_in,
)
from strict_aws import strict_aws, weighted

from muster.drill.doctor import owners, place
from muster.drill.doctor.model import Check
from muster.drill.doctor.run import examine
from muster.platform.steering.external_dns import others_of

NAME = "chat.staging.example.com."
HERITAGE = (
    '"heritage=external-dns,external-dns/owner=prod,external-dns/resource=ingress/chat/front"'
)


# Weights


def record(name, kind, value, identifier=""):
    made = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    return made | ({"SetIdentifier": identifier, "Weight": 50} if identifier else {})


ADDRESS = record(NAME, "A", "127.0.0.1", REGION)


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        "a-chat.staging.example.com.",
        "cname-chat.staging.example.com.",
        "extdns-a-chat.staging.example.com.",
        "chat-owned.staging.example.com.",
        "extdns.chat.staging.example.com.",
        "A-CHAT.staging.example.com",
    ],
)
def test_external_dns_is_known_by_its_registry(name):
    """Of every form of its name; the owner and the resource are told."""
    (one,) = others_of([ADDRESS, record(name, "TXT", HERITAGE, REGION)], NAME)
    assert one.undoes is True
    assert one.said.startswith(f"external-dns owns {NAME} ({REGION}): owner prod, for ingress/chat")


@pytest.mark.parametrize(
    "records",
    [
        [],
        [record(NAME, "TXT", '"v=spf1 -all"')],
        [record("a-api.staging.example.com.", "TXT", HERITAGE)],
        [
            record("chat-v2.staging.example.com.", "A", "127.0.0.1"),
            record("a-chat-v2.staging.example.com.", "TXT", HERITAGE),
        ],
        [record("a-chat.example.com.", "TXT", HERITAGE)],
        [record(NAME, "A", "127.0.0.1", OTHER)],
    ],
)
def test_other_records_are_no_owner(records):
    """Other texts, other names, a longer name that another record has, another domain."""
    assert others_of([ADDRESS, *records], NAME) == ()


def test_external_dns_on_motos_route_53_is_in_the_way(tmp_path):
    """Listed by the ordinary client; without it nobody shows; a person may accept it."""
    with moto_server() as url:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        api = boto3.client("route53", endpoint_url=url, region_name="us-east-1", **keys)
        zone = api.create_hosted_zone(Name="staging.example.com.", CallerReference="x")
        zone_id = zone["HostedZone"]["Id"]

        def create(made):
            change = {"Action": "CREATE", "ResourceRecordSet": made}
            api.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": [change]})

        for region in (REGION, OTHER):
            create(record(NAME, "A", "127.0.0.1", region))
        one = patient(tmp_path, document(url, steering={"timeout_s": 10}))
        seen = owners.of_weights(one)
        assert seen.lines == []
        assert seen.rows[0]["controller"] == "none found"
        for region in (REGION, OTHER):
            create(record("a-chat.staging.example.com.", "TXT", HERITAGE, region))
        (text,) = owners.of_weights(one).refused
        assert f"({OTHER}, {REGION})" in text
        check = Check("weights", "owners", owners.of_weights, 30.0, True)
        assert examine(one, [check]).exit_code == 1
        assert examine(patient(tmp_path, document(url)), [check], ["weights"]).exit_code == 0


def test_a_domain_too_large_to_read_is_unknown(tmp_path, monkeypatch):
    """Nobody read it to the end; and so is what an API that is away would say."""
    monkeypatch.setattr("muster.platform.steering.route53.OTHERS_RECORDS_MAX", 2)
    with strict_aws() as aws:
        for number in range(4):
            key, text = weighted(f"n{number}.staging.example.com.", REGION, 1, "127.0.0.1")
            aws.records[key] = text
        one = patient(tmp_path, document(aws.url))
        assert "has over 2 records" in owners.of_weights(one).unknown[0]
        aws.down = True
        check = Check("weights", "owners", owners.of_weights, 30.0, True)
        assert examine(one, [check]).exit_code == 3


# Replicas


class Cluster(KubernetesStandIn):
    """As a cluster with KEDA, Argo CD and marks on its deployments."""

    def __init__(self, **more):
        super().__init__({"gateway": 3, "redis": 1})
        self.scaled, self.apps, self.marks, self.forbidden = [], None, {}, ()
        self.owners = []
        vars(self).update(more)

    def answer(self, call):
        path = call.path.partition("?")[0]
        if any(part in path for part in self.forbidden):
            return 403, {"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}
        if path == "/apis/keda.sh/v1alpha1/namespaces/chat/scaledobjects":
            return 200, {"items": self.scaled}
        if path == "/apis/argoproj.io/v1alpha1/applications" and self.apps is not None:
            return 200, {"items": self.apps}
        status, body = super().answer(call)
        if isinstance(body, dict) and body.get("kind") == "Deployment":
            body["metadata"] |= self.marks.get(body["metadata"]["name"], {})
        for item in body.get("items", ()):
            if self.owners and "scaleTargetRef" in item.get("spec", {}):
                item["metadata"]["ownerReferences"] = self.owners
        return status, body


def seen_on(tmp_path, monkeypatch, cluster):
    data = document()
    power = {"kind": "kubernetes", "namespace": "chat"}
    power["workloads"] = ["deployment/gateway", "deployment/redis"]
    data["regions"][REGION]["power"] = power | {"context": "stand-in"}
    data["blast_radius"]["namespaces"] = ["chat"]
    with stand_in(cluster.answer) as api:
        path = kubeconfig(tmp_path / "kubeconfig", api.url)
        monkeypatch.setenv("KUBECONFIG", str(path))
        one = patient(tmp_path, data)
        (check,) = [
            check for check in owners.replica_checks((REGION, OTHER), 30.0) if REGION in check.name
        ]
        return examine(one, [check])


def scaled_object(name="gateway", **notes):
    meta = {"name": f"scale-{name}", "annotations": notes}
    return {"metadata": meta, "spec": {"scaleTargetRef": {"name": name}}}


def application(automated, **spec):
    listed = [{"kind": "Deployment", "namespace": "chat", "name": "gateway"}]
    policy = {} if automated is None else {"automated": automated}
    return {
        "metadata": {"name": "chat-app"},
        "spec": {"syncPolicy": policy, **spec},
        "status": {"resources": listed},
    }


TRACKED = {"gateway": {"annotations": {"argocd.argoproj.io/tracking-id": "chat-app:apps/x"}}}
FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}
FLUX_HELM = {"labels": {"helm.toolkit.fluxcd.io/name": "cache"}}
HELM = {"annotations": {"meta.helm.sh/release-name": "cache"}}
OPERATED = {"ownerReferences": [{"kind": "RedisCluster", "name": "main", "controller": True}]}
HEALS = {"selfHeal": True}
IGNORED = [{"kind": "Deployment", "group": "apps", "jsonPointers": ["/spec/replicas"]}]


@pytest.mark.parametrize(
    ("more", "level", "says"),
    [
        (
            {"autoscalers": {"gateway": (2, 9)}},
            "warning",
            "the autoscaler gateway sets the replicas",
        ),
        ({"scaled": [scaled_object()]}, "refused", "KEDA's scale-gateway sets the replicas"),
        (
            {"scaled": [scaled_object(**{"autoscaling.keda.sh/paused-replicas": "3"})]},
            "warning",
            "is paused by autoscaling.keda.sh/paused-replicas",
        ),
        (
            {"apps": [application(HEALS)]},
            "refused",
            "Argo CD's chat-app manages deployment/gateway, and heals",
        ),
        ({"apps": [application({})]}, "warning", "syncs by itself after a commit"),
        ({"apps": [application(None)]}, "warning", "syncs by hand"),
        ({"apps": [application({"enabled": False, **HEALS})]}, "warning", "syncs by hand"),
        (
            {"apps": [application(HEALS, ignoreDifferences=IGNORED)]},
            "warning",
            "ignores its replicas",
        ),
        ({"marks": TRACKED}, "unknown", "no such Application is in this cluster"),
        (
            {"marks": TRACKED, "forbidden": ("argoproj",)},
            "unknown",
            "unknown: Kubernetes GET /apis/argo",
        ),
        ({"marks": {"redis": FLUX}}, "unknown", "Flux's apps manages deployment/redis"),
        ({"marks": {"redis": FLUX_HELM}}, "unknown", "Flux's HelmRelease cache manages deployment"),
        ({"marks": {"redis": HELM}}, "warning", "Helm's release cache installed deployment/redis"),
        ({"marks": {"redis": OPERATED}}, "unknown", "RedisCluster main controls deployment/redis"),
        ({"forbidden": ("keda",)}, "unknown", "whether KEDA sets replicas is unknown: Kubernetes"),
        ({"forbidden": ("autoscaling",)}, "unknown", "whether an autoscaler sets replicas is"),
    ],
)
def test_who_else_sets_replicas_is_told(tmp_path, monkeypatch, more, level, says):
    """A controller that overwrites a drill's value is refused; the rest is unknown or a warning."""
    found = seen_on(tmp_path, monkeypatch, Cluster(**more))
    (one,) = found.findings
    assert one.level == level
    assert says in one.text


def test_nobody_else_is_no_finding(tmp_path, monkeypatch):
    """Nor are things of other deployments, an autoscaler of KEDA, or Flux that is told off."""
    other = application(HEALS)
    other["status"]["resources"][0]["name"] = "web"
    off = {**FLUX, "annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}}
    cluster = Cluster(
        scaled=[scaled_object("web")],
        apps=[other],
        autoscalers={"web": (1, 2), "gateway": (1, 2)},
        owners=[{"kind": "ScaledObject", "name": "x", "apiVersion": "keda.sh/v1", "uid": "1"}],
        marks={"redis": off},
    )
    found = seen_on(tmp_path, monkeypatch, cluster)
    assert found.findings == ()
    assert found.tables[0].rows == (
        {"of": f"region {REGION}", "overwrites a drill": "-", "controller": "none found"},
    )


# Where Prometheus stands


def placed(tmp_path, monkeypatch, url, power=None, addresses=("127.0.0.9",), names=()):
    """The finding levels and texts of a Prometheus at `url`."""
    data = document(prometheus={"url": url, "timeout_s": 10})
    for name in (REGION, OTHER):
        data["regions"][name]["addresses"] = list(addresses)
        data["regions"][name]["power"] = {"kind": "none"}
    if power is not None:
        data["regions"][REGION]["power"] = power
        data["blast_radius"] |= {"namespaces": ["chat"], "commands": ["/bin/true"]}
    return place.look(patient(tmp_path, data))


SWITCH = {"kind": "command", "argv": ["/bin/true"]}


def test_a_prometheus_outside_is_a_row(tmp_path, monkeypatch):
    """A real one, whose own series name no region."""
    with prometheus_server(tmp_path / "p", free_port()) as server:
        seen = placed(tmp_path, monkeypatch, server.url, SWITCH)
        assert seen.lines == []
        assert [row["seen"] for row in seen.rows] == [
            "no evidence of its region",
            "no label region",
        ]
        # At the region's own address it is inside, and so where a stop takes it away.
        seen = placed(tmp_path, monkeypatch, server.url, SWITCH, addresses=("127.0.0.1",))
        assert "127.0.0.1 is 127.0.0.1, an address of the region" in seen.refused[0]
        pods = {"kind": "kubernetes", "namespace": "chat", "context": "c"}
        pods["workloads"] = ["deployment/prometheus-server"]
        seen = placed(tmp_path, monkeypatch, server.url, pods)
        assert "the region's power stops prometheus-server" in seen.refused[0]
        seen = placed(tmp_path, monkeypatch, server.url, addresses=("127.0.0.1",))
        assert seen.lines == [], "a region that is never stopped takes no server with it"


@pytest.mark.parametrize(
    ("regions", "refused"), [((REGION,), True), ((OTHER,), False), ((REGION, OTHER), False)]
)
def test_the_region_of_its_own_series_says_where_it_is(tmp_path, monkeypatch, regions, refused):
    """Those of several regions are seen by a server of all of them."""
    result = [{"metric": {"region": one}, "value": [1, "1"]} for one in regions]
    body = {"status": "success", "data": {"resultType": "vector", "result": result}}
    with stand_in(lambda call: (200, body)) as server:
        seen = placed(tmp_path, monkeypatch, server.url, SWITCH)
    assert bool(seen.refused) is refused
    assert not seen.unknown


def test_a_name_is_a_hint_and_no_answer_is_unknown(tmp_path, monkeypatch):
    """A host that is called after the region, and that does not answer."""
    url = f"http://prometheus.{REGION}.invalid:9"
    seen = placed(tmp_path, monkeypatch, url, SWITCH)
    assert f"its name contains {REGION}" in seen.warnings[0]
    assert "is unknown" in seen.unknown[0]
