"""`chaos drill init` on what LiteLLM, Envoy and OpenTelemetry really show, by a real Prometheus."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from first_hour import EDITS, edited
from floor_fixtures import free_port, stand_in
from scraped import Scraped, prometheus_of
from test_foreign_plan import MASTER, PROGRAMS

from muster import contract, home, targets
from muster.cli import drill
from muster.errors import BadInput
from muster.init.text import LOAD_SIGNALS, MARK, marked
from muster.targets.signals import SIGNALS_CLIENT, SIGNALS_SERVER
from muster.testbed.design import config as settings
from muster.testbed.design.layout import endpoints
from muster.testbed.design.parts import Secrets
from muster.testbed.design.ports import Ports
from muster.testbed.foreign import layout

REGIONS = ("eu-west-1", "eu-central-1")
URL = "http://chat.foreign.test:7700/v1/chat/completions"
FOREIGN = targets.load("foreign")


def scraped(*names: str, label: str = "region") -> list[Scraped]:
    """Each exposition once a region."""
    return [Scraped(name, {label: region}) for region in REGIONS for name in names]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Prometheus of the foreign testbed, as it was recorded."""
    folder = tmp_path_factory.mktemp("foreign")
    with prometheus_of(folder, scraped("foreign/litellm", "foreign/envoy")) as url:
        yield url


def run(file: Path, *options: str, name: str = "shop", stdin: str | None = None) -> Result:
    """The command, its file at `file`."""
    told = ["init", name, "--output", str(file), *options]
    return CliRunner().invoke(drill, told, input=stdin)


def options(url: str, *more: str) -> tuple[str, ...]:
    """All that the foreign platform's person knows."""
    regions = [part for region in REGIONS for part in ("--region", region)]
    return ("--prometheus", url, *regions, "--public-url", URL, "--model", "muster-stub", *more)


def written(file: Path) -> dict[str, Any]:
    """The file that was written, as data."""
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


# The foreign platform


def test_the_foreign_platforms_signals_are_those_of_its_target(
    foreign: str, tmp_path: Path
) -> None:
    """Envoy counts, LiteLLM times, a region is one process, canaries are left out."""
    file = tmp_path / "t.yaml"
    done = run(file, *options(foreign, *ready_of(REGIONS)))
    assert done.exit_code == 0, done.output
    made = targets.load(str(file))
    for signal in SIGNALS_SERVER:
        if signal in FOREIGN.declared:
            assert signal in made.declared
        else:
            assert made.signals[signal] == FOREIGN.signals[signal], signal
    assert "track_remaining" not in done.output  # the limit is shown, so it is set
    for signal in SIGNALS_CLIENT:
        assert made.signals[signal] == FOREIGN.signals[signal]
    assert made.prometheus.scrape_interval_s == 1.0


def test_under_ten_lines_are_edited_for_the_foreign_platform(foreign: str, tmp_path: Path) -> None:
    """What is edited makes it the target that a drill on the foreign testbed runs with."""
    file = tmp_path / "t.yaml"
    own = targets.resolve(FOREIGN, testbed=places())
    ready = [part for r in REGIONS for part in ("--ready", f"{r}={own.regions[r].ready_url}")]
    more = (*ready, "--region-header", "x-served-by", "--streams", "60")
    assert run(file, *options(foreign, *more)).exit_code == 0
    before = file.read_text().splitlines()
    after = edited(before, own)
    changed = [line for line in difflib.ndiff(before, after) if line.startswith("+ ")]
    assert len(changed) == EDITS, changed
    file.write_text("\n".join(after))
    tokens = {
        "MUSTER_LOAD_TOKEN": "a",
        "MUSTER_CANARY_TOKEN": "b",
        "CONTROL_TOKEN": "control-secret",
    }
    made = targets.resolve(targets.load(str(file)), environment=tokens)
    for region in REGIONS:
        for key in ("ready_url", "power", "drain"):
            assert getattr(made.regions[region], key) == getattr(own.regions[region], key)
    assert (made.route53.zone, made.route53.record) == (own.route53.zone, own.route53.record)
    for key in ("dns_server", "file_sd", "metrics_host", "region_header", "model"):
        assert getattr(made.load, key) == getattr(own.load, key)
    assert (made.evacuate, made.public_url) == (own.evacuate, own.public_url)
    for key in ("regions", "zones", "records"):
        assert getattr(made.blast_radius, key) == getattr(own.blast_radius, key)
    profile = contract.find_profile("own", made.profiles, contract.load(), "t.yaml")
    assert profile is not None
    wanted = own.profiles["chat_60"]
    assert (profile.streams, profile.canaries_per_s) == (60, wanted["canaries_per_s"])


