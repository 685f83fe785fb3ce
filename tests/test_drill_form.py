"""What a drill's JSON must have: each thing that it lacks is one line of bad input."""

from __future__ import annotations

import copy
import json

import pytest
from drill_runner import FAILOVER
from hypothesis import given
from hypothesis import strategies as st

from muster.drill.plan.asked import distance, has_control, near
from muster.drill.plan.form import check_form, method_of
from muster.errors import BadInput

SHIPPED = json.loads(FAILOVER.read_text())


def refused(document, *words, given=None, environ=None, flags=None):
    with pytest.raises(BadInput) as caught:
        check_form("d.json", document, given or {}, environ or {}, flags)
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    for word in words:
        assert word in line, line


def changed(change):
    document = copy.deepcopy(SHIPPED)
    change(document)
    return document


def function(module, func, **more):
    provider = {"type": "python", "module": module, "func": func, **more}
    return {"type": "action", "name": func, "provider": provider}


def put(path, value):
    def change(document):
        at = document
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # Strategies under which a drill could exit 0 unproven.
        (put(["runtime", "rollbacks", "strategy"], "default"), ("rollbacks.strategy", "always")),
        (put(["runtime", "rollbacks"], {}), ("rollbacks.strategy", "None", "always")),
        (put(["runtime"], {}), ("runtime.hypothesis.strategy", "after-method-only")),
        (put(["runtime", "hypothesis", "strategy"], "default"), ("after-method-only",)),
        (put(["runtime", "hypothesis", "strategy"], "before-method-only"), ("after-method",)),
        # The probe that decides, and the rollback.
        (lambda d: d.pop("steady-state-hypothesis"), ("probes.verdict.passed",)),
        (put(["steady-state-hypothesis", "probes"], []), ("probes.verdict.passed",)),
        (put(["steady-state-hypothesis", "probes", 0, "tolerance"], False), ("true", "False")),
        (put(["steady-state-hypothesis", "probes", 0, "tolerance"], 1), ("true",)),
        (lambda d: d.pop("rollbacks"), ("restore_all",)),
        (put(["rollbacks"], [function("os", "getpid")]), ("os.getpid", "restore_all first")),
        (lambda d: d["rollbacks"].append(d["method"][4]), ("rollbacks.1", "no other of")),
        (put(["rollbacks", 0, "background"], True), ("rollbacks.0", "foreground")),
        # The control.
        (put(["controls"], []), ("controls", "once")),
        (lambda d: d["controls"].append(d["controls"][0]), ("controls", "2", "once")),
        (put(["controls", 0, "provider", "type"], "process"), ("provider.type", "python")),
        (put(["controls", 0, "automatic"], False), ("automatic", "acts always")),
        (put(["controls", 0, "scope"], "after"), ("scope", "'after'")),
        (put(["controls", 0, "provider", "arguments", "knd"], "gate"), ("knd", "kind")),
        (
            put(["method", 6, "controls"], [{"name": "muster", "provider": {"module": "x"}}]),
            ("method.6.controls.0.name", "'muster'", "another name"),
        ),
        (
            put(["method", 6, "controls"], [{"name": "mine", "ref": "other"}]),
            ("method.6.controls.0.ref", "'other'", "muster"),
        ),
        # What Chaos Toolkit would run out of order, or unseen.
        (put(["method", 6, "background"], True), ("method.6 (dark).background", "rollbacks")),
        (put(["method", 3, "background"], True), ("background",)),
        (put(["method", 6, "pauses"], {"after": "${x}"}), ("pauses.after", "${x}", "seconds")),
        (put(["method", 6, "pauses"], {"after": 601}), ("601", "0 to 600")),
        (put(["method", 6, "pauses"], {"before": True}), ("pauses.before", "True")),
        (put(["method", 3], {"ref": "no such activity"}), ("method.3.ref", "no such activity")),
        (put(["method", 3], {"ref": "dark"}), ("dark",)),
        (put(["method", 3], function("muster.actions.undo", "restore_all")), ("restore_all",)),
        (put(["method", 3], function("probes.verdict", "passed")), ("probes.verdict.passed",)),
        (
            put(["method", 3], function("muster.drill.phases.failover", "darken")),
            ("muster.drill.phases.failover",),
        ),
        # Phases.
        (lambda d: d["method"].pop(5), ("method.5 (dark)", "dark instead of drain")),
        (lambda d: d["method"].pop(), ("no verify",)),
        (put(["method", 4, "provider", "arguments", "shares_pct"], [25, 10]), ("[25, 10]", "0")),
        (put(["method", 4, "provider", "arguments", "shares_pct"], []), ("[]", "end with 0")),
        # Configuration that nobody reads.
        (put(["configuration", "tagret"], "x"), ("configuration.tagret", "did you mean target?")),
        (put(["configuration", "streams"], 9), ("configuration.streams", "one of target")),
        # Texts that would move the cursor.
        (put(["title"], "a\x1b[2Jb"), ("title", "\\x1b[2Jb", "control characters")),
        (put(["title"], "a\x1b]0;x\x07"), ("title", "control characters")),
        (put(["title"], "one\ntwo"), ("title",)),
        (put(["title"], "a\u202eb"), ("title", "\\u202e")),
        (put(["title"], "a\x9b31m"), ("title", "\\x9b")),
        (put(["description"], "a\x1bb"), ("description",)),
        (put(["tags", 0], "a\x07"), ("tags.0",)),
        (put(["method", 0, "name"], "pre\x1b[1mflight"), ("method.0.name",)),
        (put(["contributions", "x\x1b"], "high"), ("contributions.x\\x1b (a key)",)),
    ],
)  # fmt: skip
def test_what_a_drill_lacks_is_named(change, words):
    """File, key, value and what was expected."""
    refused(changed(change), "d.json", *words)


