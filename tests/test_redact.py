"""No secret of a target shows in any text: marked in every URL, looked for in every message."""

from __future__ import annotations

import logging

import pytest
import yaml
from floor_fixtures import NOWHERE, REGION, free_port
from shared_targets import shared_document

from muster import aws, home, redact, targets
from muster.errors import BadInput, DrillAborted, MusterError
from muster.faults.drain import Drain
from muster.faults.proxies import proxy_of
from muster.ledger import Ledger, read_ledger
from muster.platform import platform_of
from muster.platform.metrics.prometheus import Prometheus
from muster.platform.steering.route53 import Route53
from muster.redact import Redacting, redacted, redacted_data
from muster.targets import Target, resolve
from muster.targets.check import texts
from muster.undo import UndoHeader, UndoLog

SHOWS = "s3cr3t-marker"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pw@host/x: refused", "https://***@host/x: refused"),
        ("redis://:pw@127.0.0.1:6379/0", "redis://***@127.0.0.1:6379/0"),
        ("GET http://h/x?token=abc: HTTP 500", "GET http://h/x?***: HTTP 500"),
        ("'https://u:p@h/a?b=c' and https://h2", "'https://***@h/a?***' and https://h2"),
        ("mail someone@example.com about http://h/x", "mail someone@example.com about http://h/x"),
        ("is it http://h/x ? yes", "is it http://h/x ? yes"),
    ],
)
def test_a_url_shows_without_its_user_and_query(text, shown):
    """What stands before @, and the query, is left out; everything else stays."""
    assert redacted(text) == shown


def test_a_secret_known_by_its_value_shows_nowhere():
    """Also where a library quotes a part of a URL; a short value blots nothing out."""
    redact.keep_url("https://user:hunter22@host/x?k=longer-value")
    redact.keep("abc")
    assert redacted("url: /x?k=longer-value (hunter22)") == "url: /x?k=*** (***)"
    assert redacted("abc") == "abc"
    assert redacted_data({"a": ["hunter22", ("x", 1)]}) == {"a": ["***", ["x", 1]]}


def test_errors_ledger_and_undo_log_hold_no_secret(tmp_path):
    """Whoever writes them."""
    redact.keep_url("https://user:hunter22@host/")
    said = "https://user:hunter22@host/ hunter22"
    for error in (MusterError(said), DrillAborted("x", said), BadInput("f", "k", said, said)):
        assert "hunter22" not in f"{error} {error!r} {getattr(error, 'detail', '')}"
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append("check", detail=said, deep=[{"why": said}])
    undo = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d", "t", "f"))
    undo.mark(undo.add("k", "s", {}), "failed", said)
    assert read_ledger(ledger.path).events
    for name in ("ledger.jsonl", "undo.jsonl"):
        assert "hunter22" not in (tmp_path / name).read_text()


def test_log_lines_and_tracebacks_hold_no_secret(caplog):
    """Arguments and exceptions of a line too, also those of libraries."""
    redact.keep("hunter22")
    logger = logging.getLogger("muster-test-redact")
    logger.addFilter(Redacting())
    try:
        raise ValueError("url: /x?hunter22")
    except ValueError as error:
        logger.exception("%s and %s", error, "https://a:b@c/")
    assert "hunter22" not in caplog.text
    assert "a:b" not in caplog.text
    assert "***" in caplog.text


def urls_of(document):
    """Every key of the testbed's target that holds a URL."""
    found = Target.model_validate(document).model_dump(by_alias=True)
    return [key for key, text in texts(found) if key.endswith("url") and text]


def a_document():
    """A target off the testbed whose every URL leads nowhere."""
    data = yaml.safe_load((home.root() / "targets" / "staging.example.yaml").read_text())
    data["public_url"] = f"{NOWHERE}/v1/chat/completions"
    data["prometheus"]["url"] = NOWHERE
    data["steering"]["endpoint_url"] = data["shared"]["endpoint_url"] = NOWHERE
    for region in data["regions"].values():
        region["ready_url"] = region["drain"]["url"] = region["toxiproxy"]["url"] = NOWHERE
        region["redis_url"] = "redis://127.0.0.1:9"
    return data


TOKENS = {f"MUSTER_{name}_TOKEN": f"token-of-{name}" for name in ("LOAD", "CANARY", "ADMIN")}


def put(data, key, value):
    *path, last = key.split(".")
    for part in path:
        data = data[part]
    data[last] = value


def dug(data, key):
    for part in key.split("."):
        data = data[part]
    return data


@pytest.mark.parametrize("key", urls_of(a_document()))
def test_a_literal_password_is_refused_in_every_url(key, tmp_path):
    """It would stand in the bundle's copy of the target; the line names the key, not the value."""
    data = a_document()
    scheme, _, rest = dug(data, key).partition("://")
    put(data, key, f"{scheme}://user:{SHOWS}@{rest}")
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(BadInput) as refused:
        targets.load(str(tmp_path / "t.yaml"))
    assert SHOWS not in str(refused.value)
    assert key in str(refused.value)


