"""Resolver, clocks, samples, signals, lock, store and begin, each with what makes it fail."""

from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import dnslib
import pytest
from dataplane_fixtures import free_port
from doctored import OTHER, REGION, document, patient
from floor_fixtures import moto_server, prometheus_server, stand_in
from shared_targets import MemoryStore
from strict_aws import strict_aws, weighted

from muster.clock import SYSTEM_CLOCK
from muster.drill.doctor import beginning, clocks, keeping, resolving, signals, sizes
from muster.drill.doctor.model import Check
from muster.drill.doctor.run import examine
from muster.drill.lock.held import FileLock
from muster.drill.phases import preflight
from muster.errors import BadInput, DrillAborted
from muster.load import once
from muster.platform.metrics import MetricsError, RawSeries
from muster.stores import StoreError

NAME = "chat.staging.example.com."
A, B = "127.0.0.1", "127.0.0.2"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """State and evidence of its own; and as long as a slow machine needs to ask."""
    monkeypatch.setattr(resolving, "ASKING_S_MAX", 300.0)
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))


@pytest.fixture
def aws():
    """The steering's records, half and half."""
    with strict_aws() as shown:
        for name, address in ((REGION, A), (OTHER, B)):
            key, text = weighted(NAME, name, 50, address)
            shown.records[key] = text
        yield shown


# Resolver


@contextmanager
def dns(answers):
    """A DNS server; `answers` gives (address, TTL) for each question in turn, None for silence."""
    turn = iter(answers)

    class Resolver:
        def resolve(self, request, handler):
            reply = request.reply()
            if request.q.qtype == dnslib.QTYPE.AAAA:
                return reply
            said = next(turn)
            if said is not None:
                rr = dnslib.RR(
                    request.q.qname, dnslib.QTYPE.A, rdata=dnslib.A(said[0]), ttl=said[1]
                )
                reply.add_answer(rr)
            return reply

    from dnslib.server import DNSLogger, DNSServer

    quiet = DNSLogger("-request,-reply,-truncated,-error")
    port = free_port()
    server = DNSServer(Resolver(), port=port, address="127.0.0.1", logger=quiet)
    server.start_thread()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.server.shutdown()
        server.server.server_close()
        server.thread.join(timeout=10)


def resolved(tmp_path, aws, answers):
    with dns(answers) as server:
        changes = {"load": {"dns_server": server}, "public_url": f"http://{NAME.rstrip('.')}:80/v1"}
        one = patient(tmp_path, document(aws.url, **changes))
        return resolving.look(one)


def test_a_resolver_that_follows_the_weights_is_a_table(tmp_path, aws):
    """Half and half of many answers."""
    seen = resolved(tmp_path, aws, itertools.cycle([(A, 5), (B, 5)]))
    assert seen.lines == []
    assert {row["region"]: row["by resolver"] for row in seen.rows} == {
        REGION: "50 %",
        OTHER: "50 %",
    }


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (
            itertools.repeat((A, 5)),
            f"all 300 answers of 127.0.0.1:PORT name {REGION}, which has 50",
        ),
        (
            itertools.cycle([(A, 5), (B, 4), (A, 3)]),
            "caches answers (TTLs down to 3 s, the records",
        ),
        (itertools.cycle([(A, 5), (A, 5), (A, 5), (B, 5)]), "does not follow the weights: "),
        (itertools.cycle([(A, 5), (B, 5), ("127.0.0.9", 5)]), "100 of 300 answers of"),
        (itertools.repeat(None), f"returns no address for {NAME.rstrip('.')}"),
    ],
)
def test_a_resolver_that_does_not_is_named(tmp_path, aws, answers, says):
    """One that keeps its answers, one of other shares, unknown addresses, no address."""
    (text,) = resolved(tmp_path, aws, answers).refused
    port = text.partition("127.0.0.1:")[2].partition(" ")[0]
    assert says.replace("PORT", port) in text


def test_too_few_answers_are_unknown(tmp_path, aws, monkeypatch):
    """A split that nobody could see is no split that holds."""
    monkeypatch.setattr(resolving, "ASKED", 20)
    seen = resolved(tmp_path, aws, itertools.cycle([(A, 5), (B, 5)]))
    assert "too few to measure the split" in seen.unknown[0]


def test_a_resolver_that_is_silent_has_no_address(tmp_path, aws, monkeypatch):
    """Nobody listens there."""
    monkeypatch.setattr(once, "QUERY_S_MAX", 0.05)
    changes = {"load": {"dns_server": "127.0.0.1:9"}, "public_url": "http://chat.example.com/v1"}
    seen = resolving.look(patient(tmp_path, document(aws.url, **changes)))
    assert "127.0.0.1:9 returns no address for" in seen.refused[0]


