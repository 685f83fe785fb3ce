"""Who is told of a drill's end: occasions, payloads, and receivers that answer or fail."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bundle_maker import make_bundle
from chaoslib.notification import RunFlowEvent, notify
from hypothesis import given
from hypothesis import strategies as st
from shared_targets import shared_document

from muster import home, redact, targets
from muster.bundle import check_seal
from muster.documents import parse
from muster.drill import current as drills
from muster.drill import telling
from muster.drill.conclude import conclude
from muster.errors import BadInput
from muster.judge.verdict import judge, write_verdict
from muster.notify import bodies
from muster.notify import deliver as delivering
from muster.notify.deliver import deliver
from muster.notify.message import Message, Span, occasion_of
from muster.notify.registry import SENDERS, wants
from muster.targets.model import Target
from muster.targets.notify import Notify

FAIL = Message(
    drill_id="20261103T100000Z-region_failover-1a2b",
    drill="region_failover",
    target="staging",
    verdict="FAIL",
    occasion="not_passed",
    evidence="gate",
    started_s=1_000.0,
    ended_s=1_600.0,
    reasons=("fail: rate_5xx dark [server] 0.9 % (threshold 0.5 %)",),
    report_url="https://drills.example.com/x/report.html",
    phases=(Span("evacuate", 1_100.0, 1_200.0),),
)
PASS = replace(FAIL, verdict="PASS", occasion="passed", reasons=())


@pytest.mark.parametrize(
    ("verdict", "before", "regression", "occasion"),
    [
        ("FAIL", "PASS", False, "not_passed"),
        ("ABORTED", "", True, "not_passed"),
        ("INCONCLUSIVE", "PASS", False, "not_passed"),
        ("ROLLBACK_FAILED", "FAIL", False, "not_passed"),
        ("", "PASS", False, "not_passed"),
        ("PASS", "FAIL", False, "passed_again"),
        ("PASS", "INCONCLUSIVE", False, "passed_again"),
        ("PASS", "FAIL", True, "regression"),
        ("PASS", "PASS", True, "regression"),
        ("PASS", "PASS", False, "passed"),
        ("PASS", "", False, "passed"),
    ],
)
def test_the_occasion(verdict, before, regression, occasion):
    """Everything but PASS, the first PASS after it, and a regression; nothing else."""
    assert occasion_of(verdict, before, regression=regression) == occasion


def receivers(*told):
    return parse(Notify, {"to": list(told)}, "target staging").to


def test_a_plain_pass_is_told_to_those_who_want_every_drill():
    """A monitor and a chart need each one; an alert may be open from before."""
    hook = {"kind": "webhook", "url": "http://127.0.0.1:1/"}
    attention, always = receivers(hook, hook | {"when": "always"})
    ping, pagerduty, grafana = receivers(
        {"kind": "ping", "ping_url": "http://127.0.0.1:1/"},
        {"kind": "pagerduty", "routing_key": "${env.PD}"},
        {"kind": "grafana", "url": "http://127.0.0.1:1", "token": "t" * 8},
    )
    rest = (always, ping, pagerduty, grafana)
    assert not wants(attention, PASS)
    assert all(wants(one, PASS) for one in rest)
    assert all(wants(one, FAIL) for one in (attention, *rest))


def test_every_kind_of_receiver_can_be_sent_to():
    """A kind that the target takes and nobody sends would be silent."""
    from typing import get_args

    from muster.targets.notify import Receiver

    kinds = {
        get_args(one.model_fields["kind"].annotation)[0] for one in get_args(get_args(Receiver)[0])
    }
    assert kinds == set(SENDERS)


def test_slack_gets_text_that_names_nobody():
    """Neither a mention nor a link comes out of a platform's text."""
    body = bodies.slack(replace(FAIL, reasons=("<!channel> & <http://x|y>",) * 200))
    text = body["blocks"][1]["text"]["text"]
    assert text.startswith("&lt;!channel&gt; &amp; ")
    assert len(text) <= bodies.SLACK_TEXT_MAX
    assert body["blocks"][0]["text"]["text"] == "❌ FAIL: region_failover on staging"


