"""Bad input to every command: one line that names it and what was expected, exit 2, nothing begun.

The table holds each command with each of its arguments and options; what is missing fails a test.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from bundle_maker import make_bundle, small
from click.testing import CliRunner

from muster import home
from muster.bundle import seal
from muster.cli import drill
from muster.judge.verdict import judge, write_verdict

DRILL = "drills/region_failover.json"
URL = "http://127.0.0.1:9/v1"
LOAD = f"load m1_1k --url {URL}"
INIT = f"init new --prometheus {URL} --public-url {URL} --model m --region a --region b"
HOURS = "'mon-fri 14:00-16:00 UTC'"

# What stands in braces is a file or directory that `world` makes.
TABLE = [
    # Names: of commands, options, targets, gates, tiers, profiles, defects, checks.
    ("statsu", "No such command 'statsu' (did you mean status?)"),
    ("evaporate-all", "No such command 'evaporate-all'; see chaos drill --help"),
    ("--foo judge", "chaos drill: No such option '--foo'"),
    ("judge --unseald {bundle}", "'--unseald'", "'--unsealed'?"),
    ("contract shwo", "chaos drill contract: No such command 'shwo'", "'show'?"),
    ("key mew", "chaos drill key: No such command 'mew'", "'new'?"),
    ("judge", "chaos drill judge: Missing argument 'BUNDLE'; see chaos drill judge --help"),
    ("judge {bundle} more", "unexpected extra argument (more)"),
    *(
        (f"{command} --target testbd", "target: got 'testbd'", "(did you mean testbed?)")
        for command in (
            *("up", "down", "status", "watch", "abort", "recover", "standby"),
            "unlock --holder x",
        )
    ),
    ("doctor testbd", "target: got 'testbd'", "(did you mean testbed?)"),
    ("promotion testbd", "target: got 'testbd'", "(did you mean testbed?)"),
    (f"slo testbd --tier X --window {HOURS}", "(did you mean testbed?)"),
    (f"plan {DRILL} --var target=testbd", "target: got 'testbd'", "(did you mean testbed?)"),
    ("up --profile m3_20", "--profile: got 'm3_20'", "(did you mean m3_20k?)"),
    ("up --defect queue_stck", "--defect: got 'queue_stck'", "(did you mean queue_stuck?)"),
    ("load m3_20 --url http://127.0.0.1:9", "PROFILE: got 'm3_20'", "(did you mean m3_20k?)"),
    ("gate m4 {bundle}", "GATE: got 'm4', expected one of m1, m2, m3"),
    ("gate m3 {bundle} --accept queue_aeg", "'queue_aeg'", "(did you mean queue_age?)"),
    ("promotion {staging} --gate m9", "--gate: got 'm9', expected one of M1, M2, M3"),
    ("promotion {staging} --tier Q", "--tier: got 'Q', expected one of"),
    (f"slo {{staging}} --tier Q --window {HOURS}", "--tier: got 'Q', expected one of"),
    # Settings of a drill.
    (f"plan {DRILL} --var sclae=1", "--var: sclae", "(did you mean scale?)"),
    (f"plan {DRILL} --var scale", "--var: got 'scale', expected KEY=VALUE"),
    (f"plan {DRILL} --var scale=many", "MUSTER_SCALE): scale: got 'many'", "a number"),
    (f"plan {DRILL} --var profile=m3_20", "profile: got 'm3_20'", "(did you mean m3_20k?)"),
    (f"plan {DRILL} --var defect=queue_stck", "defect:", "(did you mean queue_stuck?)"),
    (f"doctor testbed --drill {DRILL} --var sclae=1", "(did you mean scale?)"),
    # A drill's file.
    ("plan drills/region_failovr.json", "(did you mean drills/region_failover.json?)"),
    ("plan {dir}", "{dir}: got 'Is a directory', expected a drill's file"),
    ("plan {truncated}", "{truncated}: line 1, column 16: got 'Unterminated string"),
    ("plan {binary}", "{binary}: got", "expected a JSON document in UTF-8"),
    ("plan {list}", "{list}: got [], expected a drill"),
    ("plan {loop}", "{loop}: got 'Too many levels of symbolic links'"),
    ("plan {text}", "{text}: got '.txt', expected a name that ends in .json"),
    ("plan {huge_minutes}", "provider.arguments.minutes: got 1000", "expected a number"),
    ("plan {listed_arguments}", "provider.arguments: got [{{}}], expected a mapping"),
    ("plan {text_provider}", "provider: got 'x', expected a mapping"),
    ("plan {listed_settings}", "{listed_settings}: configuration: got", "settings that can be"),
    (f"plan {DRILL} --var target={'a' * 300}", "target: got 'aaa", "or a name in targets/"),
    (f"recover --target {'a' * 300}.yaml", "target: got 'aaa", "expected an existing target file"),
    ("plan http://127.0.0.1:9/drill.json", "127.0.0.1:9/drill.json: got", "at this address"),
    ("doctor testbed --drill {truncated}", "{truncated}: line 1, column 16"),
    # Files of targets and contracts.
    ("watch --target testbed", "--target: got 'testbed', expected a target on which a drill runs"),
    ("watch --serve 70000", "--serve", "70000 is not in the range"),
    ("status --target {dir}", "target: got '{dir}'", "a path that ends in .yaml"),
    ("status --target {other_target}", "schema_version: got 99, expected 1"),
    ("status --target targets/stagng.example.yaml", "(did you mean", "staging.example.yaml?)"),
    ("contract check /nosuch.yaml", "/nosuch.yaml: got 'No such file or directory'"),
    ("contract check {dir}", "'{dir}' is a directory"),
    ("contract check {binary}", "{binary}: got"),
    ("contract check {other_contract}", "schema_version: got 99, expected 1"),
    ("contract show --contract {truncated}", "{truncated}: line 1", "valid YAML"),
    ("contract export {file}", "{file}: got 'File exists'"),
    ("contract export {new} --contract /nosuch.yaml", "/nosuch.yaml"),
    # Bundles.
    ("judge /nosuch", "chaos drill: /nosuch: got 'No such file or directory'", "evidence"),
    ("judge {bundle}s", "(did you mean {bundle}?)"),
    ("judge {file}", "{file}: got 'a file', expected the directory of a drill's evidence"),
    ("judge {dir}", "{dir}: got 'a directory without manifest.json and ledger.jsonl'"),
    ("judge {other_seal}", "{other_seal}/manifest.json: schema_version: got 99, expected 1"),
    ("judge {bundle} --contract /nosuch.yaml", "/nosuch.yaml"),
    ("judge {bundle} --key /nosuch.pem", "/nosuch.pem: --key", "Ed25519 public key"),
    ("report /nosuch", "/nosuch: got 'No such file or directory'"),
    ("report {other_verdict}", "verdict.json: schema_version: got 99, expected 1"),
    ("report {bundle} --key {dir}", "'{dir}' is a directory"),
    ("gate m3 /nosuch", "/nosuch: got 'No such file or directory'"),
    ("gate m3 {bundle} {bundle}", "BUNDLE: got", "each bundle once"),
    ("gate m3 {bundle} --contract {dir}", "'{dir}' is a directory"),
    ("gate m3 {bundle} --age-days-max old", "--age-days-max", "'old'"),
    ("gate m3 {bundle} --age-days-max nan", "--age-days-max: got nan"),
    ("gate m3 {bundle} --key {text}", "{text}: --key"),
    ("gate m3 {bundle} --out /nosuch/answer.json", "--out: got '/nosuch/answer.json'"),
    ("history --out /nosuch", "--out: got '/nosuch', expected a directory"),
    ("history --out {file}", "--out: got '{file}', expected a directory"),
    ("history --out {bundles}s", "(did you mean {bundles}?)"),
    ("history --out {bundles} --target testbd", "--target:", "(did you mean testbed?)"),
    ("history --out {bundles} --drill region", "'region', expected one of those drilled"),
    ("history --out {bundles} --profile m3", "--profile: got 'm3', expected one of those drilled"),
    ("history --verdict PASED", "--verdict", "'PASED'"),
    ("history --since yesterday", "--since: got 'yesterday', expected a day"),
    ("history --last 0", "--last", "0 is not in the range x>=1"),
    ("compare {bundle} /nosuch", "compare: got '/nosuch', expected a drill in"),
    ("compare bundel latest --out {bundles}", "(did you mean bundle?)"),
    ("compare {bundle} {dir}", "{dir}: got"),
    ("compare {bundle} {other_verdict}", "schema_version: got 99, expected 1"),
    ("compare {bundle} {bundle} --out /nosuch", "--out: got '/nosuch', expected a directory"),
    ("compare {bundle} {bundle} --key {text}", "{text}: --key"),
    ("annotate /nosuch", "/nosuch: got 'No such file or directory'"),
    ("annotate {other_verdict}", "verdict.json: schema_version: got 99, expected 1"),
    ("annotate {bundle} --key {text}", "{text}: --key"),
    ("schedule --target testbd", "target: got 'testbd'", "(did you mean testbed?)"),
    ("schedule --target testbed --days 400", "--days", "400 is not in the range"),
    ("history --key /nosuch.pem", "/nosuch.pem: --key"),
    # Keys and files to write.
    ("key new {file}", "'{file}' is a file"),
    ("key show {text}", "{text}: --key", "Ed25519 public key"),
    ("doctor testbed --textfile metrics.txt", "--textfile", "ends in .prom"),
    ("doctor testbed --textfile /nosuch/a.prom", "--textfile: got '/nosuch/a.prom'"),
    ("doctor testbed --accept x", "testbed testbed: got 'down'"),
    # Numbers, times and addresses.
    ("up --scale much", "--scale: got 'much', expected a number"),
    ("up --seed x", "--seed: got 'x', expected a whole number"),
    ("promotion {staging} --minutes x", "--minutes", "'x'"),
    ("promotion {staging} --minutes 0", "--minutes: got 0.0, expected at least"),
    ("promotion {staging} --look-back-minutes -1", "--look-back-minutes: got -1.0"),
    ("promotion {staging} --serve x", "--serve: got 'x', expected PORT"),
    ("slo {staging} --tier X --window noon", "--window: got 'noon', expected DAYS"),
    (f"slo {{staging}} --tier X --window {HOURS} --days 0", "--days: got 0"),
    ("recover --without-store x", "--without-store: got 'x'"),
    ("unlock --target testbed", "Missing option '--holder'"),
    ("load m1_1k", "Missing option '--url'"),
    ("load m1_1k --url ftp://x", "--url: got 'ftp://x'"),
    *((f"{LOAD} --{name} x", f"--{name}: got 'x'") for name in ("scale", "seed", "processes")),
    *((f"{LOAD} --{name} 1x", f"--{name}: got '1x'") for name in ("duration", "start-at")),
    (f"{LOAD} --drain 9s", "--drain: got '9s', expected --duration"),
    (f"{LOAD} --linger 9s", "--linger: got '9s', expected --duration"),
    (f"{LOAD} --dns-server x:y", "--dns-server: got 'x:y', expected host:port"),
    (f"{LOAD} --metrics-address x:y", "--metrics-address: got 'x:y', expected host:port"),
    (f"{LOAD} --shard 3/2", "--shard: got '3/2', expected k/n"),
    (f"{LOAD} --raw-share 2", "--raw-share: got '2', expected a number from 0 to 1"),
    (f"{LOAD} --region a=b", "--region: got 'a=b', expected ADDRESS=REGION"),
    (f"{LOAD} --token-env NOT_SET_HERE", "--token-env: got 'NOT_SET_HERE'"),
    (f"{LOAD} --canary-token-env NOT_SET_HERE", "--canary-token-env: got 'NOT_SET_HERE'"),
    (f"{LOAD} --trace /nosuch.csv", "/nosuch.csv: got 'No such file or directory'"),
    (f"{LOAD} --trace {{dir}}", "{dir}: got 'Is a directory', expected a readable CSV file"),
    (f"{LOAD} --record {{file}}", "--record: got '{file}', expected a directory"),
    # A first target.
    (f"init a/b {INIT.partition(' new ')[2]}", "NAME: got 'a/b'"),
    (f"{INIT} --output {{file}}", "--output: got '{file}', expected a file that does not"),
    (f"{INIT} --output /nosuch/x.yaml", "--output: got '/nosuch/x.yaml'"),
    (f"{INIT} --prometheus ftp://x", "--prometheus"),
    (f"{INIT} --public-url ftp://x", "--public-url"),
    (f"{INIT} --region A/B", "--region"),
    (f"{INIT} --ready c={URL}", "--ready: got"),
    (f"{INIT} --region-header 'a b'", "--region-header: got 'a b'"),
    (f"{INIT} --streams x", "--streams"),
    (f"{INIT} --bearer NOT_SET_HERE", "NOT_SET_HERE"),
    (f"{INIT} --basic user", "--basic"),
    (f"{INIT} --sigv4 ''", "auth.region: got '', expected a text of at least 1"),
    (f"{INIT} --header x", "--header"),
    (f"{INIT} --ca-file /nosuch.pem", "/nosuch.pem"),
    (f"{INIT} --certificate-file /nosuch.pem", "certificate_file"),
    (f"{INIT} --key-file /nosuch.pem", "key_file"),
    (f"{INIT} --proxy-url ftp://x", "proxy"),
    (f"{INIT} --drop-label 'a b'", "drop_labels.0: got 'a b'"),
    (f"{INIT} --scrape-interval-s x", "--scrape-interval-s"),
]  # fmt: skip
RUN_TABLE = [
    ("run {dir}", "{dir}: got 'Is a directory', expected a drill's file"),
    ("run {truncated}", "{truncated}: line 1, column 16: got 'Unterminated string"),
    ("run --no-validation {truncated}", "{truncated}: line 1, column 16"),
    ("validate {truncated}", "{truncated}: line 1, column 16"),
    ("run drills/region_failovr.json", "(did you mean drills/region_failover.json?)"),
    (f"run --var sclae=1 {DRILL}", "--var: sclae: got '1'", "(did you mean scale?)"),
    (f"run --no-validation --var sclae=1 {DRILL}", "(did you mean scale?)"),
    (f"run --var scale=5 {DRILL}", "MUSTER_SCALE): scale: got '5', expected a number"),
    (f"run --var defect=queue_stck {DRILL}", "(did you mean queue_stuck?)"),
    (f"run --var target=testbd {DRILL}", "(did you mean testbed?)"),
    (f"run --dry=activities --var profile=m3_20 {DRILL}", "(did you mean m3_20k?)"),
    (f"run --rollback-strategy never {DRILL}", "--rollback-strategy: got 'never'"),
    ("run --var target={production} " + DRILL, "confirm: got None, expected"),
    ("run {no_control}", "controls: got 0, expected the control muster.controls.drill once"),
]
"""Commands of Chaos Toolkit itself, in a process of their own: it loads Muster as its plug-in."""
ANY_TEXT = {("abort", "--why"), ("unlock", "--holder"), ("load", "--model"), ("init", "--model"),
            ("load", "--region-header")}  # fmt: skip
"""Options that take any text."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files and directories that the table names, by name."""
    root = tmp_path_factory.mktemp("bad")
    found = {name: root / name for name in ("dir", "new", "file", "state", "out")}
    found["dir"].mkdir()
    for name, content in (
        ("file", b"no directory\n"),
        ("text.txt", b"no key and no drill\n"),
        ("list.json", b"[]"),
        ("truncated.json", b'{"title": "x", "meth'),
        ("binary.json", b"\xff\xfe"),
    ):
        found[name.partition(".")[0]] = root / name
        (root / name).write_bytes(content)
    found["loop"] = root / "loop.json"
    found["loop"].symlink_to("loop.json")
    targets = home.root() / "targets"
    for name, path in (
        ("other_target", targets / "testbed.yaml"),
        ("other_contract", home.root() / "contract" / "phase5.yaml"),
    ):
        found[name] = root / f"{name}.yaml"
        found[name].write_text(path.read_text().replace("schema_version: 1", "schema_version: 99"))
    found["staging"] = targets / "staging.example.yaml"
    found["production"] = root / "production.yaml"
    text = found["staging"].read_text().replace("class: staging", "class: production")
    found["production"].write_text(text)
    data = json.loads((home.root() / DRILL).read_text())
    found["no_control"] = root / "no_control.json"
    found["no_control"].write_text(json.dumps({**data, "controls": []}))
    for name, changed in (
        ("huge_minutes", _with_provider(data, arguments={"minutes": 10**400})),
        ("listed_arguments", _with_provider(data, arguments=[{}])),
        ("text_provider", {**data, "method": [{**data["method"][0], "provider": "x"}]}),
        ("listed_settings", {**data, "configuration": ["x"]}),
    ):
        found[name] = root / f"{name}.json"
        found[name].write_text(json.dumps(changed))
    found["bundles"] = root / "bundles"
    found["bundles"].mkdir()
    for name in ("bundle", "other_seal", "other_verdict"):
        found[name] = make_bundle(found["bundles"] / name, small())
        write_verdict(found[name], judge(found[name]))
    _with_version(found["other_verdict"] / "verdict.json")
    for name in ("bundle", "other_seal", "other_verdict"):
        seal(found[name])
    _with_version(found["other_seal"] / "manifest.json")
    return {name: str(path) for name, path in found.items()}