def test_what_no_resolver_can_say_is_told_as_that(tmp_path, aws):
    """An address for a name; addresses that name no region."""
    seen = resolving.look(patient(tmp_path, document(aws.url)))
    assert "no DNS query is needed" in seen.rows[0]["by resolver"]
    with dns(itertools.repeat(("127.0.0.9", 5))) as server:
        changes = {"load": {"dns_server": server}, "public_url": "http://chat.example.com/v1"}
        seen = resolving.look(patient(tmp_path, document(aws.url, **changes)))
    assert seen.lines == []
    assert "the addresses belong to no known region" in seen.rows[0]["by resolver"]


# Clocks


class Clock:
    """This machine's clock, put wrong by so many seconds."""

    def __init__(self, off_s):
        self.off_s = off_s

    def now_s(self):
        return SYSTEM_CLOCK.now_s() + self.off_s

    def __getattr__(self, name):
        return getattr(SYSTEM_CLOCK, name)


@pytest.mark.parametrize(
    ("off_s", "says"),
    [(0.0, ""), (-30.0, "30.0 s ahead of this machine's"), (60.0, "60.0 s behind this machine's")],
)
def test_the_clocks_of_a_real_prometheus(tmp_path, off_s, says):
    """Within the question's own length, ahead, and behind."""
    with prometheus_server(tmp_path / "prometheus", free_port()) as prometheus:
        one = patient(tmp_path, document(prometheus={"url": prometheus.url, "timeout_s": 10}))
        one.clock = Clock(off_s)
        seen = clocks.look(one)
        one.metrics.close()
    assert seen.rows[0]["newest sample"] == "no sample of streams_limit"
    assert says in "".join(seen.refused)
    assert bool(seen.refused) == bool(says)


def test_a_prometheus_that_does_not_say_the_time_is_refused(tmp_path):
    """Neither one that is away nor one that answers no series."""
    check = Check("clock", "clocks", clocks.look, 20.0)
    empty = {"status": "success", "data": {"resultType": "vector", "result": []}}
    with stand_in(lambda call: (200, empty)) as shown:
        found = examine(patient(tmp_path, document(prometheus={"url": shown.url})), [check])
    assert "no value for the query vector(time())" in found.of("refused")[0].text
    found = examine(patient(tmp_path, document()), [check])
    assert found.exit_code == 1


# Samples


def test_the_samples_of_each_phase_and_the_scale_that_would_do(tmp_path):
    """A small scale is a warning that names one; a large one is none."""
    small = sizes.look(patient(tmp_path, document(), "scale=0.0001"))
    assert "TOO FEW" in {row["enough"] for row in small.rows}
    assert "the smallest sufficient scale is" in small.warnings[0]
    assert sizes.look(patient(tmp_path, document(), "scale=1")).lines == []


def test_too_few_resolver_caches_are_a_warning_of_their_own(tmp_path):
    """No scale would do; the profile's own figure does."""
    one = patient(tmp_path, document(), "scale=1")
    profile = one.plan.profile.model_copy(update={"resolver_caches": 2})
    few = SimpleNamespace(plan=replace(one.plan, profile=profile))
    (warning,) = sizes.look(few).warnings
    assert warning.startswith("2 resolver caches are too few to show the split; set ")
    caches = int(warning.split("resolver_caches: ")[1].split()[0])
    more = profile.model_copy(update={"resolver_caches": caches})
    assert sizes.look(SimpleNamespace(plan=replace(one.plan, profile=more))).lines == []


# Signals


def test_signals_are_shown_with_value_unit_labels_owner_and_missing_edges(tmp_path):
    """By what a platform shows; what it lacks, declares or cannot map is told as that."""
    edges = ("1", "2.5", "+Inf")
    rows = [
        ("requests_total", {"region": "a", "instance": "x", "code": "200"}, 7.0),
        ("requests_total", {"region": "b", "instance": "y", "code": "503"}, 9.0),
        *(("ttft_ms_bucket", {"region": "a", "instance": "x", "le": le}, 3.0) for le in edges),
    ]

    def raw(signal, selector, window_s):
        if signal == "completion":
            raise MetricsError("signals.completion: a native histogram")
        return [
            RawSeries(signal, name, labels, (1.0,), (value,))
            for name, labels, value in rows
            if name.startswith(selector)
        ]

    data = document()
    data["signals"] |= {
        "requests": "requests_total",
        "first_token": "ttft_ms_bucket",
        "queue_age": {"none": "requests are refused at once"},
        "streams_limit": {"select": "requests_total", "labels": {"region": "zone"}},
        "x_own": "requests_total",
    }
    one = patient(tmp_path, data)
    one = SimpleNamespace(target=one.target, plan=one.plan, metrics=SimpleNamespace(raw=raw))
    seen = signals.look(one)
    shown = {row["signal"]: row for row in seen.rows}
    assert seen.refused == ("signals.completion: a native histogram",)
    requests = shown["requests"]
    assert (requests["value"], requests["series"]) == ("9", "2")
    assert requests["processes"] == "2, e.g. x"
    assert requests["labels"] == "region a, b; code 200, 503"
    first = shown["first_token"]
    assert (first["value"], first["unit"]) == ("3 observed", "ms by name")
    assert first["missing edges"] == "2 s, 3 s"
    assert shown["queue_age"]["value"] == "declared none: requests are refused at once"
    assert shown["streams_active"]["value"] == "no series"
    assert shown["streams_limit"]["value"].startswith("refused: ")
    assert shown["completion"]["value"] == "not read"
    assert shown["x_own"]["series"] == "2"
    assert "client_attempts" not in shown


