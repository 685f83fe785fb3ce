"""Signals in a target file: a plain selector or a mapping, and every slip told in one run."""

# ruff: noqa: E501 -- a table of messages reads best one a line

from __future__ import annotations

import pytest
import yaml
from floor_fixtures import REGION, testbed_document

from muster import targets
from muster.errors import BadInput
from muster.targets.signals import MappedSignal


def loaded(path, **signals):
    """A target with those signals in place of its own."""
    data = testbed_document()
    data["signals"].update(signals)
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return targets.load(str(path))


def told(path, **signals):
    """The lines that refuse it, without the file."""
    with pytest.raises(BadInput) as caught:
        loaded(path, **signals)
    assert caught.value.exit_code == 2
    return [line.removeprefix(f"{path}: ") for line in str(caught.value).splitlines()]


def test_a_mapping_is_read_with_all_that_it_may_say(tmp_path):
    """One selector is a list of one, numbers are texts where texts are meant, edges have a unit."""
    target = loaded(
        tmp_path / "t.yaml",
        requests={
            "select": "rq_total",
            "labels": {
                "code": {"from": "response_code", "values": {0: 499}, "others": "keep"},
                "region": {"from": "job", "values": {"envoy-eu": REGION}},
            },
            "owner": ["namespace", "pod"],
            "drop": ["flags", "__name__"],
        },
        completion={"select": ["a", "b"], "unit": "ms"},
        streams_limit={"select": "remaining", "plus": "active", "minus": ["x", "y"]},
        circuit_open={
            "select": "state",
            "values": {0: 0, 1: 0, 2: 1},
            "labels": {"route": {"constant": "primary"}},
        },
    )
    requests = target.signals["requests"]
    assert isinstance(requests, MappedSignal)
    assert requests.select == ("rq_total",)
    assert requests.labels["code"].values == {"0": "499"}
    assert target.signals["completion"].selectors == ("a", "b")
    assert target.signals["streams_limit"].selectors == ("remaining", "active", "x", "y")
    assert str(target.signals["streams_limit"]) == "remaining plus active minus x minus y"
    assert target.signals["circuit_open"].values == {0.0: 0.0, 1.0: 0.0, 2.0: 1.0}
    assert target.signals["queue_age"] == testbed_document()["signals"]["queue_age"]


def test_a_filled_target_has_the_same_mappings(tmp_path):
    """Filling placeholders writes the target out and reads it again."""
    how = {"select": "up{job='x'}", "value": {REGION: 400, "eu-central-1": 300.5}}
    target = loaded(tmp_path / "t.yaml", streams_limit=how)
    again = targets.Target.model_validate(target.model_dump(by_alias=True))
    assert again == target


