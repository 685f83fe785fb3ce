"""The contract is read, all of it: each leaf changes something, or says why it does not."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache

import pytest
import yaml
from contract_leaves import (
    BASE,
    DESCRIPTIVE,
    ENFORCED,
    OBSERVERS,
    changed,
    leaves,
    name_of,
)

from muster import home
from muster.contract import load_bytes
from muster.documents import parse_yaml
from muster.errors import BadInput

FILE = home.root() / "contract" / "phase5.yaml"
DOCUMENT = parse_yaml(FILE.read_bytes(), FILE)
PATHS = tuple(leaves(DOCUMENT))


def matches(name, pattern):
    """`*` stands for one key, or for the rest of one."""
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def observers_of(name):
    return [one for pattern, found in OBSERVERS.items() if matches(name, pattern) for one in found]


def places(name):
    """In which of the lists a leaf stands."""
    found = ["observed"] if observers_of(name) else []
    found += ["enforced"] if name in ENFORCED else []
    found += ["descriptive"] if any(matches(name, pattern) for pattern in DESCRIPTIVE) else []
    return found


@cache
def before(observer):
    return observer(BASE)


def test_every_leaf_stands_in_exactly_one_list():
    """A leaf that is new fails here until somebody says who reads it."""
    wrong = {name: places(name) for path in PATHS if len(places(name := name_of(path))) != 1}
    assert wrong == {}
    assert len(PATHS) > 200


def test_no_list_names_a_leaf_that_is_not_there():
    """What was taken out of the contract leaves the lists too."""
    names = {name_of(path) for path in PATHS}
    patterns = [*OBSERVERS, *ENFORCED, *DESCRIPTIVE]
    assert [p for p in patterns if not any(matches(name, p) for name in names)] == []
    assert all(reason for reason in DESCRIPTIVE.values())


OBSERVED = [path for path in PATHS if places(name_of(path)) == ["observed"]]


@pytest.mark.parametrize("path", OBSERVED, ids=lambda path: ".".join(map(str, path)))
def test_a_leaf_that_changes_is_seen_by_each_of_its_observers(path):
    """A verdict, a bound or a text is another one."""
    contract = changed(path)
    for observer in observers_of(name_of(path)):
        assert observer(contract) != before(observer), observer.__doc__ or observer


def test_nothing_changes_where_no_leaf_does():
    """The near miss: an observer gives the same for the same contract."""
    again = load_bytes(FILE.read_bytes(), FILE)
    observers = {one for path in OBSERVED for one in observers_of(name_of(path))}
    for observer in observers:
        assert observer(again) == before(observer), observer.__doc__ or observer


@pytest.mark.parametrize("name", ENFORCED)
def test_a_value_that_muster_cannot_follow_is_refused(name):
    """In one line that names the key."""
    document = yaml.safe_load(FILE.read_text())
    here = document
    *above, last = name.split(".")
    for key in above:
        here = here[key]
    here[last] = 2 if isinstance(here[last], int) else "something_else"
    with pytest.raises(BadInput, match=name.replace(".", r"\.")):
        load_bytes(yaml.safe_dump(document).encode(), FILE)


def test_a_leaf_of_no_list_would_be_named(monkeypatch):
    """A planted leaf fails the walk, and one that nobody reads fails its observer."""
    monkeypatch.setitem(OBSERVERS, "tiers.*.title", ())
    assert places("tiers.L.title") == []
    assert places("drill.planted") == []
