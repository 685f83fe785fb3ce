"""A test leaves nothing in the process that changes what another test sees."""

from __future__ import annotations

import pytest
from isolation import secrets_restored

from muster import redact
from muster.redact import redacted

WORD = "plain-word"
OF_THE_MODULE = "secret-of-a-module"


@pytest.fixture(scope="module")
def registered():
    redact.keep(OF_THE_MODULE)


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_secret_of_one_test_is_no_secret_of_the_next(turn):
    """The second turn fails if the first one's word is still registered."""
    assert redacted(WORD) == WORD
    redact.keep(WORD)
    assert redacted(WORD) == redact.SHOWN


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_secret_of_a_module_s_fixture_stays_for_all_its_tests(registered, turn):
    """What a platform of the whole module registered once is secret in each of its tests."""
    assert redacted(OF_THE_MODULE) == redact.SHOWN


def test_secrets_are_restored_also_after_a_failure():
    """What was known before stays, what was added goes."""
    redact.keep("known-before")

    def fails():
        with secrets_restored():
            redact.keep(WORD)
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert redacted(f"known-before {WORD}") == f"{redact.SHOWN} {WORD}"