@pytest.mark.parametrize(
    "change",
    [
        put(["description"], "Two lines:\n\tand a tab."),
        put(["title"], "Ausfall einer Région – 演習 🚢"),
        put(["method", 6, "pauses"], {"before": 0, "after": 600}),
        put(["method", 3], {"ref": "streams while dark"}),
        put(["method", 6, "controls"], [{"ref": "muster"}]),
        put(["method", 6, "controls"], [{"name": "mine", "provider": {"module": "mine"}}]),
        put(["method", 3, "background"], False),
        lambda d: d["rollbacks"].append(function("mine", "say")),
        lambda d: d["method"].insert(3, function("mine", "look")),
        lambda d: d["steady-state-hypothesis"]["probes"].append(function("mine", "look")),
        put(["controls", 0, "automatic"], True),
    ],
)
def test_a_drill_of_ones_own_is_accepted(change):
    """The near misses: what takes nothing away from the verdict."""
    check_form("d.json", changed(change), {}, {})


def test_a_configuration_key_that_something_else_reads_is_accepted():
    """A placeholder of the drill, or an extension that takes what it needs from there."""
    used = changed(put(["configuration", "greeting"], "x"))
    used["method"][3]["provider"]["arguments"]["signal"] = "${greeting}"
    check_form("d.json", used, {}, {})
    extension = changed(put(["configuration", "prometheus_base_url"], "http://p"))
    refused(extension, "prometheus_base_url")
    extension["method"].insert(3, function("chaosprometheus.probes", "query"))
    check_form("d.json", extension, {}, {})


def test_a_reference_stands_for_what_it_names():
    """By the name of an activity of the method or of the hypothesis."""
    document = changed(put(["method", 3], {"ref": "streams while dark"}))
    assert method_of("d.json", document)[3]["provider"]["module"] == "probes.series"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tagret": "staging"}, ("--var", "tagret", "'staging'", "did you mean target?")),
        ({"scael": 1.0}, ("did you mean scale?",)),
        ({"time-scale": "6"}, ("did you mean time_scale?",)),
        ({"Target": "staging"}, ("did you mean target?",)),
        ({"colour": "red"}, ("--var", "colour", "one of target, profile, scale")),
        ({"target": "a\x1b[2J"}, ("--var", "target", "control characters")),
    ],
)
def test_a_variable_that_the_drill_does_not_declare_is_refused(given, words):
    """A misspelt one would be dropped, and the drill would run with other settings."""
    refused(SHIPPED, *words, given=given)


