"""The parsed contract says what the program's own document says, figure by figure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from muster import home
from muster.contract import load, parse_profile, profile_named
from muster.contract.model import parse_share, per_cent
from muster.errors import BadInput

FIXTURE = Path(__file__).parent / "fixtures" / "seed_tables.yaml"
GIVEN = os.environ.get("PHASE5_DOCUMENT", "")
DOCUMENTS = [Path(GIVEN)] if GIVEN else sorted(home.root().parent.glob("shared/seed/*.txt"))
CONTRACT_FILE = home.root() / "contract" / "phase5.yaml"
SLO_KEYS = {
    "availability": ("availability_min", ">="),
    "success_2xx": ("success_2xx_min", ">="),
    "rate_5xx": ("rate_5xx_max", "<="),
    "rate_429": ("rate_429_max", "<="),
    "first_token": ("first_token_p95_s_max", "<="),
    "completion": ("completion_p95_s_max", "<="),
}


def tables():
    return yaml.safe_load(FIXTURE.read_text())


def figure(text):
    """(sign, exact value) of a figure such as `>= 99.95%` or `<= 2,500ms`."""
    match = re.fullmatch(r"(?:(>=|<=) )?([\d,.]+)(%|ms|s|m)?", text)
    sign, number, unit = match.groups()
    per = {"%": Fraction(1, 100), "ms": Fraction(1, 1000), "m": Fraction(60)}
    return sign, Fraction(number.replace(",", "")) * per.get(unit, Fraction(1))


@pytest.mark.parametrize("tier", ["L", "G", "X"])
def test_each_tier_has_the_documents_figures(tier):
    """Streams and all six SLOs, with their direction."""
    parsed = load().tiers[tier]
    wanted = tables()["tiers"][tier]
    assert parsed.streams == figure(wanted.pop("streams"))[1]
    for slo, text in wanted.items():
        key, sign = SLO_KEYS[slo]
        assert (sign, Fraction(getattr(parsed, key))) == figure(text), slo
    assert set(wanted) == set(SLO_KEYS)


@pytest.mark.parametrize("gate", ["M1", "M2", "M3"])
def test_each_gate_has_the_documents_figures(gate):
    """Tier, profile, soak, queue age, and the rule that the gate has of its own."""
    parsed = load().gates[gate]
    wanted = tables()["gates"][gate]
    assert (parsed.tier, parsed.profile) == (wanted["tier"], wanted["profile"])
    assert Fraction(parsed.soak_s_min) == figure(wanted["soak"])[1]
    assert Fraction(parsed.queue_age_s_max) == figure(wanted["queue_age"])[1]
    circuit = wanted.get("circuit_open")
    assert parsed.circuit_open_s_max == (float(figure(circuit)[1]) if circuit else None)
    assert parsed.drill_tier == wanted.get("drill_tier")
    assert parsed.failover_actions_in_baseline_max == (0 if "failover" in wanted else None)


def test_the_triggers_have_the_documents_figures():
    """5 and 10 consecutive minutes, circuit over 2, queue over 10, and the three hard failures."""
    triggers, wanted = load().triggers, tables()["triggers"]
    assert triggers.window_s == 60
    assert triggers.rate_5xx.windows == wanted["rate_5xx_minutes"]
    assert triggers.success_2xx.windows == wanted["success_2xx_minutes"]
    assert triggers.circuit_open.open_s_max == 60 * wanted["circuit_minutes"]
    assert triggers.circuit_open.route == "primary"
    assert triggers.queue_age.over_s_max == 60 * wanted["queue_minutes"]
    assert set(triggers.hard_failure.reasons) == set(tables()["hard_failures"])


def test_the_measurement_is_the_documents():
    """Accepted to first byte, accepted to close, 429 apart, and always the 2xx floor."""
    rules, wanted = load().measurement, tables()["measurement"]
    for span in ("first_token", "completion"):
        parsed = getattr(rules, span)
        assert [parsed.from_, parsed.to] == [end.replace(" ", "_") for end in wanted[span]]
    assert rules.rate_429 == "apart_from_5xx"
    assert rules.success_rate_checks_include == "success_2xx"
    assert rules.percentile == Fraction(95, 100)


@pytest.mark.skipif(
    not DOCUMENTS,
    reason="NOT COMPARED WITH THE DOCUMENT ITSELF: Phase 5.0 Program Setup is not in "
    "../shared/seed; PHASE5_DOCUMENT may name its file",
)
def test_the_fixture_is_the_document():
    """Every figure of the fixture stands in the document, in its own section."""
    (document,) = DOCUMENTS
    text = document.read_text()
    sections = dict(
        re.findall(r"^### (Tier \w|M\d gate)[^\n]*\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    )
    wanted = tables()
    labels = {
        "availability": "Availability",
        "success_2xx": "`2xx` success rate",
        "rate_5xx": "`5xx` rate",
        "rate_429": "`429` rate budget",
        "first_token": "p95 first-token latency",
        "completion": "p95 completion latency",
    }
    for tier, figures in wanted["tiers"].items():
        assert f"sustain `{figures['streams']}` concurrent" in text.split(f"`Tier {tier}`")[1][:60]
        found = dict(re.findall(r"^- (.+?): `(.+?)`$", sections[f"Tier {tier}"], re.M))
        assert found == {labels[slo]: figures[slo] for slo in labels}
    for gate, figures in wanted["gates"].items():
        section = sections[f"{gate} gate"]
        for key in ("profile", "soak", "queue_age", "circuit_open"):
            assert key not in figures or f"`{figures[key]}`" in section
        assert f"all Tier {figures['tier']} SLOs pass" in section
        assert figures.get("failover", "") in section
    triggers, measured = (" ".join(part.split()) for part in text.split("## 4)")[1].split("## 5)"))
    for minutes in wanted["triggers"].values():
        assert re.search(rf"`(> )?{minutes}`", triggers)
    assert all(words in triggers for words in wanted["hard_failures"].values())
    for name, words in (("First-token", "first_token"), ("Completion", "completion")):
        start, end = wanted["measurement"][words]
        assert f"{name} latency is measured from {start} to {end}" in measured
    assert all(wanted["measurement"][key] in measured for key in ("rate_429", "success_rate"))


FROM_THE_DOCUMENT = {
    *(f"tiers.{t}.streams" for t in "LGX"),
    *(f"tiers.{t}.{key}" for t in "LGX" for key, _ in SLO_KEYS.values()),
    *(f"gates.{g}.{key}" for g in ("M1", "M2", "M3") for key in ("soak_s_min", "queue_age_s_max")),
    "gates.M1.circuit_open_s_max",
    "gates.M2.failover_actions_in_baseline_max",
    "triggers.rate_5xx.windows",
    "triggers.success_2xx.windows",
    "triggers.circuit_open.open_s_max",
    "triggers.queue_age.over_s_max",
    "triggers.window_s",
    "measurement.percentile",
}
"""The figures that the tests above compare with the document's tables."""


