"""Checks that the keys of a target fit each other, and names the key that does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from muster.errors import BadInput, nearest, together
from muster.targets.calendar import span_of
from muster.targets.declared import declared_problems
from muster.targets.kubernetes import IN_CLUSTER, ClusterAccess
from muster.targets.load_check import load_problems
from muster.targets.model import Target
from muster.targets.request_form import OF_TRACE
from muster.targets.shared import SharedTxt
from muster.targets.signal_check import mapping_problems, name_problems
from muster.targets.signals import SIGNALS_NEEDED

PLACEHOLDER = re.compile(r"\$\{(testbed|env)\.([^}]+)\}")
_SECRET_QUERY = re.compile(r"token|key|secret|pass|auth|sig", re.IGNORECASE)
SECRET_KEYS = {
    "token",
    "canary_token",
    "password",
    "routing_key",
    "webhook_url",
    "ping_url",
}
BODY_OWN = frozenset(
    {"model", "messages", "stream", "max_tokens", "max_completion_tokens", "n", "user"}
)
"""Fields of a request that the load sets, or that must not be set because they would change what is
measured.
"""


def check(target: Target, file: Path | str) -> None:
    """Raises BadInput with one line for each key that does not fit the rest of `target`."""
    if wrong := together(problems(target, file)):
        raise wrong


def problems(target: Target, file: Path | str) -> Iterator[BadInput]:
    """Yield each key that does not fit the rest of `target`."""
    regions = ", ".join(target.regions)
    if target.evacuate not in target.regions:
        near = nearest(target.evacuate, target.regions)
        yield BadInput(file, "evacuate", target.evacuate, f"one of the regions {regions}{near}")
    for key in ("regions", "redis"):
        for index, region in enumerate(getattr(target.blast_radius, key)):
            if region not in target.regions:
                wanted = f"one of the regions {regions}{nearest(region, target.regions)}"
                yield BadInput(file, f"blast_radius.{key}.{index}", region, wanted)
    dark, all_of_them = target.blast_radius.regions_dark_max, len(target.regions)
    if dark >= all_of_them:
        wanted = f"under {all_of_them}: a region must stay"
        yield BadInput(file, "blast_radius.regions_dark_max", dark, wanted)
    yield from _check_steering(target, file)
    yield from _check_calendar(target, file)
    yield from name_problems(target.signals_said, file)
    yield from declared_problems(target.signals_said, SIGNALS_NEEDED, file)
    yield from mapping_problems(target.signals, target.regions, file)
    yield from _check_body(target, file)
    yield from _check_budget(target, file)
    if target.load.form.prompts == OF_TRACE and target.load.trace is None:
        wanted = "load.trace as well, whose ContextTokens are the lengths; a file: ./trace"
        yield BadInput(file, "load.form.prompts", OF_TRACE, wanted)
    if target.testbed is None and target.class_ == "testbed":
        yield BadInput(file, "testbed", None, "a testbed section, since class is testbed")
    if target.testbed is not None and target.class_ != "testbed":
        yield BadInput(file, "testbed", "a section", f"none, since class is {target.class_}")
    if target.testbed is not None and set(target.testbed.regions) != set(target.regions):
        built = ", ".join(target.testbed.regions)
        yield BadInput(file, "testbed.regions", built, f"the same regions as regions: {regions}")
    yield from _check_shared(target, file)
    yield from _check_contexts(target, file)
    yield from load_problems(target, file)


def _check_steering(target: Target, file: Path | str) -> Iterator[BadInput]:
    """Every set identifier must belong to one existing region; a command's names must be stated."""
    if not target.steering.shows_names and target.names.reads_steering:
        whose = "a command's" if target.steering.kind == "command" else "a route's"
        wanted = f"kind: stated, ttl_s and detection_s_max: {whose} names cannot be read"
        yield BadInput(file, "names", None, wanted)
    if not target.names.reads_steering and target.load.region_header is None:
        blind = next((name for name, one in target.regions.items() if not one.addresses), None)
        if blind is not None:
            wanted = "what its name is answered, or load.region_header: nothing else names regions"
            yield BadInput(file, f"regions.{blind}.addresses", None, wanted)
    given, regions = target.steering.identifiers, ", ".join(target.regions)
    owners: dict[str, str] = {}
    for region, identifiers in given.items():
        key = f"steering.{target.steering.identifiers_key}.{region}"
        if region not in target.regions:
            wanted = f"one of the regions {regions}{nearest(region, target.regions)}"
            yield BadInput(file, key, region, wanted)
        for identifier in identifiers:
            if identifier in owners:
                wanted = f"an identifier of one region: {owners[identifier]} has it already"
                yield BadInput(file, key, identifier, wanted)
            owners.setdefault(identifier, region)
    for region in target.regions:
        if region not in given and owners.get(region, region) != region:
            wanted = f"identifiers of {region} too: its own name is taken by {owners[region]}"
            key = f"steering.{target.steering.identifiers_key}.{region}"
            yield BadInput(file, key, None, wanted)


