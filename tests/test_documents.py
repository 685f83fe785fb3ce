"""YAML documents: refused whole, in one line, when one thing in them is off."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from muster.documents import Document, nearest_file, parse, read_yaml
from muster.errors import BadInput


class Cat(Document):
    kind: Literal["cat"]
    lives: int


class Dog(Document):
    kind: Literal["dog"]
    tricks: tuple[str, ...] = ()


class House(Document):
    pets: dict[str, Annotated[Cat | Dog, Field(discriminator="kind")]] = Field(default={})
    first: Cat | None = None
    class_: str = Field(default="small", alias="class")


def bad(data):
    with pytest.raises(BadInput) as caught:
        parse(House, data, "house.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "a: got 'the key twice', expected this key once in its mapping"),
        ("a: {b: 1, b: 2}\n", "b: got 'the key twice', expected this key once"),
        ("a: [1\n", "line 2: got "),
        ("- a\n", "got ['a'], expected a mapping of keys to values"),
        ("", "got None, expected a mapping"),
        ("? [a]\n: 1\n", "line 1: got \"key ['a'] is not a plain value\", expected valid YAML"),
        ("a: 2026-99-99\n", "expected valid YAML"),
        ("a: !!python/object:os.system {}\n", "line 1: got "),
        ("a: *nowhere\n", "line 1: got "),
    ],
)
def test_what_is_no_plain_mapping_is_refused_in_one_line(tmp_path, text, line):
    """Doubled keys, broken YAML and other shapes are refused, with the file and the place."""
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def both(tmp_path, text):
    paths = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    for path in paths:
        path.write_text(text)
    return paths


def test_two_files_of_the_same_bytes_are_two_documents(tmp_path):
    """No change of one shows in the other, nor when the same file is read again."""
    first, second = both(tmp_path, "a: {b: 1}\n")
    read_yaml(first)["a"]["b"] = 2
    assert read_yaml(first) == read_yaml(second) == {"a": {"b": 1}}


@pytest.mark.parametrize("text", ["- a\n", "a: [1\n", "a: 1\na: 2\n"])
def test_of_two_files_of_the_same_bytes_each_is_named(tmp_path, text):
    """What is refused names the file that was read, also where the other one was read before."""
    for path in both(tmp_path, text):
        with pytest.raises(BadInput) as caught:
            read_yaml(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_a_doubled_key_is_named_with_its_line(tmp_path):
    """The line of the second one is in the message."""
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb: 2\na: 3\n")
    with pytest.raises(BadInput, match=r"again in line 3"):
        read_yaml(path)


def test_a_merged_mapping_may_be_given_anew(tmp_path):
    """A key that `<<` brings in and that stands there as well is no doubled key."""
    path = tmp_path / "x.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n")
    assert read_yaml(path)["mine"] == {"a": 1, "b": 3}


def test_a_missing_or_unreadable_file_is_bad_input(tmp_path):
    """No file, a folder and bytes that are no text are one line each."""
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\n")
    for name in ("none.yaml", "latin.yaml", ""):
        with pytest.raises(BadInput, match="a readable YAML file"):
            read_yaml(tmp_path / name)


def test_unknown_key_below_a_mapping_lists_the_known_ones():
    """A mistyped key below a free name is shown with the keys that there are."""
    line = bad({"pets": {"tom": {"kind": "cat", "lives": 9, "live": 1}}})
    known = "expected one of the known keys: kind, lives (did you mean lives?)"
    assert line == f"house.yaml: pets.tom.live: got 1, {known}"


def test_unknown_key_at_the_top_is_listed_by_its_written_name():
    """Keys that differ from Python's names are listed as the file writes them."""
    assert "known keys: class, first, pets" in bad({"klass": "big"})


def test_missing_key_is_named_without_the_unions_tag():
    """The dotted key is what stands in the file; the parser's own markers are left out."""
    line = bad({"pets": {"tom": {"kind": "cat"}}})
    assert line == "house.yaml: pets.tom.lives: got nothing, expected this key to be given"


def test_wrong_kind_of_a_union_names_the_kind_and_the_choices():
    """The discriminator is the key that is off, not the whole mapping."""
    line = bad({"pets": {"tom": {"kind": "cow"}}})
    assert line == "house.yaml: pets.tom.kind: got 'cow', expected one of 'cat', 'dog'"
    line = bad({"pets": {"tom": {"lives": 9}}})
    assert line == "house.yaml: pets.tom.kind: got nothing, expected one of 'cat', 'dog'"


def test_a_value_of_the_wrong_type_is_said_in_yaml_words():
    """No parser's jargon: whole number, list, mapping."""
    assert bad({"first": 3}).endswith("first: got 3, expected a mapping of keys to values")
    assert bad({"first": {"kind": "cat", "lives": "x"}}).endswith("expected a whole number")
    assert bad({"pets": {"rex": {"kind": "dog", "tricks": 1}}}).endswith("expected a list")
    assert bad([1]).startswith("house.yaml: got [1], expected a mapping")


def test_parsed_values_are_frozen():
    """What was parsed at the edge cannot be changed on its way."""
    cat = parse(Cat, {"kind": "cat", "lives": 9}, "x")
    with pytest.raises(Exception, match="frozen"):
        cat.lives = 8


def test_no_other_name_is_offered_for_a_path_that_exists(tmp_path):
    """A directory where a file is wanted has the right name; a slip of a letter has not."""
    for name in ("tests", "targets"):
        (tmp_path / name).mkdir()
    assert nearest_file(tmp_path / "tests") == ""
    assert nearest_file(tmp_path / "target") == f" (did you mean {tmp_path / 'targets'}?)"