def shown_as(tmp_path, signal, series, how=None):
    """The row of one signal that shows `series`: pairs of labels and value."""
    data = document()
    data["signals"][signal] = how or "platform_figure"
    one = patient(tmp_path, data)

    def raw(name, selector, window_s):
        asked = series if name == signal else []
        return [RawSeries(name, "platform_figure", dict(m), (1.0,), (v,)) for m, v in asked]

    looked = SimpleNamespace(target=one.target, plan=one.plan, metrics=SimpleNamespace(raw=raw))
    (row,) = [row for row in signals.look(looked).rows if row["signal"] == signal]
    return row


@pytest.mark.parametrize(
    ("how", "edges", "unit", "missing"),
    [
        (None, ("1", "1.5", "2", "2.5", "3", "5", "+Inf"), "s, by the target", "none"),
        (None, ("1", "2.5", "3", "+Inf"), "s, by the target", "2 s"),
        (None, ("1000", "5000", "+Inf"), "not seconds, by its edges", "2 s, 2.5 s, 3 s"),
        (
            {"select": "platform_figure", "unit": "ms"},
            ("1000", "2000", "2500", "3000", "5000", "+Inf"),
            "ms, by the target",
            "none",
        ),
    ],
)
def test_a_unit_that_no_name_tells_is_guessed_by_the_edges(tmp_path, how, edges, unit, missing):
    """Else it is what the target says; the edges that lack are those of the thresholds, in s."""
    series = [({"region": "a", "instance": "x", "le": le}, 3.0) for le in edges]
    row = shown_as(tmp_path, "first_token", series, how)
    assert (row["unit"], row["missing edges"]) == (unit, missing)


def test_many_labels_and_values_are_cut_and_a_lacking_instance_is_told(tmp_path):
    """Those that Muster reads come first."""
    more = {"zone": "z", "job": "j", "pod": "p", "team": "t"}
    series = [({"region": "a", "code": code, **more}, 1.0) for code in ("200", "429", "500", "503")]
    row = shown_as(tmp_path, "requests", series)
    assert row["labels"] == "region a; code 200, 429, 500, …; job j; pod p; 2 more"
    assert row["processes"] == "1, no label instance"
    assert (row["unit"], row["missing edges"]) == ("-", "-")


def test_series_without_a_number_show_none(tmp_path):
    """They are no zero."""
    labels = {"region": "a", "instance": "x"}
    assert shown_as(tmp_path, "streams_limit", [(labels, None)])["value"] == "no number"
    assert shown_as(tmp_path, "streams_limit", [])["value"] == "no series"


# Lock and store


@pytest.mark.parametrize("kind", ["route53_txt", "s3"])
def test_lock_and_store_are_used_and_nothing_of_it_stays(tmp_path, aws, kind):
    """Written, read, protected and removed; the lock is free again."""
    data = document(aws.url)
    if kind == "s3":
        data["shared"] = {"kind": "s3", "bucket": "drills", "endpoint_url": aws.url}
    one = patient(tmp_path, data)
    before = dict(aws.records)
    assert keeping.store(one).lines == []
    assert (aws.records, aws.objects) == (before, {})
    assert keeping.lock(one).lines == []
    assert keeping.lock(one).lines == [], "it was released"
    FileLock("staging", "another").acquire()


def test_a_store_on_motos_s3(tmp_path, monkeypatch):
    """The ordinary client on an API that others wrote: written, read back, removed."""
    import boto3

    with moto_server() as url:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
        s3.create_bucket(Bucket="drills")
        data = document()
        data["shared"] = {"kind": "s3", "bucket": "drills", "endpoint_url": url, "timeout_s": 10}
        assert keeping.store(patient(tmp_path, data)).lines == []
        assert s3.list_objects_v2(Bucket="drills")["KeyCount"] == 0


def used(tmp_path, monkeypatch, store):
    monkeypatch.setattr(keeping, "store_of", lambda shared: store)
    return keeping.store(patient(tmp_path, document()))