def figures(node: yaml.Node, path: str = "", source: str = "") -> Iterator[tuple[str, int, str]]:
    """Each figure of a file: its dotted key, its line, and the source that stands nearest."""
    if isinstance(node, yaml.MappingNode):
        own = {key.value: value for key, value in node.value}
        if "<<" in own:
            own = {key.value: value for key, value in own["<<"].value} | own
        source = getattr(own.get("source"), "value", source)
        source = source if isinstance(source, str) else ""
        for key, value in own.items():
            if key != "<<":
                yield from figures(value, f"{path}.{key}".lstrip("."), source)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from figures(value, path, source)
    elif re.fullmatch(r"[\d.]+%?", node.value):
        yield path, node.start_mark.line, source


def choice(lines: list[str], line: int) -> bool:
    """Whether the figure's own comment, or the next one above it, calls it a choice."""
    own = lines[line].partition("#")[2]
    depth = len(lines[line]) - len(lines[line].lstrip())
    while line > 0 and not lines[line].lstrip().startswith("#"):
        line -= 1
    above = []
    # A deeper comment is of what stands deeper.
    while line >= 0 and re.match(rf" {{0,{depth}}}#", lines[line]):
        above.append(lines[line])
        line -= 1
    return "choice:" in own + "".join(above)


def without_origin(text: str) -> list[str]:
    """Figures that name neither the document, in which the tests look, nor a choice."""
    found = []
    for path, line, source in figures(yaml.compose(text)):
        if path in ("schema_version", "source.as_of"):
            continue
        chosen = "choice" in source or choice(text.splitlines(), line)
        documented = path in FROM_THE_DOCUMENT and source.startswith("Phase 5.0 Program Setup, ")
        if not source or not (chosen or documented):
            found.append(path)
    return found


def test_every_figure_says_where_it_is_from():
    """The document's section, or that it is a choice; every section has a source."""
    text = CONTRACT_FILE.read_text()
    assert without_origin(text) == []
    paths = {path for path, _, _ in figures(yaml.compose(text))}
    assert paths > FROM_THE_DOCUMENT
    assert len(paths) > 80


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("  window_s: 60  ", "  window_s: 60\n  patience_s: 60  ", "triggers.patience_s"),
        (
            "    queue_age_s_max: 45\n",
            "    queue_age_s_max: 45\n    grace_s: 5\n",
            "gates.M2.grace_s",
        ),
        ("  # choice: when the load itself", "  # when the load itself", None),
        ('  source: "choice: open arrivals', '  because: "open arrivals', "load_validity"),
        ('    # choice: "unresolved" is', '    # "unresolved" is', "triggers.hard_failure"),
        (
            '    source: "Phase 5.0 Program Setup, 3) Capacity Milestones, M2 gate"\n',
            "",
            "gates.M2",
        ),
    ],
)
def test_a_figure_without_a_source_is_found(old, new, path):
    """As one that somebody adds, or whose source is lost."""
    text = CONTRACT_FILE.read_text()
    assert old in text
    found = without_origin(text.replace(old, new, 1))
    assert found == [] if path is None else found and all(one.startswith(path) for one in found)