@pytest.mark.parametrize("key", urls_of(a_document()))
def test_a_password_from_the_environment_shows_in_no_text(key):
    """Filled in, it is used or refused; neither names it."""
    data = a_document()
    scheme, _, rest = dug(data, key).partition("://")
    put(data, key, scheme + "://user:${env.PW}@" + rest)
    said, used = "", True
    try:
        target = Target.model_validate(data)
        filled = str(resolve(target, environment={"PW": SHOWS, **TOKENS}).model_dump())
        used = SHOWS in filled
        said = redacted(filled)
    except BadInput as refused:
        said = str(refused)
    assert used
    assert SHOWS not in said
    assert "token-of-LOAD" not in said


def test_urls_whose_clients_send_no_password_take_none():
    """The public name and AWS: one line says that it would not be sent."""
    for key in ("public_url", "steering.endpoint_url", "shared.endpoint_url"):
        data = a_document()
        put(data, key, "http://user:${env.PW}@127.0.0.1:9/")
        with pytest.raises(BadInput, match="they would not be sent") as refused:
            resolve(Target.model_validate(data), environment={"PW": SHOWS, **TOKENS})
        assert SHOWS not in str(refused.value)


@pytest.mark.parametrize("key", ["prometheus.url", "steering.endpoint_url"])
def test_a_url_that_paths_are_put_behind_has_no_query(key):
    """`?` would swallow the path; a path prefix is kept, without its last slash."""
    data = a_document()
    put(data, key, f"{NOWHERE}/?x=1")
    with pytest.raises(ValueError, match="paths are put behind it"):
        Target.model_validate(data)
    put(data, key, f"{NOWHERE}/eu/")
    assert dug(Target.model_validate(data).model_dump(), key) == f"{NOWHERE}/eu"


def messages_of(target):
    """What each part says when nobody answers at its URL."""

    def steering():
        Route53(target.steering).weights()

    parts = {
        "prometheus": lambda: Prometheus(target.prometheus.url, 0.5).ready(),
        "query": lambda: Prometheus(target.prometheus.url, 0.5).instant("up"),
        "drain": lambda: Drain(platform_of(target), REGION).shown(),
        "toxiproxy": lambda: proxy_of(target, REGION, "redis").state(),
        "steering": steering,
    }  # fmt: skip
    for name, call in parts.items():
        with pytest.raises(MusterError) as raised:
            call()
        yield name, f"{raised.value} {redacted(repr(raised.value.__cause__))}"


def test_no_message_of_a_part_that_does_not_answer_holds_a_secret(monkeypatch):
    """Metrics, hooks, proxies, steering: asked with a password where nobody listens."""
    monkeypatch.setattr(aws, "ATTEMPTS_MAX", 1)
    data = a_document()
    place = f"user:{SHOWS}@127.0.0.1:{free_port()}"
    data["prometheus"]["url"] = f"http://{place}/prom"
    data["steering"]["endpoint_url"] = f"http://127.0.0.1:{free_port()}/r53"
    region = data["regions"][REGION]
    region["drain"]["url"] = f"http://{place}/drain?token={SHOWS}"
    region["toxiproxy"]["url"] = f"http://{place}/tp"
    resolved = resolve(Target.model_validate(data), environment=TOKENS)
    for name, said in messages_of(resolved):
        assert SHOWS not in said, name


def test_a_word_of_a_command_from_the_environment_is_taken_for_a_secret():
    """Nobody says whether it is one: no text shows it, and the line by hand names the variable."""
    data = shared_document(NOWHERE)
    for region in data["regions"].values():
        region["power"] = region["drain"] = {
            "kind": "command",
            "argv": ["/opt/switch", "--as", "${env.SWITCH_TOKEN}", "it's it"],
        }
    environment = {"SWITCH_TOKEN": "s3cr3t-t0ken", "PATH": "another"}
    shown = resolve(Target.model_validate(data), environment=environment)
    assert shown.regions[REGION].power.argv[2] == "s3cr3t-t0ken"
    assert redacted("refused: s3cr3t-t0ken") == "refused: ***"
    platform = platform_of(shown)
    assert platform.power[REGION].command({}) is None, "no variable of this process holds it"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWITCH_TOKEN", "s3cr3t-t0ken")
        words = "/opt/switch --as \"$SWITCH_TOKEN\" 'it'\"'\"'s it'"
        assert platform.power[REGION].command({}) == f"{words} start {REGION}"
        assert platform.drain[REGION].command() == f"{words} drain {REGION} serving"