def places() -> dict[str, Any]:
    """The endpoints of a foreign testbed."""
    profile = contract.find_profile("chat_60", FOREIGN.profiles, contract.load(), "foreign")
    assert profile is not None
    config = settings.build(FOREIGN, profile, scale=1.0, seed=1, defect=None, owner="test")
    secrets = Secrets("sk-load-secret", "canary-secret", "control-secret")
    return endpoints(layout.lay_out(config, Ports(7700), PROGRAMS, secrets, MASTER), secrets)


def ready_of(regions: tuple[str, ...]) -> list[str]:
    """A readiness URL of each."""
    return [p for r in regions for p in ("--ready", f"{r}=https://{r}.example.com/readyz")]


def test_what_nobody_can_know_is_a_line_of_the_loader_each(foreign: str, tmp_path: Path) -> None:
    """The file can be read: nothing is wrong but what is missing, and the command says the same."""
    file = tmp_path / "t.yaml"
    done = run(file, *options(foreign))
    with pytest.raises(BadInput) as caught:
        targets.load(str(file))
    keys = [one.key for one in caught.value.each]
    assert keys == [f"regions.{region}.ready_url" for region in REGIONS]
    for key in keys:
        assert f"- {key}: expected this key to be given" in done.output
    for mark in marked(file.read_text()):
        assert mark.startswith(MARK)
        assert f"- {mark}" in done.output


def test_regions_that_are_not_told_are_those_of_the_label(foreign: str, tmp_path: Path) -> None:
    """And a person at no terminal is asked nothing."""
    told = [one for one in options(foreign) if one not in ("--region", *REGIONS)]
    assert run(tmp_path / "t.yaml", *told).exit_code == 0
    assert set(written(tmp_path / "t.yaml")["regions"]) == set(REGIONS)