def test_mean_stream_is_that_of_the_quantiles_as_interpolated():
    """214.7 tokens, not the trace's 211.1; about 7.1 s, 2,815 arrivals a second at 20,000."""
    profile = profile_named(load(), "m3_20k")
    assert profile.mean_tokens == pytest.approx(214.695)
    assert profile.mean_stream_s == pytest.approx(7.106, abs=0.001)
    assert profile.arrivals_per_s(1.0) == pytest.approx(2814.6, abs=0.1)
    assert profile.arrivals_per_s(0.1) == pytest.approx(281.46, abs=0.01)


@pytest.mark.parametrize("text", ["99.95%", "0.3%", "100%", "0%", "33.333333333%"])
def test_shares_survive_reading_and_writing(text):
    """What is written is what was read, exactly."""
    assert per_cent(parse_share(text)) == text


def test_shares_are_exact():
    """0.1 % three times is 0.3 %, as it is not with floats."""
    assert parse_share("0.1%") * 3 == parse_share("0.3%")
    assert 1 - parse_share("99.95%") == Fraction(1, 2000)


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("availability_min: 99.5%", "availability_min: 101%", "tiers.L.availability_min", "0% to"),
        ("availability_min: 99.5%", "availability_min: 0.995", "tiers.L.availability_min", "per c"),
        ("availability_min: 99.5%", "availability_min: 100%", "tiers.L.availability_min", "less"),
        ("streams: &streams_l 1000", "streams: &streams_l -1", "tiers.L.streams", "greater than"),
        ("rate_5xx_max: 0.5%", "rate_5xx_maxi: 0.5%", "tiers.G.rate_5xx_max", "given"),
        ("    title: Growth\n", "    title: Growth\n    extra: 1\n", "tiers.G.extra", "known keys"),
        ("p95_s_max: 2.5", "p95_s_max: 2.6", "tiers.G.first_token_p95_s_max", "an edge of"),
        ("p95_s_max: 2.5", "p95_s_max: 30", "tiers.G.first_token_p95_s_max", "above it"),
        ("p95_s_max: 2.5", "p95_s_max: .nan", "tiers.G.first_token_p95_s_max", "finite"),
        ("profile: m2_5k", "profile: m2_6k", "gates.M2.profile", "one of m1_1k, m2_5k, m3_20k"),
        ("tier: G\n", "tier: H\n", "gates.M2.tier", "'L', 'G' or 'X'"),
        ("streams: *streams_g", "streams: 4000", "profiles.m2_5k.streams", "5000"),
        ("[5%, 41]", "[0%, 41]", "profiles.m1_1k.stream_tokens_quantiles", "rising"),
        ("[5%, 41]", "[5%, 4]", "profiles.m1_1k.stream_tokens_quantiles", "never decrease"),
        ("[1, 6]", "[7, 6]", "profiles.m1_1k.retry.backoff_s", "low to high"),
        ("[0.05, 0.1, 0.2", "[0.05, 0.2, 0.2", "measurement.first_token_edges_s", "strictly"),
        ("schema_version: 1", "schema_version: 2", "schema_version", "1"),
        ("unresolved_s: 60", "unresolved_s: soon", "triggers.hard_failure.unresolved_s", "number"),
    ],
)
def test_a_contract_that_does_not_fit_is_refused_in_one_line(tmp_path, old, new, key, expected):
    """File, key, value, and what was expected."""
    text = CONTRACT_FILE.read_text()
    assert old in text
    file = tmp_path / "other.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        load(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: {key}: got ")
    assert expected in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_a_missing_tier_or_gate_is_refused(tmp_path):
    """A contract without one of its parts is none."""
    data = yaml.safe_load(CONTRACT_FILE.read_text())
    for part, name in (("tiers", "X"), ("gates", "M3")):
        broken = {**data, part: {k: v for k, v in data[part].items() if k != name}}
        file = tmp_path / f"{part}.yaml"
        file.write_text(yaml.safe_dump(broken))
        with pytest.raises(BadInput, match=rf"{part}\.{name}: got"):
            load(file)


def test_an_unknown_profile_names_the_known_ones():
    """One line for who mistypes."""
    with pytest.raises(BadInput, match="got 'm4', expected one of m1_1k, m2_5k, m3_20k"):
        profile_named(load(), "m4")


def test_a_targets_own_profile_is_read_by_the_same_rules():
    """Same schema, same refusals."""
    own = load().profiles["m3_20k"].model_dump(mode="json")
    assert parse_profile("short", own, "target.yaml").name == "short"
    with pytest.raises(BadInput, match="streams"):
        parse_profile("short", {**own, "streams": 0}, "target.yaml")