class Lenient(MemoryStore):
    """Lets anybody replace anything."""

    def _put(self, key, text, old):
        self.held[key] = text


class Forgetful(MemoryStore):
    """Shows an older text than was written."""

    def read(self, key):
        found = super().read(key)
        late = found is not None and found.text.endswith(" again")
        return None if late and self.reads() else found

    def reads(self):
        self.count = getattr(self, "count", 0) + 1
        return self.count > 1


class Sticky(MemoryStore):
    """Removes nothing, and says nothing of it."""

    def _delete(self, old):
        pass


@pytest.mark.parametrize(
    ("store", "says"),
    [
        (Lenient(), "accepted an outdated write"),
        (Forgetful(), "did not return the last text that was written to doctor/staging/"),
        (Sticky(), "is left in the store"),
    ],
)
def test_a_store_that_does_not_hold_what_it_must_is_refused(tmp_path, monkeypatch, store, says):
    """Not exclusive, not read back, not removed."""
    assert says in "; ".join(used(tmp_path, monkeypatch, store).refused)


def test_a_store_that_is_down_may_have_kept_the_record(tmp_path, monkeypatch):
    """Both are said."""
    store = MemoryStore()
    store.down = True
    seen = used(tmp_path, monkeypatch, store)
    assert seen.refused[0] == "the store is down"
    assert "may be left in the store" in seen.refused[1]


def test_a_lock_that_another_has_is_refused(tmp_path, aws):
    """Here, and in the store; and one that is not exclusive."""
    one = patient(tmp_path, document(aws.url))
    other = FileLock("staging", "another-drill")
    other.acquire()
    with pytest.raises(DrillAborted, match="held by another-drill"):
        keeping.lock(one)
    other.release()
    assert keeping.lock(one).lines == []
    one.lock.lease.store = Lenient()
    assert "outdated state of the lock" in keeping.lock(one).refused[0]
    one.lock.lease.store.down = True
    with pytest.raises(DrillAborted, match="who holds it is unknown"):
        keeping.lock(one)


# The begin


def test_no_room_for_evidence_is_refused(tmp_path, monkeypatch):
    """As the begin of a drill refuses it."""
    one = patient(tmp_path, document())
    assert beginning.room(one).lines == []
    file = tmp_path / "a-file"
    file.write_text("")
    monkeypatch.setenv("MUSTER_OUT_DIR", str(file))
    with pytest.raises(BadInput, match="MUSTER_OUT_DIR"):
        beginning.room(one)


def test_all_that_files_refuse_is_told_at_once(tmp_path):
    """A command that is not there and a budget; what preflight refuses too is told there alone."""
    data = document()
    assert beginning.permit(patient(tmp_path, data)).lines == []
    data["regions"][REGION]["power"] = {"kind": "command", "argv": ["/nowhere/switch"]}
    data["blast_radius"] = {"regions": [OTHER]}
    data["load"]["budget"] = {"tokens_max": 1}
    one = patient(tmp_path, data)
    first, second = beginning.permit(one).refused
    assert "/nowhere/switch" in first
    assert "load.budget.tokens_max: got 1" in second
    (radius,) = [check for check in preflight.CHECKS if check.name == "blast_radius"]
    assert "blast_radius" in radius.look(one)


def test_a_budget_below_the_estimate_is_told(tmp_path):
    """A drill would be refused for it before anything is locked."""
    data = document()
    data["load"]["budget"] = {"tokens_max": 10}
    (text,) = beginning.permit(patient(tmp_path, data)).refused
    assert "load.budget.tokens_max: got 10, expected at least the estimate" in text


def test_what_clients_are_answered_is_shown(tmp_path, aws):
    """TTL, detection and addresses; a loss that only the target can time is refused."""
    rows = beginning.names(patient(tmp_path, document(aws.url))).rows
    assert [row["addresses"] for row in rows] == [A, B]
    assert {row["TTL"] for row in rows} == {"5 s"}
    aws.down = True
    check = Check("names", "names", beginning.names, 30.0)
    found = examine(patient(tmp_path, document(aws.url)), [check])
    assert found.exit_code == 1


def test_several_checks_ask_the_steering_once(tmp_path, aws):
    """It takes a call a second out there."""
    one = patient(tmp_path, document(aws.url))
    asked = []
    one.platform.steering.weights = lambda: asked.append(1) or {REGION: 50, OTHER: 50}
    threads = [threading.Thread(target=lambda: one.weights) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [1]


def test_a_store_error_is_no_crash(tmp_path, monkeypatch):
    """Whatever the store raises is a finding."""

    class Odd(MemoryStore):
        def _put(self, key, text, old):
            raise StoreError("access denied")

    assert used(tmp_path, monkeypatch, Odd()).refused == ("access denied",)
