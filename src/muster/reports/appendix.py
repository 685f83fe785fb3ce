"""The appendix of a report: the drill's settings, versions and resolved configuration. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from muster.judge.judged_by import contract_said
from muster.reports.evidence import Evidence
from muster.reports.model import Fact
from muster.reports.numbers import NO_DATA, count
from muster.reports.words import one_line

_SECRET = re.compile(r"(^|_)(token|secret|password|passwd|credentials?|authorization|api_?key)$")
_CONFIG_ROWS_MAX = 400
_SHOWN_FIRST = (
    ("target", "Target"),
    ("target_class", "Target class"),
    ("profile", "Profile"),
    ("streams_target", "Streams"),
    ("scale", "Scale"),
    ("time_scale", "Time scale"),
    ("seed", "Seed"),
    ("gate", "Gate"),
    ("evacuated", "Region drilled"),
    ("ttl_s", "DNS TTL, s"),
    ("scrape_interval_s", "Scrape interval, s"),
    ("defect", "Planted defect"),
)


def drill_facts(started: Mapping[str, Any], verdict: Mapping[str, Any]) -> tuple[Fact, ...]:
    """What was drilled, where, and with which settings."""
    facts = []
    for key, label in _SHOWN_FIRST:
        value = started.get(key, verdict.get(key))
        if key == "streams_target":
            facts.append(Fact(label, count(value)))
        elif key == "defect" and not value:
            facts.append(Fact(label, "none" if key in started else NO_DATA))
        elif value is None:
            shown = "none" if key in started or key in verdict else NO_DATA
            facts.append(Fact(label, shown))
        else:
            facts.append(Fact(label, one_line(value_text(value), 200)))
    return tuple(facts)


def judged_facts(evidence: Evidence, judged: str) -> tuple[Fact, ...]:
    """By what it was judged, and by whose contract: a tier alone is only a letter."""
    note = "" if evidence.contract_sha256 is None else f"sha256 {evidence.contract_sha256[:16]}"
    whose = one_line(contract_said(evidence.contract), 200)
    return (Fact("Judged by", one_line(judged, 600)), Fact("Contract", whose, note))


def machine_facts(capacity: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The capacity of the machine that ran load and testbed; none if the ledger does not say."""
    if not capacity:
        return ()
    by = capacity.get("streams_by")
    limits = (
        [f"{one_line(k, 40)} {count(v)}" for k, v in by.items()] if isinstance(by, dict) else []
    )
    holds = count(capacity.get("holds_streams"))
    shape = capacity.get("shape")
    parts = shape.items() if isinstance(shape, dict) else ()
    named = [f"{one_line(k, 40).replace('_', ' ')} {count(v)}" for k, v in parts if k != "streams"]
    return (
        Fact("Streams this machine holds", holds, ", ".join(limits)),
        Fact("Testbed", ", ".join(named) or NO_DATA),
    )


def version_facts(started: Mapping[str, Any], verdict: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The platform's build, and the versions of Muster and its libraries."""
    builds = verdict.get("platform_build", started.get("platform_build"))
    facts = [Fact("Platform build", one_line(value_text(builds), 300) if builds else NO_DATA)]
    versions = started.get("versions")
    if isinstance(versions, dict):
        facts += [Fact(one_line(k, 80), one_line(value_text(v), 200)) for k, v in flat(versions)]
    return tuple(facts)


def configuration_facts(config: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The resolved configuration by dotted key, with its secrets hidden."""
    rows = [Fact(one_line(key, 160), one_line(value, 300)) for key, value in _shown_config(config)]
    if len(rows) > _CONFIG_ROWS_MAX:
        more = len(rows) - _CONFIG_ROWS_MAX
        rows = [*rows[:_CONFIG_ROWS_MAX], Fact("…", f"{more} more in config.json")]
    return tuple(rows)


def _shown_config(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in flat(config):
        hidden = value not in (None, "") and _SECRET.search(key.lower().rsplit(".", 1)[-1])
        yield key, "(hidden)" if hidden else value_text(value)


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted key, sorted; lists are leaves unless they hold mappings."""
    for key in sorted(value, key=str):
        here = f"{prefix}{key}"
        item = value[key]
        if isinstance(item, dict) and item:
            yield from flat(item, f"{here}.")
        elif isinstance(item, list) and any(isinstance(part, dict) for part in item):
            yield from flat({f"{i}": part for i, part in enumerate(item)}, f"{here}.")
        else:
            yield here, item


def value_text(value: Any) -> str:
    """A value of JSON as text."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(value_text(part) for part in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {value_text(v)}" for k, v in value.items()) or "none"
    return str(value)