def test_pagerduty_triggers_and_the_next_pass_resolves():
    """By one key for one kind of drill; a regression is an alert of its own."""
    (alert,) = bodies.pagerduty(FAIL, "k" * 32)
    assert (alert["event_action"], alert["payload"]["severity"]) == ("trigger", "error")
    assert alert["links"][0]["href"] == FAIL.report_url
    key = alert["dedup_key"]
    over, slower = bodies.pagerduty(replace(PASS, occasion="regression"), "k" * 32)
    assert (over["event_action"], over["dedup_key"]) == ("resolve", key)
    assert (slower["event_action"], slower["payload"]["severity"]) == ("trigger", "warning")
    assert slower["dedup_key"] != key
    for occasion in ("passed_again", "passed"):
        events = bodies.pagerduty(replace(PASS, occasion=occasion), "k" * 32)
        assert [one["event_action"] for one in events] == ["resolve", "resolve"]
        assert [one["dedup_key"] for one in events] == [key, slower["dedup_key"]]
    (worst,) = bodies.pagerduty(replace(FAIL, verdict="ROLLBACK_FAILED"), "k" * 32)
    assert worst["payload"]["severity"] == "critical"


def test_grafana_gets_the_drill_and_its_phases_in_milliseconds():
    """A drill whose end is unknown has its phases alone."""
    whole, phase = bodies.grafana(FAIL, ["muster"])
    assert (whole["time"], whole["timeEnd"]) == (1_000_000, 1_600_000)
    assert (phase["time"], phase["timeEnd"], phase["text"]) == (1_100_000, 1_200_000, "evacuate")
    assert "verdict:FAIL" in whole["tags"]
    assert "phase:evacuate" in phase["tags"]
    assert len(bodies.grafana(replace(FAIL, ended_s=None), [])) == 1


@given(st.text(max_size=80))
def test_no_name_breaks_a_letter_or_a_payload(name):
    """Whatever a platform calls its target."""
    message = replace(FAIL, target=name, reasons=(name,), regressions=(name,))
    letter = bodies.email(message, "muster@example.com", ["sre@example.com"], 0.0)
    assert "\n" not in letter["Subject"]
    for body in (bodies.slack(message), bodies.pagerduty(message, "k"), message.as_json()):
        json.dumps(body)


class _Takes(BaseHTTPRequestHandler):
    """Keeps what it is sent, and answers as it is told."""

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.taken.append((self.command, self.path, body, dict(self.headers)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *arguments):
        """Nothing on the terminal."""


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def http():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Takes)
    server.taken, server.status = [], 200
    with serving(server):
        yield server


def url(server, path=""):
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


def test_each_http_receiver_gets_its_own_form(http):
    """All of them at once, with their own credentials, from the environment."""
    told = receivers(
        {"kind": "webhook", "url": url(http, "/hook"), "token": "${env.HOOK}"},
        {"kind": "slack", "webhook_url": "${env.SLACK}"},
        {"kind": "pagerduty", "url": url(http, "/pd"), "routing_key": "${env.PD}"},
        {"kind": "grafana", "url": url(http, "/g"), "token": "${env.GRAFANA}"},
        {"kind": "ping", "ping_url": url(http, "/ping")},
    )
    environment = {
        "HOOK": "hook-secret",
        "SLACK": url(http, "/services/T0/B0/x"),
        "PD": "r" * 32,
        "GRAFANA": "grafana-secret",
    }
    assert deliver(told, FAIL, "target staging", environment) == []
    taken = {path: (method, body, headers) for method, path, body, headers in http.taken}
    assert taken["/hook"][1]["verdict"] == "FAIL"
    assert taken["/hook"][2]["Authorization"] == "Bearer hook-secret"
    assert taken["/services/T0/B0/x"][1] == bodies.slack(FAIL)
    assert taken["/pd"][1]["routing_key"] == "r" * 32
    assert taken["/g/api/annotations"][2]["Authorization"] == "Bearer grafana-secret"
    assert taken["/ping"][0] == "GET"
    assert len(http.taken) == 6


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_no_success_is_told_without_the_address(http, status):
    """The address is Slack's secret."""
    http.status = status
    secret = url(http, "/services/T0/B0/secret-part")
    (line,) = deliver(
        receivers({"kind": "slack", "webhook_url": "${env.S}"}), FAIL, "t", {"S": secret}
    )
    assert line == f"notify.to.0 (slack): answered {status}"
    assert redact.redacted(f"see {secret}") == f"see {url(http)}***"