def _check_calendar(target: Target, file: Path | str) -> Iterator[BadInput]:
    """A freeze that ends before it begins would freeze nothing."""
    calendar = target.calendar
    for index, freeze in enumerate(calendar.frozen if calendar else ()):
        start, end = span_of(freeze, calendar)  # type: ignore[arg-type]
        if end <= start:
            wanted = f"a day or moment after {freeze.from_}"
            yield BadInput(file, f"calendar.frozen.{index}.to", str(freeze.to), wanted)


def _check_shared(target: Target, file: Path | str) -> Iterator[BadInput]:
    """Outside the testbed the drilling machine may be lost, so lock and undo entries need a store
    elsewhere.
    """
    shared = target.shared
    if shared is None:
        if target.class_ != "testbed":
            wanted = (
                "a store off the machine for lock and undo entries (route53_txt, s3 or kubernetes)"
            )
            yield BadInput(file, "shared", None, f"{wanted}, since class is {target.class_}")
        return
    if isinstance(shared, SharedTxt) and not f".{shared.name}".endswith(f".{shared.zone}"):
        yield BadInput(file, "shared.name", shared.name, f"a name in shared.zone {shared.zone}")


def _check_contexts(target: Target, file: Path | str) -> Iterator[BadInput]:
    """Off a testbed each cluster must be named: the current context may be any cluster's."""
    if target.class_ == "testbed":
        return
    sections: dict[str, object] = {"steering": target.steering, "shared": target.shared}
    for name, region in target.regions.items():
        restart = region.toxiproxy.restart if region.toxiproxy else None
        sections |= {
            f"regions.{name}.power": region.power,
            f"regions.{name}.partition": region.partition,
            f"regions.{name}.cluster": region.cluster,
            f"regions.{name}.toxiproxy.restart": restart,
        }
    for key, section in sections.items():
        if isinstance(section, ClusterAccess) and section.context is None:
            wanted = f"a context of the kubeconfig, or {IN_CLUSTER}, since class is {target.class_}"
            yield BadInput(file, f"{key}.context", None, wanted)


def _check_body(target: Target, file: Path | str) -> Iterator[BadInput]:
    """Additional request fields must be JSON values that the load does not set itself."""
    for name, value in target.load.body.items():
        key = f"load.body.{name}"
        if name in BODY_OWN:
            wanted = f"another field: the load sets {', '.join(sorted(BODY_OWN))} by itself"
            yield BadInput(file, key, value, wanted)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            wanted = "a JSON value: text, number, true, false, null, a list or a mapping of these"
            yield BadInput(file, key, value, wanted)


def _check_budget(target: Target, file: Path | str) -> Iterator[BadInput]:
    """Money can only be counted where tokens have a price."""
    budget = target.load.budget
    if budget is not None and budget.money_max is not None and target.load.cost is None:
        wanted = "load.cost with currency, input_per_million and output_per_million as well"
        yield BadInput(file, "load.budget.money_max", budget.money_max, wanted)


def written_problems(target: Target, file: Path | str) -> Iterator[BadInput]:
    """Check the raw file: placeholders must be fillable, and secrets must not stand in the file."""
    for key, text in texts(target.model_dump(by_alias=True)):
        for found in re.finditer(r"\$\{[^}]*\}?", text):
            kind = PLACEHOLDER.fullmatch(found.group(0))
            if kind is None:
                yield BadInput(file, key, found.group(0), "${testbed.KEY} or ${env.NAME}")
            elif kind.group(1) == "testbed" and target.class_ != "testbed":
                wanted = f"${{env.NAME}} or a value, since class is {target.class_}"
                yield BadInput(file, key, found.group(0), wanted)
        if is_secret(key) and target.class_ != "testbed" and not PLACEHOLDER.fullmatch(text):
            # The value is left out because the message may be logged.
            yield BadInput(file, key, "a literal", "${env.NAME}: a target file contains no secrets")
        if literal_secret(text):
            wanted = "user and password as ${env.NAME}: a target file contains no secrets"
            yield BadInput(file, key, "a URL with a literal secret", wanted)


def is_secret(key: str) -> bool:
    """Whether a dotted key names a secret, or a header whose name sounds like one."""
    section, _, name = key.rpartition(".")
    return name in SECRET_KEYS or (section.endswith(".headers") and looks_secret(name))


def looks_secret(name: str) -> bool:
    """Whether a header, a query or a field of that name usually holds a secret."""
    return _SECRET_QUERY.search(name) is not None


def literal_secret(text: str) -> bool:
    """Whether a URL, as written, holds a password or a query parameter named like a secret."""
    if "://" not in text:
        return False
    rest = text.partition("://")[2]
    place, _, query = PLACEHOLDER.sub("", rest).partition("?")
    if ":" in place.rpartition("@")[0]:
        user_and_password = place.rpartition("@")[0]
        if user_and_password.partition(":")[2]:
            return True
    pairs = [pair.partition("=") for pair in query.partition("#")[0].split("&")]
    return any(value and _SECRET_QUERY.search(name) for name, _, value in pairs)


def texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string in a document with its dotted key."""
    if isinstance(value, dict):
        items = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, list | tuple):
        items = [(str(index), item) for index, item in enumerate(value)]
    else:
        if isinstance(value, str):
            yield key, value
        return
    for name, item in items:
        yield from texts(item, f"{key}.{name}" if key else name)
