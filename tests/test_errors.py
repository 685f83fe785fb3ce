"""Errors: one line each, with the exit code of whoever meets them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from muster.errors import BadInput, DrillAborted, MusterError


def test_bad_input_names_file_key_value_and_what_was_expected():
    """A line of bad input has everything that is needed to mend it."""
    error = BadInput(Path("targets/x.yaml"), "load.token", 7, "a text")
    assert str(error) == "targets/x.yaml: load.token: got 7, expected a text"
    assert (error.file, error.key, error.value) == ("targets/x.yaml", "load.token", 7)


def test_bad_input_without_a_key_names_the_file_alone():
    """Where a whole document is off, no empty key stands in the line."""
    assert str(BadInput("x.yaml", "", [], "a mapping")) == "x.yaml: got [], expected a mapping"


@given(st.text() | st.dictionaries(st.text(), st.text(max_size=300)))
def test_bad_input_stays_on_one_line_whatever_the_value(value):
    """A long or many-lined value never fills the terminal."""
    line = str(BadInput("x.yaml", "key", value, "less"))
    assert len(line.splitlines()) == 1
    assert len(line) < 200


def test_exit_codes_tell_bad_input_from_an_abort():
    """Usage is 2, an aborted drill 4, anything else 1."""
    codes = (MusterError.exit_code, BadInput.exit_code, DrillAborted.exit_code)
    assert codes == (1, 2, 4)


def test_an_abort_says_by_what_and_why():
    """The reason's name comes first, then the detail if there is one."""
    assert str(DrillAborted("operator", "asked to stop")) == "operator: asked to stop"
    assert str(DrillAborted("operator")) == "operator"