def test_variables_that_the_drill_declares_are_accepted():
    """Whatever their type."""
    check_form("d.json", SHIPPED, {"target": "staging", "scale": 1.0, "seed": 7}, {})


def test_a_known_setting_that_the_drill_does_not_declare_is_refused():
    """Its configuration has no such key, so Chaos Toolkit would drop it."""
    document = changed(lambda d: d["configuration"].pop("seed"))
    refused(document, "--var", "seed", given={"seed": "7"})


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"MUSTER_TAGRET": "staging"}, ("MUSTER_TAGRET", "did you mean MUSTER_TARGET?")),
        ({"MUSTER_TARGETS": "staging"}, ("did you mean MUSTER_TARGET?",)),
        ({"MUSTER_TIMESCALE": "6"}, ("did you mean MUSTER_TIME_SCALE?",)),
        ({"muster_target": "staging"}, ("did you mean MUSTER_TARGET?",)),
        ({"MUSTER_OUTDIR": "/x"}, ("did you mean MUSTER_OUT_DIR?",)),
    ],
)
def test_a_misspelt_environment_variable_is_refused(environ, words):
    """A near miss of a name that Muster reads."""
    refused(SHIPPED, "environment", *words, environ=environ)


def test_variables_of_the_environment_that_are_not_near_are_left_alone():
    """Those of targets, of other tools, and Muster's own."""
    names = ("TARGET", "SCALE", "OUT_DIR", "LOAD_TOKEN", "CANARY_TOKEN", "RUNNER", "TORTURE")
    environ = {f"MUSTER_{name}": "x" for name in names} | {"TAGRET": "x", "MUSTERED": "x"}
    check_form("d.json", SHIPPED, {}, environ)


def test_a_variable_that_the_drill_overrides_is_refused():
    """The drill says a fixed value: the environment would be passed over."""
    fixed = changed(put(["configuration", "scale"], "0.5"))
    refused(fixed, "MUSTER_SCALE", "d.json sets scale itself", environ={"MUSTER_SCALE": "1"})
    check_form("d.json", fixed, {"scale": "1"}, {"MUSTER_SCALE": "1"})
    check_form("d.json", fixed, {}, {"MUSTER_SCALE": ""})


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"rollbacks": "never"}, ("--rollback-strategy", "'never'", "always")),
        ({"rollbacks": "deviated"}, ("--rollback-strategy",)),
        ({"hypothesis": "before-method-only"}, ("--hypothesis-strategy", "after-method-only")),
    ],
)
def test_a_strategy_of_the_command_line_is_refused(flags, words):
    """It would win over the drill's own."""
    refused(SHIPPED, *words, flags=flags)
    wanted = {"rollbacks": "always", "hypothesis": "after-method-only"}
    check_form("d.json", SHIPPED, {}, {}, wanted)
    check_form("d.json", SHIPPED, {}, {}, {"rollbacks": None, "hypothesis": None})


LEAVES = st.none() | st.booleans() | st.integers() | st.text()
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(ANYTHING, st.sampled_from(sorted(SHIPPED)))
def test_any_document_is_accepted_or_bad_input(value, key):
    """Whatever stands at a key of a drill: one line, and no traceback."""
    try:
        check_form("d.json", {**SHIPPED, key: value}, {}, {})
        line = ""
    except BadInput as error:
        line = str(error)
    assert len(line.splitlines()) <= 1


@given(st.text(), st.text())
def test_the_distance_of_two_words_is_one(one, other):
    """Zero for equal words alone, the same both ways, at most the longer one's length."""
    found = distance(one, other)
    assert (found == 0) == (one == other)
    assert found == distance(other, one)
    assert found <= max(len(one), len(other))


def test_two_letters_that_changed_places_are_one_edit():
    """The most common slip."""
    assert distance("tagret", "target") == 1
    assert near("sede", ["seed"]) == "seed"
    assert near("need", ["seed"]) == "seed"
    assert near("node", ["seed"]) is None


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs", "M"])))
def test_text_without_control_characters_is_plain(text):
    """Letters, numbers, signs and spaces of any script."""
    assert not has_control(text)
    assert has_control(text + "\x1b")