def test_at_a_terminal_what_is_missing_is_asked(
    foreign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prometheus, regions, public URL and model; what was given is not asked for."""
    monkeypatch.setattr("muster.cli.init._at_a_terminal", lambda: True)
    answers = f"{foreign}\neu-west-1, eu-central-1\n{URL}\n"
    done = run(tmp_path / "t.yaml", "--model", "muster-stub", stdin=answers)
    assert done.exit_code == 0, done.output
    assert "URL to which clients send requests:" in done.output
    assert "Model that the load requests:" not in done.output
    assert list(written(tmp_path / "t.yaml")["regions"]) == list(REGIONS)


def test_a_file_that_is_there_is_left_alone_without_force(foreign: str, tmp_path: Path) -> None:
    """Hours of edits may be in it."""
    file = tmp_path / "t.yaml"
    file.write_text("mine")
    done = run(file, *options(foreign))
    assert (done.exit_code, file.read_text()) == (2, "mine")
    assert (
        f"--output: got '{file}', expected a file that does not exist yet, or --force"
        in done.output
    )
    assert run(file, *options(foreign), "--force").exit_code == 0
    assert "signals:" in file.read_text()


# Other platforms


def test_default_edges_and_another_label_for_regions(tmp_path: Path) -> None:
    """What must be set stands on the console and in the file; `cluster` is their region."""
    folder = tmp_path / "p"
    folder.mkdir()
    with prometheus_of(folder, scraped("litellm", "envoy", label="cluster")) as url:
        done = run(tmp_path / "t.yaml", *options(url))
    wanted = (
        "first_token has no bucket edge at 2.5, 3 s. LiteLLM: set "
        "litellm_settings.prometheus_latency_buckets, in seconds",
        "completion has no bucket edge at 15, 18, 20 s. LiteLLM: set",
    )
    words = " ".join(tmp_path.joinpath("t.yaml").read_text().replace("\n#  ", "").split())
    for line in wanted:
        assert f"- {line}" in done.output
        assert line in words
    signals = written(tmp_path / "t.yaml")["signals"]
    assert signals["requests"]["labels"] == {"code": "envoy_response_code", "region": "cluster"}
    assert signals["requests"]["owner"] == signals["first_token"]["owner"] == ["cluster"]
    assert "api_key_alias" not in signals["first_token"]["select"]


def test_one_service_by_opentelemetry_needs_no_owner(tmp_path: Path) -> None:
    """It counts and times in one process; its limit of streams is missing, with a hint."""
    folder = tmp_path / "p"
    folder.mkdir()
    with prometheus_of(folder, scraped("otel_genai")) as url:
        done = run(tmp_path / "t.yaml", *options(url, *ready_of(REGIONS)))
    assert "recognised: OpenTelemetry GenAI\n" in done.output
    assert "the SDK's default ones are meant for milliseconds" in done.output
    signals = written(tmp_path / "t.yaml")["signals"]
    assert signals["requests"]["select"].endswith('{http_route="/v1/chat/completions"}')
    assert "owner" not in signals["requests"]
    assert "streams_limit" not in signals
    assert f"{MARK} streams_limit: no recognised product exports it" in done.output
    assert "- signals.streams_limit: expected a PromQL selector: it is judged" in done.output


def test_a_prometheus_that_shows_none_of_them_says_what_would_be_known(tmp_path: Path) -> None:
    """No signal is made up: every one is missing, and the file says what to scrape."""
    folder = tmp_path / "p"
    folder.mkdir()
    with prometheus_of(folder, scraped("foreign/dns")) as url:
        done = run(tmp_path / "t.yaml", *options(url))
    assert done.exit_code == 0
    assert "recognised: no product" in done.output
    assert "LiteLLM (/metrics/, port 4000)" in done.output
    assert set(written(tmp_path / "t.yaml")["signals"]) == set(LOAD_SIGNALS)
    for signal in SIGNALS_SERVER:
        assert f"- signals.{signal}: expected a PromQL selector: it is judged" in done.output


# Bad input


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    """A line for each option; nobody is asked."""
    wrong = (
        *("--prometheus", "prometheus:9090", "--region", "eu-west-1", "--region", "eu-west-1"),
        *("--public-url", "chat.example.com", "--header", "tenant", "--ready", "eu-west-2=x"),
        *("--bearer", "A", "--basic", "me:B", "--streams", "0", "--key-file", "k.pem"),
    )
    done = run(tmp_path / "t.yaml", *wrong, name="My Shop")
    assert done.exit_code == 2
    lines = done.output.splitlines()
    for begins in (
        "chaos drill: NAME: got 'My Shop', expected a target name of lower-case letters",
        "--prometheus: url: got 'prometheus:9090', expected a URL that begins http:// or https://",
        "--basic: got 'me:B', expected only one of --bearer and --basic",
        "--header: got 'tenant', expected NAME: VALUE",
        "--public-url: got 'chat.example.com', expected a URL",
        "--model: got None, expected the model that the load requests",
        "--region: got 'eu-west-1', expected each region only once",
        "--ready: got 'eu-west-2=x', expected a URL",
        "--ready: got 'eu-west-2=x', expected REGION=URL, REGION one of eu-west-1, eu-west-1 "
        "(did you mean eu-west-1?)",
        "--streams: got 0, expected 1 or more open streams",
    ):
        assert any(line.startswith(begins) for line in lines), (begins, lines)
    assert any("certificate_file beside key_file" in line for line in lines)
    assert not (tmp_path / "t.yaml").exists()


@pytest.mark.parametrize(
    "told",
    [
        ("--prometheus", "https://me:hunter2@prometheus.example.com"),
        ("--prometheus", "https://prometheus.example.com", "--bearer", "hunter2-hunter2"),
        ("--prometheus", "https://prometheus.example.com", "--basic", "me:hunter2!"),
        ("--prometheus", "https://prometheus.example.com", "--header", "X-Api-Key: hunter2"),
    ],
)
def test_a_secret_on_the_command_line_is_refused_and_not_shown(
    tmp_path: Path, told: tuple[str, ...]
) -> None:
    """It would stand in the file, and in the shell's history."""
    rest = options("x")[2:]
    done = run(tmp_path / "t.yaml", *told, *rest)
    assert done.exit_code == 2
    assert "hunter2" not in done.output
    assert not (tmp_path / "t.yaml").exists()


def test_one_region_is_not_enough(foreign: str, tmp_path: Path) -> None:
    """One must stay."""
    told = ("--prometheus", foreign, "--region", "eu-west-1", "--public-url", URL, "--model", "m")
    done = run(tmp_path / "t.yaml", *told)
    assert done.exit_code == 2
    assert "--region: got 'eu-west-1', expected two regions or more" in done.output


def test_a_region_that_no_label_shows_is_marked_with_what_it_shows(
    foreign: str, tmp_path: Path
) -> None:
    """A slip of the pen is seen by what stands there instead."""
    told = (*options(foreign)[:2], "--region", "eu-west1", "--region", "eu-central-1")
    done = run(tmp_path / "t.yaml", *told, *options(foreign)[6:])
    told = "no label identifies the regions eu-west1, eu-central-1"
    assert (
        f"{MARK} requests: {told} (the label region has the values eu-central-1, eu-west-1)"
        in done.output
    )
    assert "Envoy needs a label with the region" in done.output


def test_a_prometheus_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    """Nothing is written, and the exit code is 2."""
    done = run(tmp_path / "t.yaml", *options(f"http://127.0.0.1:{free_port()}"))
    assert done.exit_code == 2
    assert done.output.startswith("chaos drill: --prometheus: http://127.0.0.1:")
    assert len(done.output.splitlines()) == 1
    assert not (tmp_path / "t.yaml").exists()


def test_credentials_are_sent_and_stand_in_the_file_by_their_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is read from the environment; without it nothing is asked."""
    asked: list[str] = []

    def answer(call: Any) -> tuple[int, Any]:
        headers = {name.lower(): value for name, value in call.headers.items()}
        asked.append(f"{headers.get('authorization')} {headers.get('x-scope-orgid')}")
        return 200, {"status": "success", "data": {"resultType": "vector", "result": []}}

    with stand_in(answer) as server:
        more = ("--bearer", "PROMETHEUS_TOKEN", "--header", "X-Scope-OrgID: chat")
        monkeypatch.delenv("PROMETHEUS_TOKEN", raising=False)
        done = run(tmp_path / "t.yaml", *options(server.url, *more))
        assert (done.exit_code, asked) == (2, [])
        assert "${env.PROMETHEUS_TOKEN}" in done.output
        monkeypatch.setenv("PROMETHEUS_TOKEN", "s3cr3t-token")
        done = run(tmp_path / "t.yaml", *options(server.url, *more))
    assert done.exit_code == 0, done.output
    assert set(asked) == {"Bearer s3cr3t-token chat"}
    section = written(tmp_path / "t.yaml")["prometheus"]
    assert section["auth"] == {"kind": "bearer", "token": "${env.PROMETHEUS_TOKEN}"}
    assert section["headers"] == {"X-Scope-OrgID": "chat"}
    assert "s3cr3t-token" not in (tmp_path / "t.yaml").read_text() + done.output


def test_several_servers_are_one_a_region(tmp_path: Path) -> None:
    """Each adds its region to series that lack it: none of theirs has a label of the kind."""
    folders = [tmp_path / region for region in REGIONS]
    for folder in folders:
        folder.mkdir()
    names = [Scraped("foreign/litellm"), Scraped("foreign/envoy")]
    with prometheus_of(folders[0], names) as west, prometheus_of(folders[1], names) as central:
        told = ("--prometheus", f"eu-west-1={west}", "--prometheus", f"eu-central-1={central}")
        done = run(tmp_path / "t.yaml", *told, *options("x", *ready_of(REGIONS))[2:])
    assert done.exit_code == 0, done.output
    made = targets.load(str(tmp_path / "t.yaml"))
    assert made.prometheus.servers["eu-west-1"].labels == {"region": "eu-west-1"}
    assert made.signals["requests"] == FOREIGN.signals["requests"]


def test_the_file_goes_to_the_targets_by_default(
    foreign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `--var target=NAME` finds it."""
    for name in ("contract", "presets"):
        (tmp_path / name).symlink_to(home.root() / name)
    (tmp_path / "targets").mkdir()
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path))
    done = CliRunner().invoke(drill, ["init", "shop", *options(foreign, *ready_of(REGIONS))])
    assert done.exit_code == 0, done.output
    assert targets.load("shop").name == "shop"
