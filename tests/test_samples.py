"""Samples as a bundle keeps them: what is found by signal, name and label, and what is torn."""

from __future__ import annotations

import json
from math import isnan

import pytest

from muster.errors import BadInput
from muster.jsonl import LogLost
from muster.samples.series import Samples, SampleWriter, read_samples, series_of

WEST = {"region": "west", "instance": "a"}


def test_a_series_knows_its_region_and_its_process():
    """Empty where it has none."""
    one, bare = series_of("s", "n", WEST, []), series_of("s", "n", {}, [])
    assert (one.region, one.owner) == ("west", ("west", "a"))
    assert (bare.region, bare.owner) == ("", ("", ""))


def test_series_are_found_by_signal_end_of_name_and_labels():
    """All of them must fit; a label that it lacks does not."""
    bucket = series_of("lag", "x_bucket", {**WEST, "le": "1"}, [])
    count = series_of("lag", "x_count", WEST, [])
    other = series_of("lag", "x_count", {"region": "east"}, [])
    samples = Samples({"lag": (bucket, count, other)})
    assert samples.of("lag") == (bucket, count, other)
    assert samples.of("lag", "_count") == (count, other)
    assert samples.of("lag", "_count", region="east") == (other,)
    assert samples.of("lag", region="west", le="1") == (bucket,)
    assert samples.of("lag", instance="b") == samples.of("queue") == ()
    assert not samples.torn


def test_scrapes_are_those_of_the_series_that_was_seen_most():
    """Both ends included."""
    often = series_of("s", "n", {}, [(float(t), 0.0) for t in range(11)])
    once = series_of("s", "n", {}, [(5.0, 0.0)])
    samples = Samples({"s": (once, often)})
    assert samples.scrapes("s", 2.0, 5.0) == 4
    assert samples.scrapes("s", 20.0, 30.0) == samples.scrapes("q", 0.0, 9.0) == 0


def test_points_are_kept_in_order_and_the_first_of_a_time_counts():
    """Two of them, or many; in order they stay as they are."""
    assert series_of("s", "n", {}, [(2.0, 20.0), (1.0, 10.0)]).v.tolist() == [10.0, 20.0]
    twice = series_of("s", "n", {}, [(1.0, 10.0), (1.0, 99.0), (2.0, 20.0)])
    assert (twice.t.tolist(), twice.v.tolist()) == ([1.0, 2.0], [10.0, 20.0])
    plain = series_of("s", "n", {}, [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)])
    assert plain.t.tolist() == [1.0, 2.0, 3.0]


def test_a_writer_names_each_series_once_and_makes_its_directory(tmp_path):
    """Whatever the order of the labels; nothing to write makes no file."""
    path = tmp_path / "deep" / "er" / "samples.jsonl"
    writer = SampleWriter(path)
    writer.extend([])
    assert not path.exists()
    writer.append("s", "n", {"a": "1", "b": "2"}, (1.0,), (None,))
    writer.extend([("s", "n", {"b": "2", "a": "1"}, [2.0], [5.0]), ("s", "m", {}, [1.0], [7.0])])
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert lines == [
        {"series": 0, "signal": "s", "name": "n", "labels": {"a": "1", "b": "2"}},
        {"i": 0, "t": [1.0], "v": [None]},
        {"i": 0, "t": [2.0], "v": [5.0]},
        {"series": 1, "signal": "s", "name": "m", "labels": {}},
        {"i": 1, "t": [1.0], "v": [7.0]},
    ]
    first, second = read_samples(path).of("s")
    assert (first.signal, first.name, dict(first.labels)) == ("s", "n", {"a": "1", "b": "2"})
    assert isnan(first.v[0])
    assert (second.name, second.v.tolist()) == ("m", [7.0])


def test_a_disk_that_takes_nothing_is_told(tmp_path):
    """The file, and what the system says."""
    (tmp_path / "samples.jsonl").mkdir()
    writer = SampleWriter(tmp_path / "samples.jsonl")
    with pytest.raises(LogLost, match=r"samples\.jsonl: Is a directory"):
        writer.append("s", "n", {}, [1.0], [1.0])


def test_samples_that_can_not_be_read_are_refused_in_one_line(tmp_path):
    """File, what the system says, and what was expected."""
    with pytest.raises(BadInput) as caught:
        read_samples(tmp_path / "none.jsonl")
    assert str(caught.value) == (
        f"{tmp_path / 'none.jsonl'}: got 'No such file or directory', expected a bundle's samples"
    )


HEAD = b'{"series":0,"signal":"s","name":"n","labels":{"a":1}}\n'


@pytest.mark.parametrize(
    ("lines", "torn", "values"),
    [
        (HEAD + b'{"i":0,"t":[1],"v":[5]}\n', False, [5.0]),
        (HEAD + b'{"i":0,"t":[1],"v":[5]}\n' * 2, False, [5.0]),
        (HEAD + HEAD + b'{"i":0,"t":[1],"v":[5]}\n', False, [5.0]),
        (HEAD + b'{"i":0,"t":[1],"v":[5]}\n' + HEAD, False, [5.0]),
        (HEAD + b'{"i":0,"t":[1],"v":[5]}\n{"i":0,"t":[2],"v":[6]}', True, [5.0, 6.0]),
        (HEAD + b'{"i":0,"t":[1],"v":[5]}\n{"i":0,"t":[2],"v"', True, [5.0]),
        (HEAD + b'{"i":0,"t":\n{"i":0,"t":[2],"v":[6]}\n', True, [6.0]),
        (HEAD + b'{"i":0,"t":[1,2],"v":[5]}\n{"i":0,"t":[2],"v":[6]}\n', True, [6.0]),
        (HEAD + b'{"i":0,"t":["x"],"v":[5]}\n{"i":0,"t":[2],"v":[6]}\n', True, [6.0]),
        (HEAD + b'{"series":1}\n{"i":0,"t":[2],"v":[6]}\n', True, [6.0]),
        (HEAD + b'{"series":1,"signal":"s","name":"n","labels":3}\n', True, []),
        (HEAD + b'{"i":0,"t":[],"v":[]}\n', False, []),
        (b"", False, []),
    ],
)
def test_what_makes_no_sense_is_torn_and_the_rest_is_read(tmp_path, lines, torn, values):
    """Lines cut off, halves of different length, words for numbers; labels are texts."""
    path = tmp_path / "samples.jsonl"
    path.write_bytes(lines)
    samples = read_samples(path)
    found = samples.of("s")
    assert (samples.torn, [v for one in found for v in one.v.tolist()]) == (torn, values)
    assert all(dict(one.labels) == {"a": "1"} for one in found)