def test_a_receiver_that_is_not_there_keeps_none_of_the_others(http):
    """Nor does one whose variable is not set; each is named."""
    told = receivers(
        {"kind": "webhook", "url": "http://127.0.0.1:1/x"},
        {"kind": "slack", "webhook_url": "${env.NOT_SET}"},
        {"kind": "webhook", "url": url(http, "/there")},
    )
    lines = sorted(deliver(told, FAIL, "target staging", {}))
    assert [path for _, path, _, _ in http.taken] == ["/there"]
    assert lines[0] == "notify.to.0 (webhook): no answer (ConnectError)"
    assert "notify.to.1.webhook_url" in lines[1]
    assert len(lines) == 2


def test_a_receiver_that_hangs_is_left_behind(monkeypatch):
    """The end of a drill waits a bounded time."""
    over = threading.Event()
    monkeypatch.setitem(SENDERS, "webhook", lambda to, message: over.wait(60))
    monkeypatch.setattr(delivering, "DELIVER_S_MAX", 0.05)
    try:
        (line,) = deliver(
            receivers({"kind": "webhook", "url": "http://127.0.0.1:1/"}), FAIL, "t", {}
        )
    finally:
        over.set()
    assert line == "notify.to.0 (webhook): not told within 0.05 s"


class _Post(socketserver.StreamRequestHandler):
    """As much of SMTP as one letter needs."""

    def handle(self):
        self.say("220 here")
        letter = []
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "DATA":
                self.say("354 go on")
                while (part := self.rfile.readline().decode()) not in (".\r\n", ""):
                    letter.append(part)
                self.server.letters.append("".join(letter))
                self.say("250 taken" if self.server.takes else "554 refused")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def post_office():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Post)
    server.letters, server.takes = [], True
    with serving(server):
        yield server


def email(server, **more):
    told = {"kind": "email", "host": "127.0.0.1", "port": server.server_address[1]}
    told |= {"security": "none", "from": "muster@example.com", "to": ["sre@example.com"]}
    return receivers(told | more)


def test_a_letter_is_posted_by_smtp(post_office):
    """With verdict and reasons in it."""
    assert deliver(email(post_office), FAIL, "t", {}) == []
    (letter,) = post_office.letters
    assert "Subject: [Muster] FAIL: region_failover on staging" in letter
    assert "rate_5xx dark" in letter


def test_a_letter_that_is_refused_is_told(post_office):
    """Also where the server offers no encryption, though it was asked for: nothing is sent."""
    post_office.takes = False
    assert deliver(email(post_office), FAIL, "t", {}) == ["notify.to.0 (email): answered 554"]
    (line,) = deliver(email(post_office, security="starttls"), FAIL, "t", {})
    assert line.startswith("notify.to.0 (email): no answer")
    assert len(post_office.letters) == 1


@pytest.mark.parametrize(
    ("told", "key"),
    [
        ({"to": []}, "to"),
        ({"to": [{"kind": "slak", "webhook_url": "https://x.example.com"}]}, "to.0.kind"),
        ({"to": [{"kind": "ping"}]}, "to.0.ping_url"),
        ({"report_url": "https://x.example.com", "to": []}, "report_url"),
    ],
)
def test_a_section_that_does_not_fit_is_refused(told, key):
    """With the key."""
    with pytest.raises(BadInput, match=key):
        parse(Notify, told, "t")


@pytest.fixture
def bundle(tmp_path):
    """A drill on a target; its end was judged."""
    made = make_bundle(tmp_path / "a")
    write_verdict(made, judge(made))
    return made


def with_receivers(bundle, *told):
    """The bundle's own target, with these to be told."""
    file = bundle / "target.yaml"
    section = {"report_url": "https://drills.example.com/{drill_id}/", "to": list(told)}
    file.write_text(f"{file.read_text()}\nnotify: {json.dumps(section)}\n")


def test_the_end_of_a_drill_is_told_to_whom_its_target_names(http, bundle):
    """With the phases of its ledger, and where its report is."""
    with_receivers(bundle, {"kind": "webhook", "url": url(http, "/all"), "when": "always"})
    telling.tell(bundle)
    ((_, path, body, _),) = http.taken
    assert (path, body["verdict"], body["occasion"]) == ("/all", "PASS", "passed")
    assert body["report_url"] == f"https://drills.example.com/{bundle.name}/"
    assert {"baseline", "evacuate", "dark"} <= {span["name"] for span in body["phases"]}