def _with_provider(data: dict[str, Any], **changes: object) -> dict[str, Any]:
    """The drill with a changed provider of its baseline."""
    method = [
        {**one, "provider": {**one["provider"], **changes}} if one["name"] == "baseline" else one
        for one in data["method"]
    ]
    return {**data, "method": method}


def _with_version(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))


@pytest.fixture(autouse=True)
def _nothing_else_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    monkeypatch.chdir(home.root())


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_bad_input_is_one_line_and_exit_2(
    row: tuple[str, ...], world: dict[str, str], tmp_path: Path
) -> None:
    """It names what was given and what was expected; nothing is started, written or printed."""
    asked, *words = row
    result = CliRunner().invoke(
        drill, shlex.split(asked.format_map(world)), prog_name="chaos drill"
    )
    assert result.exit_code == 2, result.output or result.exception
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("chaos drill")
    for word in words:
        assert word.format_map(world) in line
    assert not list(tmp_path.glob("state/*"))


_RUN = """
import json, sys
from click.testing import CliRunner
from chaostoolkit.commands import cli
for asked in json.load(sys.stdin):
    done = CliRunner().invoke(cli, ["--no-version-check", "--no-log-file", *asked])
    print(json.dumps([done.exit_code, done.output]))
"""


@pytest.fixture(scope="module")
def run_answers(world: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Exit code and output of each row of `RUN_TABLE`."""
    places = {f"MUSTER_{name}_DIR": str(world[name.lower()]) for name in ("STATE", "OUT")}
    asked = [shlex.split(row[0].format_map(world)) for row in RUN_TABLE]
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        input=json.dumps(asked),
        env={**os.environ, **places},
        cwd=home.root(),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.parametrize("index", range(len(RUN_TABLE)), ids=[row[0] for row in RUN_TABLE])
def test_chaos_run_refuses_before_chaos_toolkit_says_or_runs_anything(
    index: int, run_answers: list[Any], world: dict[str, str]
) -> None:
    """One line, exit 2; no traceback, no validation, no rollback, no journal."""
    code, output = run_answers[index]
    assert code == 2, output
    (line,) = output.splitlines()
    for word in RUN_TABLE[index][1:]:
        assert word.format_map(world) in line
    assert not Path(world["state"]).exists()
    assert not (home.root() / "journal.json").exists()


def _inputs(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, click.Parameter]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _inputs((*path, name), found)
        return
    for one in command.params:
        if not getattr(one, "is_flag", False):
            yield " ".join(path), one


def test_the_table_holds_every_input_of_every_command() -> None:
    """A new command, argument or option needs a row; only what takes any text has none."""
    rows = [f"{row[0]} " for row in TABLE]
    missing = []
    for command, one in _inputs((), drill):
        own = [row for row in rows if row.startswith(f"{command} ")]
        named = one.opts[0] if isinstance(one, click.Option) else ""
        if (command, named) in ANY_TEXT or any(f" {named} " in row or not named for row in own):
            continue
        missing.append(f"{command} {named or one.name}")
    assert missing == []
