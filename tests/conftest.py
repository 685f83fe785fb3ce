"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dataplane_fixtures import Stack
from hypothesis import settings
from isolation import secrets_restored
from kubernetes_world import Live, started
from parts import of_part, parse_part

# The SDK would ask the machine's cloud for credentials: a test asks nothing outside of it.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

# No test asserts the speed of a machine: an example may take as long as it takes.
settings.register_profile("muster", deadline=None)
settings.load_profile("muster")


@pytest.fixture(autouse=True, scope="module")
def _no_secret_of_another_module() -> Iterator[None]:
    with secrets_restored():
        yield


@pytest.fixture(autouse=True)
def _no_secret_of_another_test() -> Iterator[None]:
    with secrets_restored():
        yield


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Stack]:
    """Everything that a gateway needs, and no gateway yet."""
    made = Stack(tmp_path)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A real Kubernetes API server with kwok's node, for all tests of a session."""
    with started(tmp_path_factory.mktemp("kubernetes")) as running:
        yield running


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--part K/N`: only the K-th of N parts of the tests that were chosen."""
    parser.addoption("--part", default=None, metavar="K/N", help="the K-th of N parts")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """After `-m` and `-k` have chosen: keep the part that was asked for."""
    asked = config.getoption("--part")
    if asked is None:
        return
    try:
        part, parts = parse_part(asked)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    kept = of_part([item.nodeid for item in items], part, parts)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
    items[:] = [item for item in items if item.nodeid in kept]