def test_a_failed_drill_says_why_and_how_much_more(http, bundle):
    """What stopped it and what is not back come first."""
    with_receivers(bundle, {"kind": "webhook", "url": url(http)})
    told = json.loads((bundle / "verdict.json").read_text())
    told |= {"verdict": "ROLLBACK_FAILED", "stopped_by": "trigger:5xx"}
    told["undo"]["pending"] = ["u3"]
    told["unknowns"] = ["a reason"] * 9
    (bundle / "verdict.json").write_text(json.dumps(told))
    telling.tell(bundle)
    reasons = http.taken[0][2]["reasons"]
    assert reasons[0] == "stopped by trigger:5xx"
    assert reasons[1].startswith("NOT BACK: u3")
    assert reasons[-1].endswith("more")
    assert len(reasons) == telling.REASONS_MAX + 1


def test_the_first_pass_after_a_failure_is_told(http, bundle):
    """By what the bundle's own comparison says of the drill before."""
    with_receivers(bundle, {"kind": "webhook", "url": url(http)})
    telling.tell(bundle)
    assert http.taken == []
    against = {"schema_version": 1, "last_passed": "", "before": "x", "verdict_before": "FAIL"}
    (bundle / "comparison.json").write_text(json.dumps(against | {"rows": []}))
    telling.tell(bundle)
    assert (
        http.taken[0][2]["title"] == "PASS, again: region_failover on " + http.taken[0][2]["target"]
    )


def test_no_receiver_changes_a_verdict(tmp_path, caplog):
    """Not there, not set, or a target that cannot be read: the drill ends as it ended."""
    made = make_bundle(tmp_path / "a")
    verdict = judge(made).verdict
    with_receivers(
        made,
        {"kind": "webhook", "url": "http://127.0.0.1:1/", "when": "always"},
        {"kind": "ping", "ping_url": "${env.NOT_SET_ANYWHERE}"},
    )
    assert conclude(made).verdict == verdict
    assert check_seal(made).intact
    assert caplog.text.count("notify:") == 2
    (made / "target.yaml").write_text("no target")
    telling.tell(made)
    assert caplog.text.count("notify:") == 3


def test_a_missing_variable_of_a_receiver_keeps_no_drill_from_its_secrets():
    """A drill starts and a recovery restores without it."""
    document = shared_document("http://127.0.0.1:1")
    document["notify"] = {"to": [{"kind": "slack", "webhook_url": "${env.NOT_SET_ANYWHERE}"}]}
    target = Target.model_validate(document)
    environment = dict.fromkeys(re.findall(r"env\.(\w+)", json.dumps(document)), "x" * 8)
    del environment["NOT_SET_ANYWHERE"]
    assert targets.resolve(target, environment=environment).notify == target.notify


@pytest.mark.parametrize(
    ("receiver", "key"),
    [
        ({"kind": "slack", "webhook_url": "https://hooks.example.com/T0"}, "to.0.webhook_url"),
        ({"kind": "ping", "ping_url": "https://ping.example.com/uuid"}, "to.0.ping_url"),
        ({"kind": "pagerduty", "routing_key": "r" * 32}, "to.0.routing_key"),
    ],
)
def test_a_secret_that_stands_in_the_file_is_refused(tmp_path, receiver, key):
    """Its value is not repeated."""
    example = (home.root() / "targets/staging.example.yaml").read_text()
    file = tmp_path / "t.yaml"
    file.write_text(f"{example}\nnotify: {json.dumps({'to': [receiver]})}\n")
    with pytest.raises(BadInput) as refused:
        targets.load(str(file))
    assert f"notify.{key}: got 'a literal'" in str(refused.value)


def test_chaos_toolkits_settings_tell_too(http, bundle, monkeypatch, caplog):
    """When the run has ended, of the drill of this process, and never of an older one."""
    settings = {"type": "plugin", "module": "muster.controls.notifications"}
    settings["to"] = [{"kind": "webhook", "url": url(http, "/s"), "when": "always"}]
    chaostoolkit = {"notifications": [settings]}
    notify(chaostoolkit, RunFlowEvent.RunCompleted, {})
    assert http.taken == []
    monkeypatch.setattr(drills, "_last_bundle", bundle)
    notify(chaostoolkit, RunFlowEvent.RunStarted, {})
    assert http.taken == []
    notify(chaostoolkit, RunFlowEvent.RunDeviated, {})
    assert [path for _, path, _, _ in http.taken] == ["/s"]
    settings["to"][0]["kind"] = "webhok"
    notify(chaostoolkit, RunFlowEvent.RunDeviated, {})
    assert "settings.yaml: notifications: to.0.kind" in caplog.text