SLIPS = [
    ("requests", {}, "select: got None, expected a PromQL selector, or a list of them"),
    ("requests", {"select": " "}, "select: got ' ', expected a PromQL selector"),
    ("requests", {"select": ["a", 3]}, "select.1: got 3, expected a text"),
    ("requests", {"selct": "a"}, "selct: got 'a', expected one of the known keys: drop, labels, minus, none, owner, plus, select, unit, value, values (did you mean select?)"),
    ("requests", {"select": "a", "labels": {"cod": "x"}}, "labels.cod: got 'x', expected one of the labels of requests: code, instance, region (did you mean code?)"),
    ("requests", {"select": "a", "labels": {"route": "x"}}, "labels.route: got 'x', expected one of the labels of requests: code, instance, region"),
    ("requests", {"select": "a", "labels": {"code": "x-y"}}, "labels.code: got 'x-y', expected a text that matches"),
    ("requests", {"select": "a", "labels": {"code": {"form": "x"}}}, "labels.code.from: got nothing, expected this key to be given"),
    ("requests", {"select": "a", "labels": {"code": {"from": "x", "others": "keep"}}}, "labels.code.others: got 'keep', expected values beside it"),
    ("requests", {"select": "a", "labels": {"code": {"from": "x", "others": "drop"}}}, "labels.code.others: got 'drop', expected 'refuse' or 'keep'"),
    ("requests", {"select": "a", "labels": {"region": {"from": "x", "values": {"a": "eu-west1"}}}}, "labels.region.values.a: got 'eu-west1', expected one of the regions eu-west-1, eu-central-1 (did you mean eu-west-1?)"),
    ("requests", {"select": "a", "labels": {"region": {"constant": "mars"}}}, "labels.region.constant: got 'mars', expected one of the regions eu-west-1, eu-central-1"),
    ("requests", {"select": "a", "owner": ["pod"], "labels": {"instance": "pod"}}, "owner: got ['pod'], expected only one of owner and labels.instance"),
    ("requests", {"select": "a", "owner": "pod"}, "owner: got 'pod', expected a list"),
    ("requests", {"select": "a", "owner": ["pod"], "drop": ["pod"]}, "drop.0: got 'pod', expected a label that neither labels nor owner name"),
    ("requests", {"select": "a", "drop": ["region"]}, "drop.0: got 'region', expected another label"),
    ("requests", {"select": "a", "unit": "ms"}, "unit: got 'ms', expected none: only completion, first_token, open_over, queue_age are times"),
    ("completion", {"select": "a", "unit": "sec"}, "unit: got 'sec', expected 's', 'ms', 'us', 'ns' or 'min'"),
    ("requests", {"select": "a", "values": {0: 1}}, "values: got {0.0: 1.0}, expected none: only circuit_open,"),
    ("circuit_open", {"select": "a", "values": {0: 0, 2: 2}}, "values.2: got 2.0, expected 0 or 1"),
    ("requests", {"select": "a", "plus": "b"}, "plus: got ['b'], expected none: only queue_age, streams_active, streams_limit are made"),
    ("queue_age", {"select": "a", "value": 0}, "value: got 0.0, expected a selector: only streams_limit is a setting; every other signal must be measured"),
    ("streams_limit", {"select": "a", "value": -1}, "value: got -1.0, expected 0 or more"),
    ("streams_limit", {"select": "a", "value": {REGION: 4}}, "value.eu-central-1: got None, expected a number for each region"),
    ("streams_limit", {"select": "a", "value": {REGION: 4, "eu-central-1": 4, "eu-centrl-1": 4}}, "value.eu-centrl-1: got 4.0, expected a region: eu-west-1, eu-central-1 (did you mean eu-central-1?)"),
    ("streams_limit", {"select": "a", "value": 4, "plus": "b"}, "plus: got ['b'], expected no value and no values beside it"),
    ("streams_limit", {"value": 4}, "select: got None, expected a PromQL selector"),
    ("client_attempts", {"select": "a", "labels": {"code": "x"}}, "labels.code: got 'x', expected one of the labels of client_attempts: instance, region"),
]  # fmt: skip


@pytest.mark.parametrize(("signal", "how", "line"), SLIPS, ids=[line[:50] for *_, line in SLIPS])
def test_each_slip_in_a_mapping_is_named_by_its_key(tmp_path, signal, how, line):
    """Key, value, what was expected and the nearest name that there is."""
    first, *_ = told(tmp_path / "t.yaml", **{signal: how})
    assert first.startswith(f"signals.{signal}.{line}")


def test_every_slip_of_a_target_is_told_in_one_run(tmp_path):
    """Unknown keys, misfits of a mapping and names that no signal has, a line each."""
    data = testbed_document()
    data["load"]["tokn"] = "x"
    data["signals"]["reqests"] = data["signals"].pop("requests")
    data["signals"]["completion"] = {"select": "a", "unit": "sec"}
    data["tokens_max"] = 0
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(BadInput) as caught:
        targets.load(str(path))
    lines = [line.removeprefix(f"{path}: ") for line in str(caught.value).splitlines()]
    assert len(lines) == 5
    assert lines[0].startswith("tokens_max: got 0, ")
    assert lines[1].startswith("load.tokn: got 'x', ")
    assert lines[1].endswith("(did you mean token?)")
    assert lines[2].startswith("signals.completion.unit: got 'sec', ")
    assert lines[3].startswith("signals.reqests: got ")
    assert lines[3].endswith("(did you mean requests?)")
    assert lines[4].startswith("signals.requests: got None, ")


def test_misfits_between_keys_are_all_told_too(tmp_path):
    """Once each key makes sense alone, all that do not fit each other are told together."""
    data = testbed_document()
    data["evacuate"] = "eu-west-2"
    data["signals"]["queue_age"] = {"select": "a", "value": 0}
    data["load"]["body"] = {"stream": False}
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(BadInput) as caught:
        targets.load(str(path))
    keys = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert keys == ["evacuate", "signals.queue_age.value", "load.body.stream"]
    assert "(did you mean eu-west-1?)" in str(caught.value)
